// Pure logic of the page, without a browser: node --test tests/web/
import assert from "node:assert/strict";
import { test } from "node:test";

import { linked, listed, noted, stem } from "../../assets/web/lib/address.js";
import { boxAt, curve, overlap, shifted } from "../../assets/web/lib/boxes.js";
import { csvText, quoted } from "../../assets/web/lib/csv.js";
import { endsOf, shadesOf, valuesOf } from "../../assets/web/lib/heat.js";
import { clamp, niceTicks, percent, percentage, share, signed } from "../../assets/web/lib/numbers.js";
import { orderOf, placesOf, stylesOf } from "../../assets/web/lib/points.js";

test("ticks are round, evenly spaced and within the range", () => {
  assert.deepEqual(niceTicks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(niceTicks(0, 100, 4), [0, 25, 50, 75, 100]);
  assert.deepEqual(niceTicks(-3, 7), [-2, 0, 2, 4, 6]);
  for (const [low, high] of [[0.1, 0.1234], [-1e6, 1e6], [3.3, 1234]]) {
    const ticks = niceTicks(low, high);
    assert.ok(ticks.length >= 2 && ticks.length <= 11);
    assert.ok(ticks.every((tick) => tick >= low - 1e-9 && tick <= high + 1e-9));
  }
});

test("numbers are written with a real minus, one digit and a space that does not break", () => {
  assert.equal(signed(-1.25, 1), "−1.3");
  assert.equal(signed(2, 1), "+2.0");
  assert.equal(signed(0, 0), "0");
  assert.equal(percent(0.126), "13\u00a0%");
  assert.equal(share(0.1264), "12.6\u00a0%");
  assert.equal(percentage(null), "–");
  assert.equal(clamp(7, 0, 5), 5);
});

test("boxes overlap as intersection over union", () => {
  assert.equal(overlap([0, 0, 1, 1], [0, 0, 1, 1]), 1);
  assert.equal(overlap([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]), 0);
  assert.ok(Math.abs(overlap([0, 0, 0.5, 1], [0.25, 0, 0.75, 1]) - 1 / 3) < 1e-12);
  assert.equal(overlap(null, [0, 0, 1, 1]), 0);
});

test("a box is taken at its threshold, and an empty one is none", () => {
  const look = { boxes: [[0, 0, 10, 10], [2, 2, 8, 6], [5, 5, 5, 5]] };
  assert.deepEqual(boxAt(look, 0, 10), [0, 0, 1, 1]);
  assert.deepEqual(boxAt(look, 1 / 3, 10), [0.2, 0.2, 0.8, 0.6]);
  assert.equal(boxAt(look, 1, 10), null);
});

test("a box is moved within the picture, and a corner keeps its distance", () => {
  assert.deepEqual(shifted([0.5, 0.5, 0.75, 0.75], 0.5, -1, false, 0.1), [0.75, 0, 1, 0.25]);
  assert.deepEqual(shifted([0.5, 0.5, 0.75, 0.75], -1, 1, true, 0.125), [0.5, 0.5, 0.625, 1]);
});

test("two pictures that meet each other have two arrows", () => {
  const [there, back] = [curve({ x: 0, y: 0 }, { x: 100, y: 0, r: 10 }), curve({ x: 100, y: 0 }, { x: 0, y: 0, r: 10 })];
  assert.ok(there.path.includes("Q50 16 ") && back.path.includes("Q50 -16 "));
});

test("a file holds no formulas, and quotes what separates cells", () => {
  assert.equal(quoted("=HYPERLINK(1)"), "'=HYPERLINK(1)");
  assert.equal(quoted(-3), "-3");
  assert.equal(quoted('say "a,b"'), '"say ""a,b"""');
  assert.equal(quoted(null), "");
  assert.equal(csvText([["a", 1], ["b\n", 2]]), '\ufeffa,1\r\n"b\n",2\r\n');
});

test("the address keeps what belongs to the browser alone", () => {
  const now = new URLSearchParams("__theme=dark&view=grid&pin=cutmix");
  assert.equal(linked(now, "view=detail").toString(), "view=detail&__theme=dark&pin=cutmix");
  assert.equal(noted(now, "pin", "").toString(), "__theme=dark&view=grid");
  assert.equal(stem("/a/b/lion.tar.jpg"), "lion.tar");
  assert.equal(stem(undefined), undefined);
  assert.deepEqual(listed("a,,b"), ["a", "b"]);
});

test("groups of one kind share a hue and differ by their marks; without kinds no two look alike", () => {
  const plain = stylesOf(40).map(({ hue, mark }) => `${hue} ${mark}`);
  assert.equal(new Set(plain).size, 40);
  const [cat, dog, car] = stylesOf(3, ["animal", "animal", "vehicle"]);
  assert.equal(cat.hue, dog.hue);
  assert.notEqual(cat.mark, dog.mark);
  assert.notEqual(cat.hue, car.hue);
});

test("points keep their distances on both axes, and what is lit is drawn last", () => {
  const points = [[0, 0], [4, 0], [0, 2]].map(([x, y]) => ({ x, y, group: 0, title: "", lines: () => [] }));
  const [a, b, c] = placesOf(points, 100, 10);
  assert.deepEqual([b[0] - a[0], a[1] - c[1]], [80, 40]);
  assert.deepEqual(placesOf([points[0]], 100, 10), [[50, 50]]);
  const own = { ...points[0], own: true };
  assert.deepEqual(orderOf([points[0], own, points[2]], (point) => point === points[2]), [2, 0]);
});

test("heat maps have their own scale, one for all, or their values", () => {
  const weak = { bytes: Uint8Array.of(0, 255), range: [0, 1, 0, 1] };
  const strong = { bytes: Uint8Array.of(0, 51, 255), range: [1, 6, 1, 5] };
  const none = { bytes: Uint8Array.of(0, 0), range: null };
  assert.deepEqual(endsOf([weak, strong, none], "shared"), [0, 5]);
  assert.deepEqual(endsOf([strong], "raw"), [0, 5]);
  assert.deepEqual([...valuesOf(weak, "image", [0, 5])], [0, 1]);
  assert.deepEqual([...valuesOf(strong, "raw", [0, 5])], [1, 2, 5]);
  assert.deepEqual([...shadesOf(strong, "raw", [0, 5])].map((x) => +x.toFixed(3)), [0.2, 0.4, 1]);
  assert.deepEqual([...valuesOf(none, "shared", [0, 5])], [0, 0]);
});
