// Matches of local features of two pictures: lines between places, bright where they agree on one transform.
import { make } from "../../lib/dom.js";
import { svg } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";

import { titleOf } from "./model.js";

/** @import { Asked, RetrievalModel } from "./model.js" */
/**
 * @typedef {{ pictures: { picture: string, ratio: number }[], pairs: number[][], inlier: boolean[], inliers: number,
 *   chance: number, features: number[], message?: string }} Matches
 */

const [HEIGHT, GAP] = [300, 24]; // of a picture, and between the two, in units of the drawing

/** @param {RetrievalModel} model @param {() => void} changed @param {(query: Asked) => void} search */
export function matchesOf(model, changed, search) {
  /** @type {Matches | null} */
  let value = null;
  const told = make("p", { class: "mv-told", aria: { role: "status" } });
  const why = make("p", { class: "mv-small", textContent: t("find.matches_why") });
  const picture = make("div", { class: "mv-find-matches" });
  const all = make("input", { type: "checkbox", name: "outliers", on: { change: () => draw() } });
  const other = make("button", {
    class: "mv-chip",
    on: {
      click: () => {
        model.partner = model.query === "b" ? "a" : "b";
        changed();
      },
    },
  });
  const further = make("button", {
    class: "mv-chip",
    textContent: t("find.search_with"),
    on: { click: () => search(model.partner) },
  });
  const panel = make(
    "details",
    { class: "mv-panel", data: { part: "matches" }, on: { toggle: changed } },
    make("summary", { textContent: t("find.matches") }),
    told,
    picture,
    make("div", { class: "mv-chips" }, make("label", { class: "mv-check" }, all, t("find.outliers")), other, further),
    why,
  );

  /** @param {Matches} found */
  function drawing({ pictures, pairs, inlier }) {
    const [left, right] = pictures.map(({ ratio }) => ratio * HEIGHT);
    const start = left + GAP;
    const node = svg("svg", {
      viewBox: `0 0 ${start + right} ${HEIGHT}`,
      role: "img",
      "aria-label": told.textContent,
    });
    node.append(
      svg("image", { href: pictures[0].picture, width: left, height: HEIGHT, preserveAspectRatio: "none" }),
      svg("image", { href: pictures[1].picture, x: start, width: right, height: HEIGHT, preserveAspectRatio: "none" }),
    );
    pairs.forEach(([y, x, otherY, otherX], i) => {
      if (!inlier[i] && !all.checked) return;
      const [x1, y1, x2, y2] = [x * left, y * HEIGHT, start + otherX * right, otherY * HEIGHT];
      const kind = inlier[i] ? "mv-find-inlier" : "mv-find-outlier";
      node.append(svg("line", { class: kind, x1, y1, x2, y2 }));
      for (const [cx, cy] of [[x1, y1], [x2, y2]]) node.append(svg("circle", { class: kind, cx, cy, r: 3 }));
    });
    return node;
  }

  function sentence() {
    if (!value) return t("find.matching");
    const { message, pairs, inliers, chance } = value;
    if (message) return message;
    const names = {
      one: model.nameOf(model.query),
      other: model.nameOf(model.partner),
      network: titleOf(model.looked),
    };
    return t(inliers > 2 * chance ? "find.matched" : "find.matched_chance", {
      ...names,
      pairs: pairs.length,
      inliers,
      chance: chance.toFixed(1),
    });
  }

  function draw() {
    told.textContent = sentence();
    picture.replaceChildren(...(value?.pictures ? [drawing(value)] : []));
    const letter = model.query === "b" ? "a" : "b";
    other.textContent = t("find.match_with", { name: model.nameOf(letter) });
    other.hidden = model.partner === letter;
    further.hidden = typeof model.partner !== "number";
  }

  /** @param {Matches | null} answer */
  function take(answer) {
    value = answer;
    draw();
  }

  /** Opens the part and brings it to sight. */
  function show() {
    panel.open = true;
    panel.scrollIntoView({ block: "nearest" });
  }
  return { panel, take, draw, show, open: () => panel.open };
}
