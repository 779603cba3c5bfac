// The list of meters: search, filters, order and pages, all of it in the address so that it can be sent to somebody.
const PAGE = 100;
const SORTS = {
  name: (one, other) => byText(one.name, other.name),
  verdict: (one, other) => one.rank - other.rank || one.worst - other.worst,
  model: (one, other) => byText(one.model, other.model),
  firmware: (one, other) => byText(one.firmware, other.firmware),
  fails: (one, other) => other.fails - one.fails || one.worst - other.worst,
  unknown: (one, other) => other.unknowns - one.unknowns,
  attempts: (one, other) => (one.attempts.remaining ?? Infinity) - (other.attempts.remaining ?? Infinity) || 0,
};
let listed = METERS; // what the reader saw last, for "next meter"
let listedFrom = "#/meters";

const haystacks = [];
function haystack(meter) {
  const texts = [meter.name, meter.host, meter.serial, meter.model, meter.family, meter.firmware, meter.gateway, meter.mode, meter.text, meter.reason];
  return (haystacks[meter.at] ??= texts.join("\n").toLowerCase());
}

// Whether one result of the meter is of this control, state and severity; no state means that it fails or is unknown.
function hasResult(meter, base, state, severity) {
  return meter.controls.some((number) => {
    const kind = RESULTS[number][0];
    if (state === "any" ? false : state ? STATES[kind] !== state : !BAD.has(kind)) return false;
    if (base && ROW_BASE[number] !== base && TEXTS[RESULTS[number][FIELD.id]] !== base) return false;
    return !severity || control(ROW_BASE[number]).severity === severity;
  });
}

function attemptsMatch(meter, wanted) {
  const { limit, remaining } = meter.attempts;
  if (limit === undefined) return false;
  return wanted === "none" ? limit === null : wanted === "unknown" ? limit !== null && remaining === null : limit !== null && String(remaining) === wanted;
}

