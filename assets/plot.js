// Plots as SVG: lines and points that answer to the pointer and the keyboard, drawn anew at every width, in colours
// that follow the page's theme, with the numbers as a table and to take away (SVG, PNG, CSV).
// A spec: {title, name, x, y, series, at, note, pick}. An axis: {label, low, high, ticks, format, names, unit}.
// A series: {key, title, line, dash, points: [{x, y, error, from, title, data}]}; `from` is where a thin line leads to.
const MARKS = ["circle", "square", "up", "diamond", "down", "cross"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const INK = "var(--body-text-color)", PALE = "var(--body-text-color-subdued)", LINE = "var(--border-color-primary)";
const colourOf = (index) => `var(--mv-s${index % 12})`;

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined && value !== null) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function markPath(kind, x, y, r) {
  const k = r * 1.15;
  const shapes = {
    square: `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`, up: `M${x} ${y - k}L${x + k} ${y + r}H${x - k}z`,
    down: `M${x} ${y + k}L${x + k} ${y - r}H${x - k}z`, diamond: `M${x} ${y - k}L${x + k} ${y}L${x} ${y + k}L${x - k} ${y}z`,
    cross: `M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}`,
  };
  return shapes[kind] ?? `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

// Round numbers from low to high, about as many as wanted.
function niceTicks(low, high, wanted = 5) {
  const rough = (high - low) / wanted || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((k) => k >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(+(i * step).toPrecision(12));
  return ticks;
}

function plotOf(first = {}) {
  let spec = { series: [], ...first }, lit = null, wide = 0;
  const hidden = new Set();
  const heading = make("h3"), area = make("div", { class: "mv-plot-area" }), tip = make("div", { class: "mv-tip", hidden: true });
  const legend = make("div", { class: "mv-chips mv-plot-legend" }), note = make("p", { class: "mv-small" });
  const table = make("div", { class: "mv-plot-table", tabIndex: 0, aria: { role: "region", label: t("plot.table") } });
  const numbers = make("details", { on: { toggle: () => numbers.open && drawTable() } }, make("summary", { textContent: t("plot.table") }), table);
  const parcels = make("div", { class: "mv-chips" }, ...["svg", "png", "csv"].map((kind) => make("button", { type: "button", class: "mv-chip", textContent: kind.toUpperCase(), aria: { label: t("plot.take", { kind: kind.toUpperCase() }) }, on: { click: () => save(kind) } })));
  area.append(tip);
  const node = make("section", { class: "mv-panel mv-plot" }, make("div", { class: "mv-plot-head" }, heading, parcels), area, legend, note, numbers);

  const shown = () => spec.series.filter((one) => !hidden.has(one.key));
  const text = (axis, value) => (value === null || value === undefined ? "" : axis.names ? axis.names[value] : axis.format ? axis.format(value) : String(+value.toFixed(3))) + (axis.unit ?? "");

  function range(axis, key) {
    if (axis.names) return [-0.5, axis.names.length - 0.5];
    const all = shown().flatMap((one) => one.points).flatMap((p) => [p[key] - (key === "y" ? p.error ?? 0 : 0), p[key] + (key === "y" ? p.error ?? 0 : 0), ...(key === "y" && p.from !== undefined ? [p.from] : [])]).filter(Number.isFinite);
    const [low, high] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1], pad = (high - low || 1) * 0.08;
    return [axis.low ?? low - pad, axis.high ?? high + pad];
  }

  function draw() {
    const width = Math.round(area.clientWidth);
    if (!width || !spec.x) return;
    wide = width;
    const height = spec.height ?? Math.round(Math.min(340, Math.max(240, width * 0.62))), names = spec.x.names;
    const slanted = names && width / names.length < 80;
    const [left, right, top, bottom] = [54, 14, 10, slanted ? 92 : 46];
    const [x0, x1] = range(spec.x, "x"), [y0, y1] = range(spec.y, "y");
    const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right), py = (y) => top + ((y1 - y) / (y1 - y0)) * (height - top - bottom);
    const canvas = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: spec.pick ? "group" : "img", "aria-label": `${spec.title}. ${spec.x.label}, ${spec.y.label}.`, "font-family": "system-ui, sans-serif", "font-size": 12 });
    const words = (x, y, content, more = {}) => svg("text", { x, y, fill: PALE, ...more }, content);
    for (const tick of spec.y.ticks ?? niceTicks(y0, y1)) {
      canvas.append(svg("line", { x1: left, x2: width - right, y1: py(tick), y2: py(tick), stroke: LINE }), words(left - 6, py(tick) + 4, text({ ...spec.y, unit: "" }, tick), { "text-anchor": "end" }));
    }
    const ticks = names ? names.map((_, i) => i) : spec.x.ticks ?? niceTicks(x0, x1, width < 480 ? 4 : 6);
    for (const tick of ticks) {
      canvas.append(svg("line", { x1: px(tick), x2: px(tick), y1: height - bottom, y2: height - bottom + 4, stroke: PALE }));
      const at = slanted ? { "text-anchor": "end", transform: `rotate(-40 ${px(tick)} ${height - bottom + 14})` } : { "text-anchor": "middle" };
      canvas.append(words(px(tick), height - bottom + (slanted ? 14 : 17), text({ ...spec.x, unit: "" }, tick), at));
    }
    canvas.append(svg("line", { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, stroke: PALE }));
    canvas.append(words((left + width - right) / 2, height - 6, spec.x.label, { "text-anchor": "middle", fill: INK }));
    canvas.append(words(0, 0, spec.y.label, { "text-anchor": "middle", fill: INK, transform: `translate(13 ${(top + height - bottom) / 2}) rotate(-90)` }));
    if (spec.diagonal) canvas.append(svg("line", { x1: px(Math.max(x0, y0)), y1: py(Math.max(x0, y0)), x2: px(Math.min(x1, y1)), y2: py(Math.min(x1, y1)), stroke: PALE, "stroke-dasharray": "3 4" }));
    if (spec.at !== undefined) canvas.append(svg("line", { class: "mv-at", x1: px(spec.at), x2: px(spec.at), y1: top, y2: height - bottom, stroke: INK, "stroke-width": 1.5 }));
    for (const one of shown()) canvas.append(drawSeries(one, px, py));
    area.querySelector("svg")?.remove();
    area.prepend(canvas);
    light(lit);
  }

  function drawSeries(one, px, py) {
    const index = one.index ?? spec.series.indexOf(one), colour = one.colour ?? colourOf(index), mark = one.mark ?? MARKS[index % MARKS.length];
    const group = svg("g", { "data-series": one.key });
    const solid = one.points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
    if (one.line !== false && solid.length > 1) group.append(svg("path", { d: `M${solid.map((p) => `${px(p.x).toFixed(1)} ${py(p.y).toFixed(1)}`).join("L")}`, fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": one.dash ?? DASHES[Math.floor(index / 3) % DASHES.length], "stroke-linejoin": "round" }));
    for (const point of solid) {
      const [x, y] = [px(point.x), py(point.y)];
      if (point.error) group.append(svg("path", { d: `M${x - 4} ${py(point.y - point.error)}h8m-4 0V${py(point.y + point.error)}m-4 0h8`, fill: "none", stroke: colour, "stroke-width": 1.5 }));
      if (point.from !== undefined) group.append(svg("path", { d: `M${x} ${py(point.from)}V${y}`, stroke: colour, "stroke-width": 1.5, "stroke-dasharray": "2 2" }));
      if (one.points.length > 40 && one.line !== false) continue;
      const shape = svg("path", { d: markPath(mark, +x.toFixed(1), +y.toFixed(1), one.size ?? (one.line === false ? 6 : 3.2)), fill: one.hollow || mark === "cross" ? "none" : colour, stroke: one.hollow || mark === "cross" ? colour : "var(--block-background-fill)", "stroke-width": one.hollow || mark === "cross" ? 2 : 1 });
      const said = told(one, point);
      shape.append(svg("title", {}, said));
      shape.addEventListener("pointerenter", () => hover(one, said, x, y, point));
      shape.addEventListener("pointerleave", leave);
      if (spec.pick && one.pick !== false) {
        for (const [key, value] of Object.entries({ tabindex: 0, role: "button", "aria-label": said, class: "mv-pick" })) shape.setAttribute(key, value);
        shape.addEventListener("click", () => spec.pick(one, point));
        shape.addEventListener("focus", () => hover(one, said, x, y, point));
        shape.addEventListener("blur", leave);
        shape.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          spec.pick(one, point);
        });
      }
      group.append(shape);
    }
    // A line is easier to meet than its points.
    if (one.line !== false) {
      group.addEventListener("pointerenter", () => light(one.key));
      group.addEventListener("pointerleave", () => light(null));
    }
    return group;
  }

  const told = (one, point) => `${point.title ?? one.title}: ${spec.x.names ? "" : `${spec.x.label} ${text(spec.x, point.x)}, `}${spec.y.label} ${text(spec.y, point.y)}${point.error ? ` ± ${text(spec.y, point.error)}` : ""}`;

  function hover(one, said, x, y, point) {
    tip.replaceChildren(...(spec.tip?.(one, point) ?? []), said);
    tip.hidden = false;
    const half = tip.offsetWidth / 2;
    Object.assign(tip.style, { left: `${Math.min(Math.max(x, half), Math.max(half, wide - half))}px`, top: `${y}px` });
    tip.classList.toggle("mv-below", y < tip.offsetHeight + 14);
    light(one.key);
  }
  function leave() {
    tip.hidden = true;
    light(null);
  }
  function light(key) {
    lit = key;
    if (spec.dims === false) return;
    for (const group of area.querySelectorAll("[data-series]")) group.style.opacity = key && group.dataset.series !== key ? 0.18 : 1;
  }

  function drawLegend() {
    legend.hidden = spec.legend === false || spec.series.length < 2;
    legend.replaceChildren(...spec.series.map((one, i) => {
      const index = one.index ?? i, mark = one.mark ?? MARKS[index % MARKS.length], colour = one.colour ?? colourOf(index);
      const open = one.hollow || mark === "cross";
      const key = svg("svg", { width: 26, height: 14, "aria-hidden": "true" });
      if (one.line !== false) key.append(svg("path", { d: "M0 7H26", stroke: colour, "stroke-width": 2, "stroke-dasharray": one.dash ?? DASHES[Math.floor(index / 3) % DASHES.length] }));
      key.append(svg("path", { d: markPath(mark, 13, 7, 4), fill: open ? "none" : colour, stroke: colour, "stroke-width": open ? 2 : 0 }));
      return make("button", { type: "button", class: "mv-key-button", aria: { pressed: String(!hidden.has(one.key)) }, on: {
        click: (event) => { hidden.has(one.key) ? hidden.delete(one.key) : hidden.add(one.key); event.currentTarget.setAttribute("aria-pressed", String(!hidden.has(one.key))); draw(); },
        pointerenter: () => light(one.key), pointerleave: () => light(null), focus: () => light(one.key), blur: () => light(null),
      } }, key, one.title);
    }));
  }

  const lines = () => [[spec.series.some((one) => one.title) ? t("plot.series") : "", spec.x.label, spec.y.label, ...(spec.series.some((one) => one.points.some((p) => p.error)) ? ["±"] : [])], ...spec.series.flatMap((one) => one.points.map((p) => [p.title ?? one.title, spec.x.names ? spec.x.names[p.x] : p.x, p.y, ...(p.error ? [p.error] : [])]))];
  function drawTable() {
    const [head, ...rows] = lines();
    const show = (cell) => (typeof cell === "number" ? String(+cell.toFixed(4)) : cell ?? "");
    table.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...head.map((cell) => make("th", { scope: "col", textContent: cell })))), make("tbody", {}, ...rows.slice(0, 400).map((row) => make("tr", {}, ...row.map((cell) => make("td", { textContent: show(cell) })))))));
  }

  async function save(kind) {
    const name = `mixviz-${spec.name}.${kind}`;
    if (kind === "csv") return hand(new Blob([lines().map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }), name);
    const style = getComputedStyle(node), canvas = area.querySelector("svg").cloneNode(true);
    canvas.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    canvas.prepend(svg("rect", { width: "100%", height: "100%", fill: "var(--block-background-fill)" }));
    const drawing = new XMLSerializer().serializeToString(canvas).replace(/var\((--[\w-]+)\)/g, (_, variable) => style.getPropertyValue(variable).trim() || "#888");
    const blob = new Blob([drawing], { type: "image/svg+xml" });
    if (kind === "svg") return hand(blob, name);
    const image = new Image(), url = URL.createObjectURL(blob);
    image.src = url;
    await image.decode();
    const page = make("canvas", { width: 2 * image.width, height: 2 * image.height });
    page.getContext("2d").drawImage(image, 0, 0, page.width, page.height);
    URL.revokeObjectURL(url);
    page.toBlob((png) => hand(png, name), "image/png");
  }

  new ResizeObserver(() => Math.round(area.clientWidth) !== wide && draw()).observe(area);
  const update = (changes) => {
    spec = { ...spec, ...changes };
    heading.textContent = spec.title ?? "";
    note.textContent = spec.note ?? "";
    note.hidden = !spec.note;
    drawLegend();
    draw();
    if (numbers.open) drawTable();
  };
  // A moving marker alone: nothing else is drawn anew.
  const mark = (at) => {
    spec.at = at;
    draw();
  };
  update({});
  return { node, update, mark, light };
}

// A cell of a CSV file: what a spreadsheet would take for a formula is a text.
function quoted(cell) {
  const said = String(cell ?? "");
  const safe = typeof cell !== "number" && /^[=+\-@\t\r]/.test(said) ? `'${said}` : said;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function hand(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
