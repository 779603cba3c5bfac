// Charts as inline SVG. Each has its numbers as text beside it, so a chart is never the only place of a fact.

// A bar of parts {kind, n, words}; a part of few meters keeps a visible width.
function stack(parts, whole) {
  const widths = parts.map((part) => (part.n ? Math.max(part.n / whole, 0.012) : 0));
  const drawnWhole = widths.reduce((one, other) => one + other, 0);
  const full = parts.reduce((one, part) => one + part.n, 0) >= whole;
  const sum = full ? drawnWhole : Math.max(drawnWhole, 1);
  const drawn = svg("svg", { class: "bar", "aria-hidden": "true", focusable: "false" });
  let x = 0;
  parts.forEach((part, at) => {
    if (!widths[at]) return;
    const width = (100 * widths[at]) / sum;
    const place = { x: `${x.toFixed(3)}%`, width: `${width.toFixed(3)}%`, y: "0", height: "100%" };
    drawn.append(svg("rect", { ...place, class: `f-${part.kind}` }, svg("title", {}, `${part.words}: ${count(part.n)}`)));
    if (HATCHED.has(part.kind)) drawn.append(svg("rect", { ...place, fill: "url(#hatch)", "pointer-events": "none" }));
    x += width;
  });
  return drawn;
}
const HATCHED = new Set(["unknown", "waived"]);

// One pattern for the whole page: what is not known or set aside differs by its texture, not only by its colour.
function patterns() {
  const lines = svg("path", { d: "M-2 2l4-4M0 8l8-8M6 10l4-4", class: "hatch" });
  const pattern = svg("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse" }, lines);
  return svg("svg", { class: "quiet", width: 0, height: 0, "aria-hidden": "true" }, svg("defs", {}, pattern));
}

// Rows {label, parts, whole, note}: name, bar and numbers. A part with an address is a link.
function bars(rows) {
  return el("ul", { class: "bars" }, rows.map((row) => {
    const numbers = row.parts.filter((part) => part.n).map((part) => {
      const words = [sign(part.kind), `${count(part.n)} ${part.words}`];
      return part.href ? el("a", { class: `n k-${part.kind}`, href: part.href }, words) : el("span", { class: `n k-${part.kind}` }, words);
    });
    return el("li", { class: row.parts.length === 1 ? "single" : undefined }, el("span", { class: "label" }, row.label), stack(row.parts, row.whole), el("span", { class: "numbers" }, numbers, row.note ? el("span", { class: "note" }, row.note) : null));
  }));
}

// Draws into the width there is, and again when that changes.
function fitted(draw, height) {
  const frame = el("div", { class: "frame" });
  let last = 0;
  const fit = () => {
    const width = Math.round(frame.clientWidth) || 640;
    if (width === last) return;
    last = width;
    frame.replaceChildren(draw(width, height));
  };
  new ResizeObserver(fit).observe(frame);
  requestAnimationFrame(fit);
  return frame;
}

const line = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function grid(box, marks) {
  return marks.map(({ at, words }) => [
    svg("line", { class: "rule", x1: box.left, x2: box.right, y1: at, y2: at }),
    svg("text", { class: "tick", x: box.left - 6, y: at + 4, "text-anchor": "end" }, words),
  ]);
}

// Dates below a chart, as many as find room.
function dates(box, from, to, x) {
  const room = Math.max(1, Math.min(6, Math.floor((box.right - box.left) / 115)));
  const made = [];
  let before = "";
  for (let step = 0; step <= room; step += 1) {
    const at = from + ((to - from) * step) / room;
    const words = to - from > 3 * 86400 ? day(at) : time(at).slice(5, 16);
    if (words === before) continue;
    before = words;
    const anchor = step === 0 ? "start" : step === room ? "end" : "middle";
    made.push(svg("text", { class: "tick", x: x(at), y: box.bottom + 18, "text-anchor": anchor }, words));
  }
  return made;
}

