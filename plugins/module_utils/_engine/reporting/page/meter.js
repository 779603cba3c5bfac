// One meter: what it is, every point that was judged, and what was done to it.
function resultsOf(meter) {
  const rank = (item) => STATE_ORDER.indexOf(item.state);
  return meter.controls.map((number) => resultOf(meter, number))
    .sort((one, other) => rank(one) - rank(other) || severityRank(one.info.severity) - severityRank(other.info.severity) || byText(one.id, other.id));
}

const place = (file, number) => (file ? copied(number ? `${file}:${number}` : file, "Copy the place") : null);
const valueText = (value) => el("span", { class: "value" }, bdi(shown(value)));

// Clauses by standard, and of each standard those whose text was compared apart from the others.
function clauses(list) {
  if (!list.length) return null;
  const groups = groupBy(list, (item) => `${item.standard}\n${item.verified}`);
  return el("ul", { class: "clauses" }, [...groups.values()].map((items) => el("li", {},
    bdi(`${items[0].standard}: ${items.map((item) => item.clause).join(", ")}`), " ", el("small", {}, items[0].verified ? "compared with its text" : "not compared with its text"))));
}

const attemptsText = ({ limit, used, remaining, source }) => {
  if (limit === undefined) return "";
  if (limit === null) return "no limit";
  if (remaining === null) return `not known, of ${limit}`;
  return `${remaining} left of ${limit} (${used} used; from ${source === "ledger" ? "the ledger" : source})`;
};

// What a person copies.
function block(text, what) {
  const box = el("pre", { tabindex: "0", role: "group", "aria-label": what }, text);
  return el("div", { class: "copied block" }, box, copyButton(text, "Copy", `Copy the ${what[0].toLowerCase()}${what.slice(1)}`));
}

// The runs that mend this meter: one for each playbook, for all findings that it mends.
function commands(bad) {
  const groups = [...groupBy(bad.filter((item) => item.fix), (item) => item.fix.command)];
  if (!groups.length) return null;
  return el("div", { class: "fix" }, el("p", {}, "With your inventory and baseline as for the audit:"), groups.map(([command, items]) => {
    const accept = [...new Set(items.flatMap((item) => item.fix.accept))].sort(byText);
    const what = `mends ${items.length === bad.length ? "all" : count(items.length)} of ${many(bad.length, "finding")}`;
    return [block(command, `Command for ${items[0].fix.playbook} on this meter`), el("p", {}, el("small", {}, `It ${what}.`, accept.length ? [" It accepts what cannot be undone or costs something: ", bdi(accept.join(", ")), "."] : null))];
  }));
}

function more(item) {
  const { fix } = item;
  const words = fix && fix.runs > 1 ? `The task that mends it, ${fix.runs} times` : "The task that mends it";
  const fold = (summary, ...inside) => el("details", { class: "more" }, el("summary", {}, summary), inside);
  const task = fix && fix.task ? fold(words, block(fix.task, `Task for ${item.id}`)) : null;
  const list = item.info.clauses;
  return [task, list.length ? fold(many(list.length, "clause") + " of standards", clauses(list)) : null];
}

function waiverText(waiver) {
  return waiver && [bdi(waiver.reason || ""), waiver.approver ? [", approved by ", bdi(waiver.approver)] : null, waiver.expires ? `, until ${waiver.expires}` : null];
}
function attestedText(said) {
  return said && [bdi(said.text || ""), said.by ? [", said by ", bdi(said.by)] : null, said.at ? ` on ${said.at}` : null];
}

function details(item) {
  return [
    facts([
      ["Wanted", item.want === null ? "" : valueText(item.want)], ["Found", item.have === null ? "" : valueText(item.have)],
      ["Seen by", item.evidence], ["What helps", item.remedy], ["Why no run mends it", item.state === "fail" && !item.fix ? item.reason : ""],
      ["Reason", item.state !== "fail" || item.fix ? item.reason : ""], ["Waiver", waiverText(item.waiver)], ["Attested", attestedText(item.attested)],
      ["Rule", item.rule], ["Set in", place(item.file, item.line)],
    ]),
    more(item),
  ];
}

