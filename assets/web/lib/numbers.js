// Formatting and clamping of numbers, and round ticks for an axis.

/** @param {number} x */
export const percent = (x) => `${Math.round(100 * x)}\u00a0%`;

/** @param {number} x */
export const tenth = (x) => x.toFixed(1);

/**
 * A number with at most one decimal place.
 *
 * @param {number} x
 */
export const shortened = (x) => String(+x.toFixed(1));

/** @param {number} x */
export const whole = (x) => x.toLocaleString("en");

/**
 * A change with its sign, using the minus character.
 *
 * @param {number} x
 * @param {number} digits
 */
export const signed = (x, digits) => `${x > 0 ? "+" : x < 0 ? "−" : ""}${Math.abs(x).toFixed(digits)}`;

/**
 * A percentage with one digit; a dash if it is missing.
 *
 * @param {number | null | undefined} x
 */
export const percentage = (x) => (x === null || x === undefined ? "–" : `${x.toFixed(1)}\u00a0%`);

/**
 * Share of a total as a percentage with one digit.
 *
 * @param {number} x
 */
export const share = (x) => `${(100 * x).toFixed(1)}\u00a0%`;

/**
 * @param {number} x
 * @param {number} low
 * @param {number} high
 */
export const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

/**
 * Round numbers from low to high, about as many as wanted.
 *
 * @param {number} low
 * @param {number} high
 * @param {number} [wanted]
 * @returns {number[]}
 */
export function niceTicks(low, high, wanted = 5) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * power).find((k) => k >= rough * 0.999) ?? rough;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++)
    ticks.push(+(i * step).toPrecision(12));
  return ticks;
}
