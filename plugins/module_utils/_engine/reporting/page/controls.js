// The list of controls, and one control.
function controlList() {
  const order = [...CONTROLS.values()].sort((one, other) => severityRank(one.severity) - severityRank(other.severity) || byText(one.id, other.id));
  const columns = [
    { head: "Control", wide: true, cell: (info) => [link(`#/control/${escapePart(info.id)}`, bdi(info.title)), el("small", {}, code(info.id))] },
    { head: "Severity", cell: (info) => severityChip(info.severity) },
    { head: "Level", number: true, roomy: true, cell: (info) => String(info.level) },
    { head: "Kind", roomy: true, cell: (info) => info.kind },
    { head: "All states", wide: true, roomy: true, cell: (info) => stack(stateParts(info), sum(info.counts)) },
    ...STATE_ORDER.map((state) => ({ head: WORDS[state], number: true, cell: (info) => count(info.counts[STATES.indexOf(state)]) })),
  ];
  return { title: "Controls", node: [el("h1", { tabindex: "-1" }, "Controls"), el("p", {}, "What was judged, and how many points are in which state. Some controls judge several points of a meter. Unknown is never good."), table("Controls", columns, order, "controls")] };
}

// The ways in which meters differ from what is wanted, most frequent first.
function differences(base) {
  const found = new Map();
  for (const meter of METERS) {
    for (const number of meter.controls) {
      if (ROW_BASE[number] !== base || !BAD.has(RESULTS[number][0])) continue;
      if (!found.has(number)) found.set(number, []);
      found.get(number).push(meter);
    }
  }
  const groups = new Map();
  for (const [number, meters] of found) {
    const item = resultOf(meters[0], number);
    const key = JSON.stringify([item.id, item.state, item.text]);
    if (!groups.has(key)) groups.set(key, { item, meters: [] });
    groups.get(key).meters.push(...meters);
  }
  return [...groups.values()].sort((one, other) => other.meters.length - one.meters.length || byText(one.item.text, other.item.text));
}

function controlPage(base) {
  const info = CONTROLS.get(base) || CONTROLS.get(baseOf(base));
  if (!info) return missing(`There is no control ${base} in this audit.`);
  const groups = differences(info.id);
  const most = 40;
  const names = (meters) => [meters.slice(0, 12).map((meter, at) => [at ? ", " : "", link(meterHref(meter), bdi(meter.name))]), meters.length > 12 ? ` and ${count(meters.length - 12)} more` : ""];
  const list = groups.length
    ? table("Meters by what was found", [
      { head: "Found", wide: true, cell: ({ item }) => [badge(item.state), " ", item.id === info.id ? null : code(item.id), " ", bdi(item.text)] },
      { head: "Meters", number: true, cell: ({ meters }) => count(meters.length) },
      { head: "Which", wide: true, cell: ({ meters }) => names(meters) },
      { head: "Mended by", cell: ({ item }) => (item.fix ? code(item.fix.playbook) : item.state === "fail" ? "a person" : "–") },
    ], groups.slice(0, most))
    : el("p", {}, "No meter fails it, and it is unknown of none.");
  return {
    title: info.title,
    node: [
      el("nav", { class: "line", "aria-label": "Back" }, link("#/controls", "All controls")),
      el("h1", { tabindex: "-1" }, bdi(info.title), " ", severityChip(info.severity)),
      section("About", el("p", { class: "said" }, bdi(info.rationale)), facts([["Control", code(info.id)], ["Rule", info.rule], ["Level", String(info.level)], ["Kind", info.kind], ["Clauses", clauses(info.clauses), true]])),
      section("States", bars([{ label: "All", parts: stateParts(info, true), whole: sum(info.counts) }])),
      section("Meters", list, groups.length > most ? el("p", {}, `${count(groups.length - most)} rarer findings are left out here.`) : null,
        badOf(info) ? link(`#/meters?control=${escapePart(info.id)}`, "All of these meters") : null),
    ],
  };
}
