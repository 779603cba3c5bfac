// Elements, words and signs. Everything from the data becomes text, never markup.
const SVG = "http://www.w3.org/2000/svg";

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, action] of Object.entries(value)) node.addEventListener(event, action);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}
const el = (name, attributes, ...children) => put(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => put(document.createElementNS(SVG, name), attributes, children);
const bdi = (text) => el("bdi", {}, String(text));
const code = (text) => el("code", {}, bdi(text));
const count = (number) => number.toLocaleString("en-GB");
const many = (number, one, more) => `${count(number)} ${number === 1 ? one : more || one + "s"}`;

// A share in percent that never rounds a part of something to nothing or to everything.
function share(part, whole) {
  if (!whole) return "–";
  const value = (100 * part) / whole;
  if (part > 0 && value < 0.1) return "under 0.1 %";
  if (part < whole && value > 99.9) return "over 99.9 %";
  return `${Number(value.toFixed(1))} %`;
}

const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
const time = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";

const WORDS = {
  drift: "Drift", blocked: "Blocked", unknown: "Unknown", compliant: "Compliant",
  pass: "Pass", fail: "Fail", not_applicable: "Not applicable", waived: "Waived", attested: "Attested",
  critical: "Critical", high: "High", medium: "Medium", low: "Low",
};
const MEANING = {
  compliant: "as the baseline wants it",
  drift: "differs, and a run can mend it",
  blocked: "differs, and a person is needed",
  unknown: "could not be judged, so it does not count as good",
};
const PATHS = {
  good: "M3 8.5 6.5 12 13 4.5",
  bad: "M4 4l8 8M12 4l-8 8",
  unknown: "M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.7 8 9.2 8 10M8 12.4v.4",
  blocked: "M4 8h8",
  none: "M4 12l8-8",
  waived: "M8 2a6 6 0 1 0 .01 0M8 5v3.3l2.2 1.5",
  attested: "M4 11.5 5 9l5.5-5.5 1.9 1.9L7 11zM4 13h8",
};
const SIGN = {
  compliant: "good", pass: "good", drift: "bad", fail: "bad", unknown: "unknown", blocked: "blocked",
  not_applicable: "none", waived: "waived", attested: "attested",
};
const sign = (kind) => svg("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" },
  svg("path", { d: PATHS[SIGN[kind]] || PATHS.none }));
const badge = (kind, words) => el("span", { class: `badge k-${kind}` }, sign(kind), words || WORDS[kind] || kind);
const severityChip = (name) => el("span", { class: `chip s-${name}` }, WORDS[name] || name);

function link(href, ...children) {
  return el("a", { href }, ...children);
}

// Lists of names and values. Pairs without a value are left out; a third entry asks for a whole line.
function facts(pairs) {
  const list = el("dl", { class: "facts" });
  for (const [name, value, full] of pairs) {
    if (value === "" || value === null || value === undefined) continue;
    list.append(el("div", { class: full && "full" }, el("dt", {}, name), el("dd", {}, typeof value === "string" ? bdi(value) : value)));
  }
  return list;
}

// A table. Columns are {head, cell, number, wide}; the first cell of a row is its heading.
function table(caption, columns, rows, extra) {
  const shape = (column) => ["number", "wide", "roomy", "short"].map((name) => column[name] && name).filter(Boolean).join(" ") || undefined;
  const head = el("tr", {}, columns.map((column) => column.header || el("th", { scope: "col", class: shape(column) }, column.head)));
  const body = rows.map((row, at) => el("tr", {}, columns.map((column, place) => {
    const attributes = { class: shape(column) };
    return place ? el("td", attributes, column.cell(row, at)) : el("th", { ...attributes, scope: "row" }, column.cell(row, at));
  })));
  const made = el("table", { class: `grid ${extra || ""}` }, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, body));
  return el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, made);
}

function say(text) {
  document.getElementById("said").textContent = text;
}

// A person asked for it, so the clipboard may be written; where a browser refuses, the old way by a hidden field remains.
async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = el("textarea", { class: "quiet", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    done = document.execCommand("copy");
    field.remove();
    button.focus();
  }
  const before = button.dataset.words || button.textContent;
  button.dataset.words = before;
  button.textContent = done ? "Copied" : "Not copied";
  say(done ? "Copied to the clipboard" : "The browser did not allow it");
  clearTimeout(Number(button.dataset.timer));
  button.dataset.timer = setTimeout(() => { button.textContent = before; }, 1500);
}
function copyButton(text, words, label) {
  const attributes = { type: "button", class: "copy", "aria-label": label, on: { click: (event) => copy(typeof text === "string" ? text : text(), event.currentTarget) } };
  return el("button", attributes, words || "Copy");
}
const copied = (text, label) => el("span", { class: "copied" }, code(text), copyButton(text, "Copy", label));
const digestText = (text, label) => (text ? el("span", { class: "copied" }, el("code", { title: text }, text.slice(0, 12) + (text.length > 12 ? "…" : "")), copyButton(text, "Copy", label)) : "–");
