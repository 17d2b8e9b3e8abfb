// Draws the cards from plain data. Text reaches the page through textContent only, pictures through blob URLs:
// a data URI in a style is decoded again for every tile.
const grid = element.querySelector(".mv-grid");
const sheets = { still: null, mixed: null };
let cards = [];
let turn = 0;

function make(tag, name, ...children) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  node.append(...children);
  return node;
}

const percent = (x) => `${Math.round(100 * x)} %`;

async function open(dataUri) {
  const bytes = Uint8Array.from(atob(dataUri.slice(dataUri.indexOf(",") + 1)), (c) => c.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  const image = new Image();
  image.src = url;
  await image.decode();
  return url;
}

function swap(kind, url) {
  if (sheets[kind]) URL.revokeObjectURL(sheets[kind]);
  sheets[kind] = url;
}

function place(tile, url, index, columns, rows) {
  const at = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0);
  tile.style.backgroundImage = `url(${url})`;
  tile.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  tile.style.backgroundPosition = `${at(index % columns, columns)}% ${at(Math.floor(index / columns), rows)}%`;
}

function outline(box, edges) {
  box.hidden = !edges;
  if (!edges) return;
  const [top, left, bottom, right] = edges.map((edge) => 100 * edge);
  Object.assign(box.style, { top: `${top}%`, left: `${left}%`, height: `${bottom - top}%`, width: `${right - left}%` });
}

function figure(name, caption) {
  const tile = make("div", "mv-tile", make("div", "mv-box"));
  tile.setAttribute("role", "img");
  const text = make("figcaption", "", caption);
  return { node: make("figure", name, tile, text), tile, box: tile.firstChild, text };
}

function build(card) {
  const parts = {
    mixed: figure("mv-mixed", "mixture"), heat: figure("mv-heat", ""), cut: figure("mv-cut", ""),
    barA: make("span", "mv-a"), barB: make("span", "mv-b"), numbers: make("dl", "mv-numbers"), truth: make("p", "mv-truth"),
    note: make("p", "mv-note"),
  };
  parts.bar = make("div", "mv-bar", parts.barA, parts.barB);
  parts.bar.setAttribute("role", "img");
  const link = make(card.url ? "a" : "span", "", card.title);
  link.title = card.citation;
  if (card.url) Object.assign(link, { href: card.url, target: "_blank", rel: "noopener noreferrer" });
  const title = make("h2", "", link);
  parts.node = make(
    "article", "mv-card", make("header", "", title, make("span", "mv-family", card.family === "none" ? "" : card.family)),
    make("p", "mv-summary", card.summary),
    make("div", "mv-tiles", parts.mixed.node, make("div", "mv-steps", parts.heat.node, parts.cut.node)),
    parts.bar, parts.numbers, parts.truth, parts.note,
  );
  parts.node.dataset.method = card.name;
  return parts;
}

// A part of the bar carries its name where there is room for it (about 34 letters in the whole bar), else a letter.
function fitting(name, letter, share) {
  const texts = [`${name} ${percent(share)}`, `${letter} ${percent(share)}`, ""];
  return texts.find((text) => text.length <= 34 * share);
}

function numbers(list, card, held) {
  const rows = [
    [card.drawn === null ? "λ" : held ? "λ held" : "λ drawn", card.drawn === null ? "none" : card.drawn.toFixed(2)],
    ["A's area", card.layer ? "none" : card.area[0].toFixed(2)],
    ["A's label", card.share[0].toFixed(2)],
  ];
  list.replaceChildren(...rows.map(([key, value]) => make("div", "", make("dt", "", key), make("dd", "", value))));
}

function truth(node, card, names, judge) {
  const seen = (i) => `${percent(card.visible[i])} of ${names[i]}`;
  const others = card.visible[1] > 0 || card.share[1] > 0 || card.pair;
  if (card.layer) {
    node.textContent = "Mixed inside the network: nothing of it can be seen here.";
    return;
  }
  const what = judge === "object" ? "object boxes" : "saliency";
  const off = Math.round(100 * card.gap);
  const verdict = off === 0 ? "the label says so" : `the label is ${off} ${off === 1 ? "point" : "points"} off`;
  node.replaceChildren(
    make("span", "", `Visible (${what}): ${seen(0)}${others ? `, ${seen(1)}` : ""}. `),
    make("b", off > 15 ? "mv-off" : "", others ? `Fair: ${percent(card.fair[0])} A; ${verdict}.` : `The label stays ${percent(card.share[0])}.`),
  );
}

function update(parts, card, value, index) {
  const [a, b] = value.names;
  const source = card.pair ? 1 : 0;
  const patch = card.source || (card.pair ? null : card.target);
  place(parts.mixed.tile, sheets.mixed, index, value.columns, value.rows);
  place(parts.heat.tile, sheets.still, 2 + source, 4, 1);
  place(parts.cut.tile, sheets.still, source, 4, 1);
  outline(parts.mixed.box, card.target);
  outline(parts.cut.box, patch);
  outline(parts.heat.box, card.looks ? patch : null);
  parts.heat.node.classList.toggle("mv-unused", !card.looks);
  parts.heat.text.textContent = card.looks ? `saliency of ${"AB"[source]}` : "not looked at";
  parts.cut.text.textContent = !card.pair ? (patch ? "hole in A" : "A") : patch ? "patch of B" : "all of B";
  parts.mixed.text.textContent = card.layer ? `unchanged: mixed after stage ${card.layer} of the network` : "mixture";
  parts.mixed.tile.setAttribute("aria-label", `${a} augmented by ${card.title}`);
  parts.heat.tile.setAttribute("aria-label", `Saliency of ${value.names[source]}`);
  parts.cut.tile.setAttribute("aria-label", `${patch ? "Patch in" : "Picture of"} ${value.names[source]}`);
  const share = card.share;
  parts.bar.setAttribute("aria-label", `Label: ${percent(share[0])} ${a}, ${percent(share[1])} ${b}`);
  parts.barA.style.flexGrow = share[0];
  parts.barB.style.flexGrow = share[1];
  parts.barA.textContent = fitting(a, "A", share[0]);
  parts.barB.textContent = fitting(b, "B", share[1]);
  numbers(parts.numbers, card, value.held);
  truth(parts.truth, card, value.names, value.judge);
  parts.note.textContent = card.note;
}

async function render() {
  const value = props.value;
  if (!value) return;
  const mine = ++turn;
  element.querySelector(".mv-message").textContent = value.message || "";
  grid.classList.toggle("mv-waiting", !value.cards);
  if (!value.cards) return;
  const [mixed, still] = await Promise.all([open(value.sheet), value.still ? open(value.still) : null]);
  if (still) {
    swap("still", still);
    for (const { heat, cut } of cards) [heat, cut].forEach(({ tile }) => (tile.style.backgroundImage = `url(${still})`));
  }
  if (mine !== turn) return URL.revokeObjectURL(mixed); // a later answer has overtaken this one
  const before = sheets.mixed;
  sheets.mixed = mixed;
  element.querySelector(".mv-name-a").textContent = value.names[0];
  element.querySelector(".mv-name-b").textContent = value.names[1];
  if (cards.length !== value.cards.length) {
    cards = value.cards.map(build);
    grid.replaceChildren(...cards.map((parts) => parts.node));
  }
  value.cards.forEach((card, index) => update(cards[index], card, value, index));
  if (before) URL.revokeObjectURL(before);
  grid.dataset.shown = String(mine); // how many answers have reached the eye, for tests and timing
}

watch("value", render);
render();
