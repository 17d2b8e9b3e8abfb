// The choice of a method from all, by family.
import { make } from "./dom.js";
import { mixviz } from "./page.js";
import { t } from "./texts.js";

/** @param {HTMLSelectElement} choose the list that is filled */
export function offerMethods(choose) {
  const all = Object.entries(mixviz.methods);
  for (const family of new Set(all.map(([, [, family]]) => family))) {
    const its = all.filter(([, [, other]]) => other === family);
    const options = its.map(([name, [title]]) => make("option", { value: name, textContent: title }));
    choose.append(make("optgroup", { label: t(`family.${family}`) }, ...options));
  }
}
