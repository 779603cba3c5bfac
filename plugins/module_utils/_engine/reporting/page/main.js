// Addresses, the navigation and the keyboard.
const ROUTES = {
  "": ["Overview", overview], meters: ["Meters", meterList], controls: ["Controls", controlList], campaigns: ["Campaigns", campaignList],
  waivers: ["Waivers", waiverList], evidence: ["Evidence", evidence], meter: [null, meterPage, "meters"], control: [null, controlPage, "controls"],
};
const printed = []; // pairs: before and after printing, of the view on the screen
const view = document.getElementById("view");

function missing(words) {
  return { title: "Not found", node: [el("h1", { tabindex: "-1" }, "Not found"), el("p", {}, words), link("#/", "To the overview")] };
}

function readHash() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [name, ...rest] = path.split("/");
  let word = rest.join("/");
  try { word = decodeURIComponent(word); } catch { /* as it stands */ }
  return { name: ROUTES[name] ? name : "", found: Boolean(ROUTES[name]), rest: word, asked: new URLSearchParams(query || "") };
}

// Another address without drawing all anew; `quietly` replaces the present one in the history.
function go(hash, quietly) {
  history[quietly ? "replaceState" : "pushState"](null, "", hash);
}

function showNavigation(name) {
  const present = ROUTES[name][2] || name;
  const items = Object.entries(ROUTES).filter(([, route]) => route[0]).map(([key, route]) =>
    el("a", { href: `#/${key}`, "aria-current": key === present ? "page" : undefined }, route[0]));
  const top = document.getElementById("top");
  const print = el("button", { type: "button", class: "print", on: { click: () => window.print() } }, "Print");
  top.replaceChildren(el("div", { class: "bar-top" }, el("p", { class: "brand" }, "Fleet audit", el("small", {}, badge(DATA.head.verdict))), el("nav", { "aria-label": "Report" }, items), print));
  top.hidden = false;
}

let first = true;
function show() {
  const { name, found, rest, asked } = readHash();
  printed.length = 0;
  const made = found ? ROUTES[name][1](rest, asked) : missing("This page has no such part.");
  document.title = `${made.title} – Fleet audit`;
  showNavigation(name);
  view.replaceChildren(...made.node.flat().filter(Boolean));
  if (!view.querySelector("h1")) view.prepend(el("h1", { tabindex: "-1" }, made.title === "Overview" ? "Fleet audit" : made.title));
  if (!first) {
    scrollTo(0, 0);
    view.querySelector("h1").focus({ preventScroll: true });
  }
  first = false;
}

function keys(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  event.preventDefault();
  if (readHash().name !== "meters") {
    go("#/meters");
    show();
  }
  document.getElementById("f-q").focus();
}

let opened = [];
function beforePrint() {
  opened = [...view.querySelectorAll("details:not([open])")];
  for (const item of opened) item.open = true;
  if (printed[0]) printed[0]();
}
function afterPrint() {
  for (const item of opened) item.open = false;
  if (printed[1]) printed[1]();
}

document.getElementById("summary").remove();
document.body.append(patterns());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
addEventListener("hashchange", show);
addEventListener("keydown", keys);
addEventListener("beforeprint", beforePrint);
addEventListener("afterprint", afterPrint);
show();