function filtered(asked) {
  const words = (asked.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
  const exact = ["verdict", "family", "model", "firmware", "gateway"].filter((name) => asked.has(name));
  const [base, state, severity, left] = ["control", "state", "severity", "attempts"].map((name) => asked.get(name) || "");
  return METERS.filter((meter) => exact.every((name) => meter[name] === asked.get(name))
    && words.every((word) => haystack(meter).includes(word))
    && (!(base || state || severity) || hasResult(meter, base, state, severity))
    && (!left || attemptsMatch(meter, left)));
}

function sorted(meters, asked) {
  const [name, down] = (asked.get("sort") || "name").split("-");
  const order = SORTS[name] || SORTS.name;
  const made = [...meters].sort((one, other) => order(one, other) || one.at - other.at);
  return down ? made.reverse() : made;
}

function choice(label, name, asked, options, change) {
  const present = asked.get(name) || "";
  if (present && !options.some(([value]) => value === present)) options.push([present, present]);
  const field = el("select", { id: `f-${name}`, on: { change: (event) => change(name, event.target.value) } },
    options.map(([value, words]) => el("option", { value, selected: value === present }, words)));
  return el("div", { class: "field" }, el("label", { for: `f-${name}` }, label), field);
}

function optionsOf(name) {
  const found = [...tally(METERS, (meter) => meter[name])].filter(([value]) => value).sort((one, other) => byText(one[0], other[0]));
  return [["", "All"], ...found.map(([value, number]) => [value, `${value} (${count(number)})`])];
}

function filters(asked, change) {
  const totals = DATA.head.totals.verdicts;
  const controls = [...CONTROLS.values()].sort((one, other) => byText(one.title, other.title)).map((info) => [info.id, `${info.title} (${count(badOf(info))})`]);
  const states = STATE_ORDER.map((state) => [state, WORDS[state]]);
  let waiting = 0;
  const typed = (event) => {
    clearTimeout(waiting);
    const text = event.target.value;
    waiting = setTimeout(() => change("q", text.trim(), true), METERS.length > 2000 ? 120 : 30);
  };
  const search = el("input", { id: "f-q", type: "search", autocomplete: "off", spellcheck: "false", value: asked.get("q") || "", placeholder: "Name, address, serial, model…", on: { input: typed } });
  return el("form", { class: "filters", role: "search", "aria-label": "Meters", on: { submit: (event) => event.preventDefault() } },
    el("div", { class: "field grow" }, el("label", { for: "f-q" }, "Search ", el("kbd", {}, "/")), search),
    choice("Verdict", "verdict", asked, [["", "All"], ...VERDICTS.map((name) => [name, `${WORDS[name]} (${count(totals[name] || 0)})`])], change),
    choice("Family", "family", asked, optionsOf("family"), change),
    choice("Model", "model", asked, optionsOf("model"), change),
    choice("Control", "control", asked, [["", "All"], ...controls], change),
    choice("State", "state", asked, [["", "Fails or unknown"], ...states, ["any", "Any"]], change),
    choice("Severity", "severity", asked, [["", "All"], ...SEVERITIES.map((name) => [name, WORDS[name]])], change));
}

function sortHeader(words, name, asked, change, shape) {
  const present = asked.get("sort") || "name";
  const direction = present === name ? "ascending" : present === `${name}-down` ? "descending" : undefined;
  const next = present === name ? `${name}-down` : name;
  const arrow = direction ? svg("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: direction === "ascending" ? "M4 10l4-4 4 4" : "M4 6l4 4 4-4" })) : null;
  return el("th", { scope: "col", "aria-sort": direction, class: shape }, el("button", { type: "button", "data-sort": name, on: { click: () => change("sort", next === "name" ? "" : next) } }, words, arrow));
}

function worstText(meter) {
  if (meter.reason || meter.text) return meter.text || meter.reason;
  const bad = resultsOf(meter).filter((item) => item.state === "fail" || item.state === "unknown");
  return bad.length ? `${bad[0].title}: ${bad[0].text}` : "";
}

const meterHref = (meter) => `#/meter/${escapePart(meter.name)}`;
const versionText = (meter) => (meter.target && meter.target !== meter.firmware ? `${meter.firmware || "–"} → ${meter.target}` : meter.firmware || "–");

function meterTable(meters, asked, change) {
  const header = (words, name, shape) => sortHeader(words, name, asked, change, shape);
  const left = ({ limit, remaining }) => (limit === undefined ? "–" : limit === null ? "no limit" : remaining === null ? "not known" : count(remaining));
  return table("Meters", [
    { header: header("Meter", "name"), cell: (meter) => [link(meterHref(meter), bdi(meter.name)), el("small", { class: "narrow" }, bdi(`${meter.model} ${versionText(meter)}`)), el("small", {}, bdi(meter.host))] },
    { header: header("Verdict", "verdict"), cell: (meter) => badge(meter.verdict) },
    { header: header("Model", "model", "roomy"), cell: (meter) => bdi(meter.model || "–"), roomy: true, short: true },
    { header: header("Firmware", "firmware", "roomy"), cell: (meter) => bdi(versionText(meter)), roomy: true, short: true },
    { header: header("Fails", "fails", "number"), number: true, cell: (meter) => count(meter.fails) },
    { header: header("Unknown", "unknown", "number roomy"), number: true, roomy: true, cell: (meter) => count(meter.unknowns) },
    { header: header("Attempts left", "attempts", "number roomy"), number: true, roomy: true, cell: (meter) => left(meter.attempts) },
    { head: "First finding", wide: true, roomy: true, cell: (meter) => bdi(worstText(meter)) },
  ], meters, "meters");
}

function pager(asked, pages, page, change) {
  if (pages < 2) return null;
  const step = (words, to, off) => el("button", { type: "button", disabled: off, on: { click: () => change("page", to > 1 ? String(to) : "") } }, words);
  const jump = el("select", { "aria-label": "Page", on: { change: (event) => change("page", event.target.value === "1" ? "" : event.target.value) } },
    Array.from({ length: pages }, (dummy, at) => el("option", { value: String(at + 1), selected: at + 1 === page }, `Page ${at + 1} of ${pages}`)));
  return el("nav", { class: "pager", "aria-label": "Pages of the list" }, step("Previous", page - 1, page <= 1), jump, step("Next", page + 1, page >= pages));
}

function meterList(rest, asked) {
  const results = el("div", { id: "results" });
  // A changed filter is a new place for the back button; each letter of a search is not.
  const change = (name, value, quietly) => {
    if (value) asked.set(name, value);
    else asked.delete(name);
    if (name !== "page") asked.delete("page");
    const text = asked.toString();
    go(`#/meters${text ? "?" + text : ""}`, quietly);
    draw();
  };
  const reset = () => {
    go("#/meters");
    show();
  };
  const draw = () => {
    const focus = document.activeElement?.dataset?.sort;
    const found = sorted(filtered(asked), asked);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const page = Math.min(Math.max(1, Number(asked.get("page")) || 1), pages);
    [listed, listedFrom] = [found, location.hash || "#/meters"];
    const words = found.length === METERS.length ? many(found.length, "meter") : `${count(found.length)} of ${many(METERS.length, "meter")}`;
    const extras = ["firmware", "attempts", "gateway"].filter((name) => asked.has(name)).map((name) => el("button", { type: "button", class: "extra", "aria-label": `Remove the filter ${name} ${asked.get(name)}`, on: { click: () => change(name, "") } }, `${name}: `, bdi(asked.get(name) || "–"), " ×"));
    const limit = () => found.map((meter) => meter.name).join(",");
    results.replaceChildren(
      el("div", { class: "line" }, el("p", { id: "found" }, words), extras, found.length < METERS.length ? el("button", { type: "button", on: { click: reset } }, "Show all") : null,
        found.length ? copyButton(limit, "Copy names", "Copy the names of these meters, for --limit") : null),
      found.length ? meterTable(found.slice((page - 1) * PAGE, page * PAGE), asked, change) : el("p", { class: "nothing" }, "No meter is like this."),
      ...[pager(asked, pages, page, change)].filter(Boolean));
    if (focus) results.querySelector(`[data-sort="${focus}"]`)?.focus();
    say(words);
  };
  draw();
  return { title: "Meters", node: [el("h1", { tabindex: "-1" }, "Meters"), filters(asked, change), results] };
}
