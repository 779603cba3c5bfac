// The first view: what was found, by family, by version, by control, over time.
const verdictHref = (verdict, more = "") => `#/meters?verdict=${verdict}${more}`;
const escapePart = encodeURIComponent;

function verdictParts(meters, more = "") {
  const found = tally(meters, (meter) => meter.verdict);
  return VERDICTS.toReversed().map((verdict) => ({ kind: verdict, n: found.get(verdict) || 0, words: verdict, href: verdictHref(verdict, more) }));
}

function verdictSentence() {
  const found = DATA.head.totals.verdicts;
  const all = DATA.head.totals.meters;
  const rest = [
    [found.drift, "differ in what a run can mend"], [found.blocked, "need a person"], [found.unknown, "could not be judged"],
  ].filter(([number]) => number).map(([number, words]) => `${count(number)} ${words}`);
  const good = `${count(found.compliant)} of ${many(all, "meter")} (${share(found.compliant, all)}) ${found.compliant === 1 ? "is" : "are"} as the baseline wants.`;
  return rest.length ? `${good} ${rest.join(", ")}.` : good;
}

function tiles() {
  const states = DATA.head.totals.states;
  const counted = DATA.head.totals.controls - states.not_applicable;
  const good = states.pass + states.attested;
  const severe = (name) => DATA.controls.filter((item) => item.severity === name).reduce((sum, item) => sum + control(item.id).counts[FAIL], 0);
  const tile = (number, words, href, kind) => el("a", { class: `tile k-${kind || "none"}`, href }, el("strong", {}, number), el("span", {}, words));
  return el("div", { class: "tiles" },
    tile(share(DATA.head.totals.verdicts.compliant, DATA.head.totals.meters), "of the meters compliant", verdictHref("compliant"), "compliant"),
    tile(share(good, counted), "of the judged points pass or are attested", "#/controls"),
    tile(count(severe("critical")), "critical findings", "#/meters?severity=critical&state=fail", severe("critical") ? "drift" : "none"),
    tile(count(severe("high")), "high findings", "#/meters?severity=high&state=fail", severe("high") ? "drift" : "none"),
    tile(count(states.unknown), "points unknown", "#/meters?state=unknown", states.unknown ? "unknown" : "none"),
    tile(count(states.waived), "points waived", "#/waivers"));
}

function familyRows() {
  const families = [...tally(METERS, (meter) => meter.family)].sort((one, other) => byText(one[0], other[0]));
  return families.map(([family, number]) => ({
    label: link(`#/meters?family=${escapePart(family)}`, bdi(family || "not known")),
    parts: verdictParts(METERS.filter((meter) => meter.family === family), `&family=${escapePart(family)}`),
    whole: number,
  }));
}

// Versions of a model, the newest first, each against the target of its meters.
function versionRows(model, meters) {
  const groups = new Map();
  for (const meter of meters) {
    const target = meter.firmware && meter.target;
    const key = JSON.stringify([meter.firmware, target]);
    if (!groups.has(key)) groups.set(key, { firmware: meter.firmware, target, n: 0 });
    groups.get(key).n += 1;
  }
  const sorted = [...groups.values()].sort((one, other) => byText(other.firmware, one.firmware) || byText(one.target, other.target));
  const rows = sorted.slice(0, 8).map(({ firmware, target, n }) => {
    const order = target ? compareVersions(firmware, target) : undefined;
    const [kind, words] = !firmware ? ["unknown", "not read"]
      : order === undefined ? ["none", "no target"]
      : order === 0 ? ["compliant", "is the target"]
      : order === null ? ["drift", `is not ${target}`]
      : order < 0 ? ["drift", `below ${target}`] : ["attested", `above ${target}`];
    const href = `#/meters?model=${escapePart(model)}&firmware=${escapePart(firmware)}`;
    return { label: link(href, bdi(firmware || "–")), parts: [{ kind, n, words }], whole: meters.length };
  });
  const left = sorted.slice(8).reduce((sum, item) => sum + item.n, 0);
  if (left) rows.push({ label: `${count(sorted.length - 8)} more`, parts: [{ kind: "none", n: left, words: "of other versions" }], whole: meters.length });
  return rows;
}
function versions() {
  const models = [...groupBy(METERS, (meter) => meter.model)].sort((one, other) => byText(one[0], other[0]));
  return models.map(([model, meters]) => [
    el("h3", {}, bdi(model || "Model not known"), el("small", {}, ` ${many(meters.length, "meter")}`)), bars(versionRows(model, meters)),
  ]);
}

const BAR_ORDER = ["pass", "attested", "not_applicable", "waived", "unknown", "fail"];
const stateParts = (info, more) => BAR_ORDER.map((state) => ({
  kind: state, n: info.counts[STATES.indexOf(state)], words: (WORDS[state] || state).toLowerCase(), href: more ? `#/meters?control=${escapePart(info.id)}&state=${state}` : undefined,
}));
const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);
const badOf = (info) => info.counts[FAIL] + info.counts[UNKNOWN];