// Shares of verdicts over all scans, stacked: compliant at the bottom.
function complianceChart(scans) {
  const order = ["compliant", "unknown", "blocked", "drift"];
  const whole = (scan) => order.reduce((sum, name) => sum + (scan.verdicts[name] || 0), 0) || 1;
  const draw = (width, height) => {
    const box = { left: 44, right: width - 8, top: 10, bottom: height - 26 };
    const from = scans[0].at;
    const to = scans.at(-1).at;
    const x = (at) => box.left + ((box.right - box.left) * (at - from)) / (to - from);
    const y = (part) => box.bottom - (box.bottom - box.top) * part;
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart" }, svg("title", {}, complianceWords(scans)));
    let floor = scans.map(() => 0);
    for (const name of order) {
      const roof = scans.map((scan, at) => floor[at] + (scan.verdicts[name] || 0) / whole(scan));
      const edge = scans.map((scan, at) => [x(scan.at), y(roof[at])]);
      const under = scans.map((scan, at) => [x(scan.at), y(floor[at])]).reverse();
      const shape = line([...edge, ...under]) + "Z";
      drawn.append(svg("path", { d: shape, class: `f-${name} area` }));
      if (HATCHED.has(name)) drawn.append(svg("path", { d: shape, fill: "url(#hatch)" }));
      if (name === "compliant") drawn.append(svg("path", { d: line(edge), class: "l-compliant" }));
      if (name === "compliant" && scans.length < 62) edge.forEach(([cx, cy]) => drawn.append(svg("circle", { cx, cy, r: 2.5, class: "f-compliant ring" })));
      floor = roof;
    }
    put(drawn, {}, grid(box, [0, 0.25, 0.5, 0.75, 1].map((part) => ({ at: y(part), words: `${part * 100} %` }))));
    put(drawn, {}, scans.slice(1).map((scan, at) => scan.baseline !== scans[at].baseline && [
      svg("line", { class: "change", x1: x(scan.at), x2: x(scan.at), y1: box.top, y2: box.bottom }, svg("title", {}, `Baseline ${scan.baseline}`)),
    ]));
    return put(drawn, {}, dates(box, from, to, x));
  };
  return fitted(draw, 220);
}
function complianceWords(scans) {
  const part = (scan) => share(scan.verdicts.compliant || 0, Object.values(scan.verdicts).reduce((one, other) => one + other, 0));
  const [first, last] = [scans[0], scans.at(-1)];
  if (first.at === last.at) return `Compliant meters: ${part(last)} on ${day(last.at)}, in the only audit that the records hold.`;
  return `Compliant meters: ${part(first)} on ${day(first.at)}, ${part(last)} on ${day(last.at)}.`;
}

// Upgrades that ended, added up over time: proven ones and others; a line where a campaign began.
function upgradesChart(campaigns, tall = 200) {
  const ended = campaigns.flatMap((campaign) => campaign.tries).filter((item) => item.finished !== null).sort((one, other) => one.finished - other.finished);
  const starts = campaigns.filter((campaign) => campaign.tries.length).map((campaign) => ({ campaign: campaign.campaign, at: Math.min(...campaign.tries.map((item) => item.started)) }));
  const good = ended.filter((item) => PROVEN.has(item.outcome)).length;
  const words = `${many(ended.length, "upgrade")} ended: ${count(good)} verified, ${count(ended.length - good)} not.`;
  const draw = (width, height) => {
    const from = Math.min(...starts.map((item) => item.at));
    const to = Math.max(ended.at(-1).finished, from + 60);
    const most = Math.max(good, ended.length - good, 1);
    const box = { left: 18 + 8 * count(most).length, right: width - 8, top: 10, bottom: height - 26 };
    const x = (at) => box.left + ((box.right - box.left) * (at - from)) / (to - from);
    const y = (number) => box.bottom - ((box.bottom - box.top) * number) / most;
    const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart" }, svg("title", {}, words));
    put(drawn, {}, grid(box, [...new Set([0, Math.round(most / 2), most])].map((number) => ({ at: y(number), words: count(number) }))));
    put(drawn, {}, starts.map((item) => svg("line", { class: "change", x1: x(item.at), x2: x(item.at), y1: box.top, y2: box.bottom }, svg("title", {}, `${item.campaign} began ${time(item.at)}`))));
    for (const [kind, wanted] of [["compliant", true], ["drift", false]]) {
      let number = 0;
      let path = `M${x(from).toFixed(1)} ${y(0).toFixed(1)}`;
      for (const item of ended) {
        if (PROVEN.has(item.outcome) !== wanted) continue;
        number += 1;
        path += `H${x(item.finished).toFixed(1)}V${y(number).toFixed(1)}`;
      }
      drawn.append(svg("path", { d: `${path}H${box.right}`, class: `l-${kind}` }));
    }
    return put(drawn, {}, dates(box, from, to, x));
  };
  return [el("p", {}, words), ended.length > 1 ? fitted(draw, tall) : null];
}

function legend(kinds) {
  return el("p", { class: "legend" }, kinds.map(([kind, words]) => el("span", { class: `n k-${kind}` }, sign(kind), words)));
}
