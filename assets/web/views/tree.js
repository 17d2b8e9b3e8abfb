// View of the family tree: an interactive drawing, on phones a nested list instead, and a panel about one idea.
import { make, partOf, within } from "../lib/dom.js";
import { ARROWS } from "../lib/grab.js";
import { known } from "../lib/maps.js";
import { mixviz } from "../lib/page.js";
import { FONT, colourOf, handFigure, svg } from "../lib/svg.js";
import { t } from "../lib/texts.js";
import { drawLineage, layOut, slideOf, yearOf } from "./tree/lineage.js";
import { nestedList } from "./tree/list.js";

/** @import { Context, Idea, Placed, State, Tree } from "../types.js" */

/** @param {Context} context */
export default function treeView({ element }) {
  const root = () => partOf(element);
  const START = ["mixup", "cutmix"]; // in sight at first
  const narrow = () => matchMedia("(max-width: 767px)").matches;
  /** @type {Tree} */
  let value;
  /** @type {Map<string, Idea>} */
  let ideas = new Map();
  let chosen = new URLSearchParams(location.search).get("idea");
  /** @type {string | null} */
  let at = null;
  let turn = 0;
  /** @type {ReturnType<typeof drawLineage> | null} */
  let drawing = null;
  let across = 0; // width for which all is arranged
  /** @type {string | null} */
  let lit = null;
  const intro = make("p", { class: "mv-told" });
  const canvas = svg("svg", { role: "group", "font-family": FONT, "aria-label": t("tree.picture") });
  const lanes = make("div", { class: "mv-lanes", aria: { hidden: "true" } });
  const scroller = make("div", { class: "mv-wide mv-lineage", tabIndex: -1 }, lanes, canvas);
  const panel = make("section", { class: "mv-panel mv-idea", data: { part: "idea" }, aria: { live: "polite" } });
  const beside = make("aside", { class: "mv-beside", aria: { label: t("tree.chosen") } }, panel);
  /** @type {ReturnType<typeof nestedList>} */
  let list;
  const listed = make(
    "details",
    { class: "mv-panel", data: { part: "list" } },
    make("summary", { textContent: t("tree.list") }),
  );
  const takes = make(
    "div",
    { class: "mv-chips" },
    ...["svg", "png"].map((kind) =>
      make("button", {
        class: "mv-chip",
        data: { take: kind },
        textContent: kind.toUpperCase(),
        aria: { label: `${t("tree.title")}: ${t("plot.take", { kind: kind.toUpperCase() })}` },
        on: { click: () => handFigure(slideOf(value, getComputedStyle(root())), kind, `mixviz-family-tree.${kind}`) },
      }),
    ),
  );
  root().append(
    make(
      "div",
      { class: "mv-about mv-plot-head" },
      make("div", {}, make("h1", { textContent: t("tree.title") }), intro),
      takes,
    ),
    make("div", { class: "mv-tree" }, make("section", { class: "mv-panel mv-drawn" }, scroller), beside),
    listed,
  );

  /** @param {Idea} idea */
  const text = (idea) => t(idea.ancestor ? `tree.is.${idea.name}` : `summary.${idea.name}`);
  /** @param {string | null} name @returns {SVGElement | null} */
  const nodeOf = (name) => canvas.querySelector(`[data-idea="${CSS.escape(name ?? "")}"]`);

  /** @param {Element} group */
  const partsOf = (group) => /** @type {SVGElement[]} */ ([...group.children]);

  function draw() {
    const placed = layOut(value, scroller.clientWidth);
    canvas.setAttribute("width", String(placed.width));
    canvas.setAttribute("height", String(placed.height));
    lanes.style.width = `${placed.start}px`;
    lanes.replaceChildren(
      ...placed.lanes.map(({ family, y, height }) => {
        const lane = make("span", { textContent: t(`family.${family}`) });
        Object.assign(lane.style, {
          top: `${y}px`,
          height: `${height}px`,
          borderColor: colourOf(value.families.indexOf(family)),
        });
        return lane;
      }),
    );
    drawing = drawLineage(value, placed, {
      /** @param {SVGElement} node @param {Idea} idea */
      each: (node, idea) => {
        for (const [key, said] of Object.entries({
          role: "button",
          tabindex: -1,
          "aria-label": t("tree.node", {
            title: idea.title,
            year: yearOf(idea.year),
            family: t(`family.${idea.family}`),
          }),
        }))
          node.setAttribute(key, String(said));
        node.append(svg("title", {}, `${idea.title}, ${yearOf(idea.year)}. ${text(idea)}`));
        // On move instead of enter, because an idea may appear under a resting pointer.
        node.addEventListener("pointermove", () => lit === idea.name || show(idea.name));
        node.addEventListener("pointerleave", () => show(chosen));
        node.addEventListener("focus", () => stop(idea.name));
        node.addEventListener("blur", () => show(chosen));
        node.addEventListener("click", () => choose(idea.name));
        node.addEventListener("keydown", (event) => key(event, idea.name, placed));
      },
    });
    canvas.replaceChildren(drawing.body);
    at = chosen !== null && ideas.has(chosen) ? chosen : (value.ideas[0]?.name ?? null);
    nodeOf(at)?.setAttribute("tabindex", "0");
  }

  /**
   * Scrolls sideways to an idea, if it is out of sight or below the names of the lanes.
   *
   * @param {string | null} name
   */
  function reveal(name) {
    const box = nodeOf(name)?.getBoundingClientRect();
    const frame = scroller.getBoundingClientRect();
    if (!box) return;
    if (box.right > frame.right) scroller.scrollLeft += box.right - frame.right + 20;
    const edge = frame.left + lanes.offsetWidth;
    if (box.left < edge) scroller.scrollLeft += box.left - edge - 20;
  }

  /** Puts the panel beside the drawing, or in the list below the chosen idea. */
  function put() {
    const row = narrow() && chosen && list.reveal(chosen);
    if (row) row.after(panel);
    else beside.append(panel);
  }

  /**
   * The drawing is one tab stop: arrow keys move to the nearest idea in their direction.
   *
   * @param {KeyboardEvent} event
   * @param {string} name
   * @param {Placed} placed
   */
  function key(event, name, { boxes }) {
    const step = ARROWS[event.key];
    if (event.key === "Enter" || event.key === " ") choose(name);
    else if (!step) return;
    else {
      const [down, across] = step;
      const here = known(boxes, name);
      /** @param {{ x: number, y: number }} place */
      const far = ({ x, y }) => {
        const [along, aside] = across
          ? [(x - here.x) * across, Math.abs(y - here.y)]
          : [(y - here.y) * down, Math.abs(x - here.x)];
        return along > 1 ? along + 2 * aside : Infinity;
      };
      const next = [...boxes.values()].reduce((best, box) => (far(box) < far(best) ? box : best), here);
      if (next !== here) nodeOf(next.idea.name)?.focus();
    }
    event.preventDefault();
  }
  /** @param {string} name */
  function stop(name) {
    nodeOf(at)?.setAttribute("tabindex", "-1");
    nodeOf(name)?.setAttribute("tabindex", "0");
    at = name;
    show(name);
  }

  /**
   * Highlights an idea, its parents, its children, and the lines between them.
   *
   * @param {string | null} name
   */
  function light(name) {
    const idea = ideas.get(name ?? "");
    const near = new Set(idea ? [idea.name, ...idea.parents, ...idea.children] : []);
    if (!drawing) return;
    for (const node of partsOf(drawing.nodes)) {
      node.style.opacity = !idea || near.has(node.dataset.idea ?? "") ? "1" : "0.3";
      node.classList.toggle("mv-lit", node.dataset.idea === name);
    }
    for (const edge of partsOf(drawing.edges)) {
      const on = edge.dataset.from === name || edge.dataset.to === name;
      edge.style.opacity = !idea ? "" : on ? "1" : "0.12";
      edge.style.strokeWidth = on ? "3" : "";
    }
  }

  /** @param {string | null} name */
  function show(name) {
    lit = name;
    light(name);
    tell(name);
  }

  /** @param {string} name @param {boolean} [move] */
  function choose(name, move = true) {
    chosen = name;
    mixviz.note("idea", name);
    put();
    show(name);
    if (move && narrow()) panel.scrollIntoView({ block: "nearest" });
  }

  /** @param {string | null} name */
  function tell(name) {
    const idea = ideas.get(name ?? "");
    panel.hidden = !idea && narrow();
    if (!idea) return panel.replaceChildren(make("p", { class: "mv-told", textContent: t("tree.choose") }));
    /** @param {string[]} names @param {string} none */
    const others = (names, none) =>
      names.length
        ? names.map((name) =>
            make("button", {
              class: "mv-chip",
              data: { to: name },
              textContent: known(ideas, name).title,
              on: {
                click: () => {
                  choose(name, false);
                  reveal(chosen);
                  within(panel, "h2").focus();
                },
              },
            }),
          )
        : [none];
    /** @param {string} name @param {...Node | string} content */
    const fact = (name, ...content) =>
      make("div", {}, make("dt", { textContent: t(`tree.${name}`) }), make("dd", {}, ...content));
    /** @param {string} label @param {string} view @param {Partial<State>} changes */
    const door = (label, view, changes) =>
      make("button", {
        class: "mv-button",
        data: { door: view },
        textContent: t(label),
        on: { click: () => mixviz.open(view, changes) },
      });
    panel.replaceChildren(
      make("h2", {
        tabIndex: -1,
        textContent: [idea.title, yearOf(idea.year), t(`family.${idea.family}`)].join(" · "),
      }),
      make("p", { class: "mv-told", textContent: text(idea) }),
      make(
        "p",
        { class: "mv-small" },
        idea.url
          ? make("a", { href: idea.url, target: "_blank", rel: "noopener", textContent: idea.citation })
          : idea.citation,
        idea.ancestor ? ` ${t("tree.elsewhere")}` : "",
      ),
      make(
        "dl",
        { class: "mv-facts" },
        ...(idea.label ? [fact("label", idea.label)] : []),
        fact("parents", make("div", { class: "mv-chips" }, ...others(idea.parents, t("tree.first")))),
        fact("children", make("div", { class: "mv-chips" }, ...others(idea.children, t("tree.none")))),
      ),
      ...(idea.ancestor
        ? []
        : [
            make(
              "div",
              { class: "mv-chips" },
              door("open", "detail", { method: idea.name }),
              door("tree.to_which", "which", {}),
            ),
          ]),
    );
  }

  /** The drawing at the width of the page, or the list. */
  function arrange() {
    if (across !== root().clientWidth) {
      across = root().clientWidth;
      listed.open = narrow();
      if (!narrow()) draw();
    }
    put();
    show(chosen);
    for (const name of chosen ? [chosen] : START) reveal(name);
  }

  mixviz.views("tree", (answer) => {
    if (!value) {
      value = answer;
      ideas = new Map(value.ideas.map((idea) => [idea.name, idea]));
      const methods = value.ideas.filter(({ ancestor }) => !ancestor);
      const years = methods.flatMap(({ year }) => year || []);
      intro.textContent = t("tree.lede", { n: methods.length, from: Math.min(...years), to: Math.max(...years) });
      list = nestedList(value, (name) => {
        choose(name);
        within(panel, "h2").focus();
      });
      listed.append(list.node);
      new ResizeObserver(() => root().clientWidth && root().clientWidth !== across && arrange()).observe(root());
    }
    if (mixviz.state.idea && ideas.has(mixviz.state.idea)) {
      chosen = mixviz.state.idea; // opened from another view
      mixviz.note("idea", chosen);
      delete mixviz.state.idea;
    }
    arrange();
    root().dataset.shown = String(++turn);
  });
}