// The controls with something to do: severity first, then how many meters.
function worstControls() {
  return [...CONTROLS.values()].filter(badOf)
    .sort((one, other) => severityRank(one.severity) - severityRank(other.severity) || other.counts[FAIL] - one.counts[FAIL] || badOf(other) - badOf(one) || byText(one.id, other.id));
}
function todo() {
  const found = worstControls();
  if (!found.length) return el("p", {}, badge("compliant"), " Nothing fails and nothing is unknown.");
  const number = (value, info, state) => (value ? link(`#/meters?control=${escapePart(info.id)}&state=${state}`, count(value)) : "0");
  return table("What is not as it should be, by severity", [
    { head: "Control", wide: true, cell: (info) => [link(`#/control/${escapePart(info.id)}`, bdi(info.title)), el("small", {}, code(info.id))] },
    { head: "Severity", cell: (info) => severityChip(info.severity) },
    { head: "All states", wide: true, roomy: true, cell: (info) => stack(stateParts(info), sum(info.counts)) },
    { head: "Fails", number: true, cell: (info) => number(info.counts[FAIL], info, "fail") },
    { head: "A run mends", number: true, roomy: true, cell: (info) => count(info.fixed) },
    { head: "Unknown", number: true, cell: (info) => number(info.counts[UNKNOWN], info, "unknown") },
  ], found, "todo");
}

function attempts() {
  const known = METERS.filter((meter) => Object.keys(meter.attempts).length);
  const word = (meter) => (meter.attempts.limit === null || meter.attempts.limit === undefined ? "none" : meter.attempts.remaining === null ? "unknown" : String(meter.attempts.remaining));
  const groups = [...tally(known, word)].sort((one, other) => byText(one[0], other[0]));
  if (!groups.some(([key]) => key !== "none")) return null;
  const most = Math.max(...groups.map(([, n]) => n));
  const rows = groups.map(([key, n]) => {
    const [label, kind] = key === "none" ? ["no limit", "none"] : key === "unknown" ? ["not known", "unknown"] : [`${key} left`, Number(key) === 0 ? "blocked" : Number(key) < 3 ? "drift" : "compliant"];
    return { label: link(`#/meters?attempts=${key}`, label), parts: [{ kind, n, words: n === 1 ? "meter" : "meters" }], whole: most };
  });
  return section("Upgrade attempts left", el("p", {}, "Some models take a limited number of upgrades in their life."), bars(rows));
}

const section = (heading, ...children) => el("section", { class: "card" }, el("h2", {}, heading), children);

function overTime() {
  if (!SCANS.length) return section("Over time", el("p", {}, "No earlier audits are in the records this page was made from."));
  if (SCANS[0].at === SCANS.at(-1).at) return section("Over time", el("p", {}, complianceWords(SCANS)));
  return section("Over time", el("p", {}, complianceWords(SCANS)), complianceChart(SCANS),
    legend(VERDICTS.toReversed().map((verdict) => [verdict, verdict])), link("#/evidence", "All audits as a table"));
}

// For paper: the meters that need somebody, as far as they fit a few pages.
function paperList() {
  const bad = METERS.filter((meter) => meter.verdict !== "compliant").sort((one, other) => one.worst - other.worst || one.rank - other.rank || one.at - other.at);
  if (!bad.length) return null;
  const shownHere = bad.slice(0, 150);
  const why = (meter) => resultsOf(meter).filter((item) => item.state === "fail" || item.state === "unknown").map((item) => el("div", {}, `${item.title}: `, bdi(item.text)));
  return section("Meters that are not compliant",
    bad.length > shownHere.length ? el("p", {}, `The first ${count(shownHere.length)} of ${count(bad.length)}; all of them are in the page itself and in the table of the same audit.`) : null,
    table("Meters that are not compliant, the most severe first", [
      { head: "Meter", cell: (meter) => bdi(meter.name) }, { head: "Verdict", cell: (meter) => WORDS[meter.verdict] },
      { head: "Firmware", cell: (meter) => bdi(`${meter.model} ${meter.firmware}`) }, { head: "Why", wide: true, cell: why },
    ], shownHere));
}

function overview() {
  const head = DATA.head;
  const baseline = [head.baseline.id, head.baseline.version].filter(Boolean).join(" ");
  const top = el("div", { class: `hero k-${head.verdict}` }, el("p", { class: "verdict" }, badge(head.verdict)), el("p", {}, verdictSentence()),
    el("p", { class: "meta" }, baseline ? ["Baseline ", bdi(baseline), ". "] : null, SCAN ? `Scanned ${time(SCAN.at)}. ` : null, "Digest ", digestText(head.digest, "Copy the digest")));
  const byFamily = section("Meters by verdict", bars([{ label: link("#/meters", "All"), parts: verdictParts(METERS), whole: METERS.length }, ...familyRows()]),
    legend(VERDICTS.toReversed().map((verdict) => [verdict, `${verdict}: ${MEANING[verdict]}`])));
  const upgrades = CAMPAIGNS.length ? section("Upgrades over time", upgradesChart(CAMPAIGNS), legend([["compliant", "verified"], ["drift", "failed, lost or open"]]), link("#/campaigns", "Campaigns")) : null;
  const paper = el("div", { class: "paper" });
  printed.push(() => paper.replaceChildren(...[paperList()].filter(Boolean)), () => paper.replaceChildren());
  return { title: "Overview", node: [top, tiles(), el("div", { class: "pair" }, byFamily, overTime()), section("What to do first", todo(), link("#/controls", "All controls")),
    el("div", { class: "columns" }, METERS.length ? section("Firmware in the field", versions()) : null, upgrades, attempts()), paper] };
}
