import assert from "node:assert/strict";
import { test } from "node:test";
import { finds, nearly } from "../../assets/web/lib/search.js";

test("a word is nearly another one where one letter is wrong", () => {
  const near = ["cutmix", "cutmx", "cutmixx", "cutnix", "cutmxi", "utmix"];
  for (const other of near) assert.ok(nearly(other, "cutmix"), other);
  for (const other of ["cutout", "mixup", "cumx", "cutmixup"]) assert.ok(!nearly(other, "cutmix"), other);
});

test("spaces, capitals and hyphens do not count", () => {
  for (const query of ["", " ", "cut mix", "CUTMIX", "cut-mix", "utMi"]) assert.ok(finds(query, ["CutMix"]), query);
  assert.ok(!finds("cut out", ["CutMix"]));
});

test("a description finds by its words, and by a word of the same stem", () => {
  assert.ok(finds("attention", ["TransMix"], "The label follows the network's attention."));
  assert.ok(finds("rotate", ["Affine"], "A rotation of the picture."));
  assert.ok(!finds("the", ["Affine"], "A rotation of the picture."));
});

test("Korean finds as well", () => {
  assert.ok(finds("컷믹스", ["CutMix", "컷믹스"]));
});
