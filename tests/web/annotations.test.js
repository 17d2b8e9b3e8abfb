// Masks and annotation files, without a browser: node --test tests/web/
import assert from "node:assert/strict";
import { test } from "node:test";

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
