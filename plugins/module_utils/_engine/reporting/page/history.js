// Campaigns, what is waived or attested, and the evidence of all of it.
const CAMPAIGNS_DRAWN = 30;
function campaignList() {
  const outcomeKind = (name) => (PROVEN.has(name) || name === "current" ? "compliant" : name === "open" || name === "" ? "unknown" : "drift");
  const span = (campaign) => {
    const started = campaign.tries.map((item) => item.started);
    const ended = campaign.tries.map((item) => item.finished ?? item.started);
    return started.length ? `${time(Math.min(...started))} to ${time(Math.max(...ended))}` : "nothing was tried";
  };
  const cards = CAMPAIGNS.toReversed().slice(0, CAMPAIGNS_DRAWN).map((campaign) => {
    const parts = Object.entries(campaign.outcomes).map(([name, n]) => ({ kind: outcomeKind(name), n, words: name || "open" }))
      .sort((one, other) => (one.kind === "compliant" ? -1 : 0) - (other.kind === "compliant" ? -1 : 0) || other.n - one.n);
    const reasons = [...tally(campaign.tries.filter((item) => item.reason), (item) => item.reason)].sort((one, other) => other[1] - one[1]);
    const failed = campaign.tries.filter((item) => !PROVEN.has(item.outcome));
    return el("section", { class: "card" }, el("h2", {}, bdi(campaign.campaign), el("small", {}, ` ${many(campaign.meters, "meter")}`)),
      bars([{ label: "Outcomes", parts, whole: campaign.meters }]),
      campaign.tries.length ? upgradesChart([campaign], 120) : null,
      facts([["When", span(campaign)], ["Reasons", reasons.map(([reason, n]) => `${reason} (${count(n)})`).join(", ")], ["Head of the journal", digestText(campaign.head, "Copy the head")]]),
      failed.length ? el("details", {}, el("summary", {}, `${many(failed.length, "attempt")} without proof of success`), triesTable(failed)) : null);
  });
  const chart = CAMPAIGNS.length > 1 ? section("Upgrades over time", upgradesChart(CAMPAIGNS), legend([["compliant", "verified"], ["drift", "failed, lost or open"]])) : null;
  const none = CAMPAIGNS.length ? null : el("p", {}, "No campaign is in the records this page was made from.");
  const older = CAMPAIGNS.length > CAMPAIGNS_DRAWN ? el("p", {}, `${many(CAMPAIGNS.length - CAMPAIGNS_DRAWN, "older campaign")} not drawn here; the heads of all are under `, link("#/evidence", "Evidence"), ".") : null;
  return { title: "Campaigns", node: [el("h1", { tabindex: "-1" }, "Campaigns"), none, chart, cards, older] };
}

function triesTable(tries) {
  const meterOf = (item) => BY_SERIAL.get(item.serial) || BY_NAME.get(item.host);
  return table("Attempts without proof of success", [
    { head: "Meter", cell: (item) => (meterOf(item) ? link(meterHref(meterOf(item)), bdi(item.host)) : bdi(item.host)) },
    { head: "From → to", cell: (item) => bdi(`${item.source} → ${item.target}`) },
    { head: "Started", cell: (item) => time(item.started) },
    { head: "Outcome", cell: (item) => bdi(item.outcome || "open") },
    { head: "Reason", cell: (item) => bdi(item.reason || "–") },
  ], tries.slice(0, 200));
}

// Equal words of many meters as one row.
function grouped(field) {
  const groups = new Map();
  for (const meter of METERS) {
    for (const number of meter.controls) {
      if (!RESULTS[number][FIELD[field]]) continue;
      const value = restore(TEXTS[RESULTS[number][FIELD[field]]], meter);
      const key = `${ROW_BASE[number]}\n${value}\n${RESULTS[number][0]}`;
      if (!groups.has(key)) groups.set(key, { base: ROW_BASE[number], state: STATES[RESULTS[number][0]], value: JSON.parse(value), meters: 0, last: null });
      const group = groups.get(key);
      if (group.last !== meter) group.meters += 1; // several points of one meter are one meter
      group.last = meter;
    }
  }
  return [...groups.values()];
}

