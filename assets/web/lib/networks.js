// Which networks of many are shown first.

/** The reference, and beside it the five that tell most. */
export const SIX = ["efficientnet_lite0", "baseline", "mixup", "cutmix", "saliencymix", "randsaliencymix"];

/**
 * Six of the networks there are: those of SIX, then the first of the others.
 *
 * @param {string[]} all
 */
export function firstSix(all) {
  const six = [...SIX.filter((name) => all.includes(name)), ...all.filter((name) => !SIX.includes(name))].slice(0, 6);
  return all.filter((name) => six.includes(name));
}
