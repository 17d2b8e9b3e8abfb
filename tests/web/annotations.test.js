// Masks and annotation files, without a browser: node --test tests/web/
import assert from "node:assert/strict";
import { test } from "node:test";

import { sortedOut, withoutOthers } from "../../assets/web/lib/annotation_names.js";
import { maskOf, runsOf } from "../../assets/web/lib/runs.js";

test("run-lengths are COCO's: column by column, first of pixels outside", () => {
  assert.deepEqual(runsOf([0, 1, 0, 1], 2), [2, 2]); // the second column
  assert.deepEqual(runsOf([1, 0, 0, 0], 2), [0, 1, 3]);
  assert.deepEqual(runsOf([0, 0, 0, 0], 2), [4]);
});

test("masks come back from their run-lengths, and several are united", () => {
  const mask = Uint8Array.from({ length: 49 }, (_, i) => Number((i * i) % 5 < 2));
  assert.deepEqual(maskOf([runsOf(mask, 7)], 7), mask);
  assert.deepEqual([...maskOf([[0, 1, 3], [3, 1]], 2)], [1, 0, 0, 1]);
});

/** Files of a folder, or without one. @param {string[]} paths */
const files = (paths) => paths.map((path) => ({ name: path.split("/").pop() ?? "", webkitRelativePath: path }));
/** @param {{ webkitRelativePath: string }[]} some */
const pathsOf = (some) => some.map(({ webkitRelativePath }) => webkitRelativePath);

test("a PNG is a mask beside a picture of its name, or in a folder of masks", () => {
  for (const [given, masks] of [
    [["set/a.jpg", "set/a.png", "set/b.png"], ["set/a.png"]], // b.png is a picture
    [["set/images/a.png", "set/masks/a.png"], ["set/masks/a.png"]],
    [["set/masks/a.png", "set/masks/b.png"], []], // nothing that they could be masks of
    [["set/cats/a.png", "set/dogs/a.png"], []],
  ]) {
    const { annotations, others } = sortedOut(files(given));
    assert.deepEqual(pathsOf(annotations), masks);
    assert.deepEqual(pathsOf(others), given.filter((path) => !masks.includes(path)));
  }
});

test("text files are annotations, and those of pictures that were not taken are left out", () => {
  const given = files(["s/a.jpg", "s/b.jpg", "s/l/a.txt", "s/l/b.TXT", "s/b.json", "s/data.yaml", "s/c.xml", "s/d.zip"]);
  const { annotations, others } = sortedOut(given);
  assert.deepEqual(pathsOf(others), ["s/a.jpg", "s/b.jpg", "s/d.zip"]);
  const kept = withoutOthers(annotations, others, ["s/a.jpg"]);
  assert.deepEqual(pathsOf(kept), ["s/l/a.txt", "s/b.json", "s/data.yaml", "s/c.xml"]); // COCO's is of all pictures
});
