// What all networks say of the embeddings view's pictures, side by side: neighbours, distances and the cards' numbers.
// It shares the view's variables, as its other scripts do.
const heading = () => about.forEach((group) => { press(group, "subject", subject); [...group.children].forEach((button, i) => { button.textContent = `${"AB"[i]}: ${value.names[i]}`; }); });

function drawNear() {
  heading();
  near.replaceChildren(...fixed.networks.map((its) => {
    const found = value.placed[subject][its.name], known = fixed.sets[its.set], styles = stylesOf(known.classes.length, known.kinds);
    if (!found?.near) return make("article", {}, make("h4", { textContent: its.title }), make("p", { class: "mv-small", textContent: found?.not_placed ?? "" }));
    const [most, times] = found.most;
    const figures = found.near.map((index, i) => {
      const label = known.label[index], tile = thumbs?.url && thumbs.set === its.set ? tileOf({ ...thumbs, index }, 56) : make("span", { class: "mv-thumb mv-blank" }, markOf(styles[label], 30));
      return make("figure", {}, tile, make("figcaption", {}, className(known.classes[label]), make("br"), found.similarity[i].toFixed(3)));
    });
    return make("article", { data: { near: its.name } }, make("h4", { textContent: its.title }), make("p", { class: "mv-small", textContent: times > 1 ? t("embed.of_five", { count: times, n: found.near.length, name: className(known.classes[most]) }) : t("embed.all_differ", { n: found.near.length }) }), make("div", { class: "mv-five" }, ...figures));
  }));
}

const span = (key) => {
  const values = fixed.networks.map(({ card }) => card?.[key]).filter(Number.isFinite);
  return values.length ? `${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}\u00a0%` : "–";
};

function drawFar() {
  heading();
  farTold.textContent = t("embed.far_told", { direction: span("auroc_direction"), paper: span("auroc_paper"), softmax: span("auroc_softmax") });
  const rows = fixed.networks.map((its) => {
    const found = value.placed[subject][its.name], card = its.card ?? {};
    const says = found ? `${className(fixed.sets[its.set].classes[found.class])} (${percent(found.probability)})` : "–";
    return { name: its.name, cells: [nameButton(its), says, found?.distance?.toFixed(2) ?? "–", found?.farther === null || found?.farther === undefined ? "–" : percent(found.farther), one(card.auroc_direction), one(card.auroc_paper), one(card.auroc_softmax)] };
  });
  far.replaceChildren(tableOf(["network", "says", "distance", "farther", "auroc_direction", "auroc_paper", "auroc_softmax"].map((key) => t(`embed.col_${key}`)), rows));
}

const COLUMNS = [["purity_percent", "purity"], ["nmi_percent", "nmi"], ["retrieval_map_percent", "map"], ["precision_at_1_percent", "p1"], ["auroc_direction", "auroc"]];

const nameButton = (its) => make("button", { type: "button", class: "mv-link", textContent: its.title, aria: { pressed: String(its.name === network().name) }, on: { click: () => pick(its.name) } });

const ranked = new Map(); // each place's table, which goes on sorting as it did
function rank(where, columns, networks, numbersOf) {
  if (!ranked.has(where)) ranked.set(where, sortedTable({ first: { title: t("embed.col_network"), sorts: false }, columns: () => columns.map(([key, text]) => ({ key, title: t(`embed.${text}`), lower: false, written: one })) }));
  const table = ranked.get(where);
  table.update(networks.map((its) => ({ name: its.name, title: its.title, head: nameButton(its), values: numbersOf(its) ?? {} })));
  if (!where.contains(table.node)) where.replaceChildren(table.node);
}

function drawTable() {
  const cards = fixed.networks.map(({ card }) => card).filter(Boolean);
  rank(table, COLUMNS, fixed.networks, ({ card }) => card);
  const seeds = new Set(cards.map(({ seed }) => seed)).size;
  tableNote.textContent = cards.length ? t(seeds > 1 ? "embed.of_all" : "embed.of_one", { images: [...new Set(cards.map(({ images }) => images))].join(", "), others: cards[0].others ?? "–" }) : "";
}
