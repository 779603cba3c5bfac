// The embedded data as objects. Texts of a meter hold marks for its name and serial number.
const DATA = JSON.parse(document.getElementById("data").textContent);
const TEXTS = DATA.texts;
const RESULTS = DATA.results;
const STATES = DATA.states;
const VERDICTS = DATA.verdicts;
const FIELD = Object.fromEntries(DATA.fields.map((name, at) => [name, at]));
const SEVERITIES = ["critical", "high", "medium", "low"];
const FAIL = STATES.indexOf("fail");
const UNKNOWN = STATES.indexOf("unknown");
const BAD = new Set([FAIL, UNKNOWN]);
// The worst first, as a reader wants to see them.
const STATE_ORDER = ["fail", "unknown", "waived", "attested", "pass", "not_applicable"];
const baseOf = (id) => id.split(":", 1)[0];

const CONTROLS = new Map(DATA.controls.map((item) => [item.id, { ...item, counts: STATES.map(() => 0), fixed: 0 }]));
function control(base) {
  if (!CONTROLS.has(base)) {
    const empty = { id: base, title: base, rationale: "", severity: "medium", level: 1, kind: "automated", rule: "", clauses: [] };
    CONTROLS.set(base, { ...empty, counts: STATES.map(() => 0), fixed: 0 });
  }
  return CONTROLS.get(base);
}

const restore = (text, meter) => text.replaceAll("\u0001", meter.name).replaceAll("\u0002", meter.serial);
const ROW_BASE = RESULTS.map((row) => baseOf(TEXTS[row[FIELD.id] || 0]));

// One result of a meter, with its texts.
function resultOf(meter, number) {
  const row = RESULTS[number];
  const text = (field) => restore(TEXTS[row[FIELD[field]] || 0], meter);
  const value = (field) => (row[FIELD[field]] ? JSON.parse(text(field)) : null);
  const found = { state: STATES[row[0]], base: ROW_BASE[number], line: row[FIELD.line] || 0, file: text("file") };
  for (const field of ["id", "text", "rule", "evidence", "remedy", "reason"]) found[field] = text(field);
  for (const field of ["want", "have", "fix", "waiver", "attested"]) found[field] = value(field);
  found.info = control(found.base);
  // What the control is about, where it is judged for several things of a meter: an account, a part of the firmware, an advisory.
  found.about = found.id.slice(found.base.length + 1);
  found.title = found.about ? `${found.info.title}: ${found.about}` : found.info.title;
  return found;
}

function readMeters() {
  const columns = DATA.meters;
  const named = ["family", "model", "firmware", "target", "mode", "gateway", "reason", "text", "file"];
  return columns.name.map((name, at) => {
    const meter = { at, name, host: columns.host[at], serial: columns.serial[at], line: columns.line[at], controls: columns.controls[at] };
    for (const column of named) meter[column] = TEXTS[columns[column][at]];
    meter.attempts = columns.attempts[at] ? JSON.parse(TEXTS[columns.attempts[at]]) : {};
    meter.verdict = VERDICTS[columns.verdict[at]];
    meter.rank = columns.verdict[at];
    meter.fails = meter.unknowns = 0;
    meter.worst = SEVERITIES.length;
    for (const number of meter.controls) {
      const row = RESULTS[number];
      const info = control(ROW_BASE[number]);
      info.counts[row[0]] += 1;
      if (row[0] === FAIL) meter.fails += 1;
      if (row[0] === FAIL && row[FIELD.fix]) info.fixed += 1;
      if (row[0] === UNKNOWN) meter.unknowns += 1;
      if (BAD.has(row[0])) meter.worst = Math.min(meter.worst, SEVERITIES.indexOf(info.severity));
    }
    return meter;
  });
}
const METERS = readMeters();
const BY_NAME = new Map(METERS.map((meter) => [meter.name, meter]));
const BY_SERIAL = new Map(METERS.filter((meter) => meter.serial).map((meter) => [meter.serial, meter]));

const SCANS = DATA.scans;
// The scan that made this document, else none: a page made without records has no time.
const SCAN = SCANS.findLast((scan) => scan.digest === DATA.head.digest);
const TRY_TEXTS = ["host", "serial", "method", "source", "target", "outcome", "reason"];
const CAMPAIGNS = DATA.campaigns.map((campaign) => ({
  ...campaign,
  tries: campaign.tries.map((row) => {
    const made = { campaign: campaign.campaign, started: row[7], finished: row[8] };
    TRY_TEXTS.forEach((name, at) => { made[name] = TEXTS[row[at]]; });
    return made;
  }),
}));
const PROVEN = new Set(["verified", "verified_late"]);

function triesOf(meter) {
  const own = (item) => (item.serial && meter.serial ? item.serial === meter.serial : item.host === meter.name);
  return CAMPAIGNS.flatMap((campaign) => campaign.tries.filter(own)).sort((one, other) => one.started - other.started);
}

// Versions of one model in order; null where the texts are no versions of numbers.
function compareVersions(one, other) {
  if (one === other) return 0;
  const form = /^\d+(\.\d+)+$/;
  if (!form.test(one) || !form.test(other)) return null;
  const [left, right] = [one, other].map((text) => text.split(".").map(Number));
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] || 0) - (right[at] || 0);
    if (difference) return difference;
  }
  return 0;
}

const collator = new Intl.Collator("en", { numeric: true });
const byText = (one, other) => collator.compare(one, other);
function tally(items, key) {
  const found = new Map();
  for (const item of items) found.set(key(item), (found.get(key(item)) || 0) + 1);
  return found;
}
function groupBy(items, key) {
  const found = new Map();
  for (const item of items) {
    const name = key(item);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(item);
  }
  return found;
}
const severityRank = (name) => (SEVERITIES.includes(name) ? SEVERITIES.indexOf(name) : SEVERITIES.length);

// A wanted or found value as a person reads it.
function shown(value) {
  if (value === null || value === undefined) return "–";
  const plain = (item) => item === null || typeof item !== "object";
  const list = Array.isArray(value) && value.length > 0 && value.every(plain);
  const text = typeof value === "string" ? value : list ? value.join(", ") : JSON.stringify(value, null, Object.keys(value).length > 3 ? 1 : 0);
  return text.replace(/[\u0000-\u0008\u000b-\u001f]/g, "\ufffd");
}