function waiverList() {
  const waivers = grouped("waiver").sort((one, other) => byText(one.value.expires || "", other.value.expires || "") || byText(one.base, other.base));
  const said = grouped("attested").sort((one, other) => byText(one.base, other.base) || byText(one.value.at || "", other.value.at || ""));
  const now = SCAN?.at;
  const left = (item) => {
    if (item.state !== "waived") return badge("fail", ["ended, counts as a failure"]);
    if (!now || !item.value.expires) return "–";
    const days = Math.round((Date.parse(`${item.value.expires}T00:00:00Z`) / 1000 - now) / 86400);
    return days <= DATA.waiver_soon ? badge("unknown", [many(days, "day")]) : many(days, "day");
  };
  const controlCell = (item) => link(`#/control/${escapePart(item.base)}`, bdi(control(item.base).title));
  const metersCell = (item) => link(`#/meters?control=${escapePart(item.base)}&state=${item.state}`, count(item.meters));
  const waived = waivers.length ? table("Waivers", [
    { head: "Control", wide: true, cell: controlCell }, { head: "Meters", number: true, cell: metersCell },
    { head: "Reason", wide: true, cell: (item) => bdi(item.value.reason || "–") }, { head: "Approved by", cell: (item) => bdi(item.value.approver || "–") },
    { head: "Until", cell: (item) => item.value.expires || "–" }, { head: "Left at the scan", cell: left },
  ], waivers) : el("p", {}, "Nothing is waived.");
  const attested = said.length ? table("Attested by a person", [
    { head: "Control", wide: true, cell: controlCell }, { head: "Meters", number: true, cell: metersCell },
    { head: "Words", wide: true, cell: (item) => bdi(item.value.text || "–") }, { head: "By", cell: (item) => bdi(item.value.by || "–") }, { head: "On", cell: (item) => item.value.at || "–" },
  ], said) : el("p", {}, "Nothing is attested.");
  return { title: "Waivers", node: [el("h1", { tabindex: "-1" }, "Waivers and attestations"), section("Waivers", waived), section("Attested by a person", attested)] };
}

function evidence() {
  const head = DATA.head;
  const gaps = SCANS.slice(1).map((scan, at) => scan.at - SCANS[at].at);
  const longest = gaps.length ? many(Math.ceil(Math.max(...gaps) / 86400), "day") : "";
  const about = facts([
    ["Digest of this audit", copied(head.digest, "Copy the digest"), true], ["Format", `${head.schema}, version ${head.schema_version}`],
    ["Scanned", SCAN ? [time(SCAN.at), SCAN.operator ? [" by ", bdi(SCAN.operator)] : null] : "the records this page was made from hold no audit with this digest"],
    ["Meters", count(head.totals.meters)], ["Judged points", count(head.totals.controls)], ["Longest time between two audits", longest],
  ]);
  const baseline = facts(Object.entries(head.baseline).map(([name, value]) => [name.replaceAll("_", " "), String(value)]));
  const recent = SCANS.toReversed().slice(0, 60);
  const scans = recent.length ? table("Audits in the records, the newest first", [
    { head: "When", cell: (scan) => time(scan.at) }, { head: "By", cell: (scan) => bdi(scan.operator || "–") }, { head: "Baseline", cell: (scan) => bdi(scan.baseline || "–") },
    { head: "Verdict", cell: (scan) => badge(scan.verdict) },
    ...VERDICTS.toReversed().map((name) => ({ head: WORDS[name], number: true, cell: (scan) => count(scan.verdicts[name] || 0) })),
    { head: "Digest", cell: (scan) => digestText(scan.digest, `Copy the digest of ${time(scan.at)}`) },
  ], recent) : el("p", {}, "No audit is in the records this page was made from.");
  const heads = CAMPAIGNS.length ? table("Heads of the journals", [
    { head: "Campaign", cell: (campaign) => bdi(campaign.campaign) }, { head: "Attempts", number: true, cell: (campaign) => count(campaign.tries.length) },
    { head: "Head", wide: true, cell: (campaign) => digestText(campaign.head, `Copy the head of ${campaign.campaign}`) },
  ], CAMPAIGNS) : el("p", {}, "No campaign is in the records this page was made from.");
  return { title: "Evidence", node: [el("h1", { tabindex: "-1" }, "Evidence"),
    section("This audit", el("p", {}, "The same fleet in the same state gives the same digest. It is the SHA-256 of the canonical text of audit.json without the digest itself."), about),
    section("Baseline", baseline.children.length ? baseline : el("p", {}, "The baseline has no name.")), section("Audits", scans), section("Journals", heads)] };
}