function findingCard(item) {
  return el("article", { class: `finding k-${item.state}`, id: `finding-${item.id}` },
    el("h3", {}, badge(item.state), " ", link(`#/control/${escapePart(item.base)}`, bdi(item.title)), " ", severityChip(item.info.severity), " ", code(item.id)),
    el("p", { class: "said" }, bdi(item.text)), details(item));
}

// What is as it should be, or set aside: one line each, the rest when opened.
function quietRow(item) {
  return el("details", { class: `k-${item.state}` },
    el("summary", {}, badge(item.state), el("span", { class: "name" }, bdi(item.title)), el("span", { class: "said" }, bdi(item.text))), details(item));
}

function historyTable(meter) {
  const tries = triesOf(meter);
  if (!tries.length) return el("p", {}, "No upgrade of this meter is in the records this page was made from.");
  return table("Upgrades of this meter", [
    { head: "Started", cell: (item) => time(item.started) },
    { head: "Campaign", cell: (item) => bdi(item.campaign) },
    { head: "From → to", cell: (item) => bdi(`${item.source} → ${item.target}`) },
    { head: "Method", cell: (item) => bdi(item.method) },
    { head: "Ended", cell: (item) => (item.finished === null ? "open" : time(item.finished)) },
    { head: "Outcome", cell: (item) => badge(PROVEN.has(item.outcome) ? "pass" : item.finished === null ? "unknown" : "fail", [bdi(item.outcome || "open")]) },
    { head: "Reason", cell: (item) => bdi(item.reason || "–") },
  ], tries);
}

function neighbours(meter) {
  const at = listed.indexOf(meter);
  const list = at < 0 ? METERS : listed;
  const here = at < 0 ? meter.at : at;
  const step = (words, other) => (other ? link(meterHref(other), words) : null);
  return el("nav", { class: "line neighbours", "aria-label": "Other meters" }, link(listedFrom, "All meters in the list"), step("Previous", list[here - 1]), step("Next", list[here + 1]),
    el("small", {}, `${count(here + 1)} of ${count(list.length)}`));
}

function meterPage(name) {
  const meter = BY_NAME.get(name) || BY_SERIAL.get(name);
  if (!meter) return missing(`There is no meter ${name} in this audit.`);
  const results = resultsOf(meter);
  const bad = results.filter((item) => item.state === "fail" || item.state === "unknown");
  const rest = results.filter((item) => item.state !== "fail" && item.state !== "unknown");
  const here = location.href;
  const box = facts([
    ["Address", meter.host], ["Serial number", meter.serial], ["Model", meter.model], ["Family", meter.family], ["Firmware", meter.firmware],
    ["Target", meter.target], ["Security mode", meter.mode], ["Gateway", meter.gateway && link(`#/meters?gateway=${escapePart(meter.gateway)}`, bdi(meter.gateway))],
    ["Upgrade attempts", attemptsText(meter.attempts)], ["In the inventory", place(meter.file, meter.line)], ["Could not be read", meter.reason && code(meter.reason)],
  ]);
  const words = meter.text ? bdi(meter.text) : `Of ${many(results.length, "point")}, ${count(meter.fails)} ${meter.fails === 1 ? "fails" : "fail"} and ${count(meter.unknowns)} ${meter.unknowns === 1 ? "is" : "are"} unknown.`;
  return {
    title: meter.name,
    node: [
      neighbours(meter),
      el("div", { class: `hero k-${meter.verdict}` }, el("h1", { tabindex: "-1" }, bdi(meter.name), " ", badge(meter.verdict)), el("p", {}, words),
        el("p", { class: "meta" }, copyButton(here, "Copy link", "Copy the address of this meter's page"))),
      section("Facts", box),
      bad.length ? section("Findings", commands(bad), bad.map((item) => findingCard(item))) : null,
      rest.length ? section("Other points", el("div", { class: "quiet-rows" }, rest.map((item) => quietRow(item)))) : null,
      section("Upgrades", historyTable(meter)),
    ],
  };
}
