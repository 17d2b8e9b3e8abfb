// CSV files that spreadsheets open correctly.

/**
 * A cell; text that a spreadsheet would read as a formula is marked as text.
 *
 * @param {unknown} value
 */
export function quoted(value) {
  const text = String(value ?? "");
  const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * The file's text, with a byte order mark, without which spreadsheets assume another encoding.
 *
 * @param {unknown[][]} rows
 */
export const csvText = (rows) => `\ufeff${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;

/** @param {unknown[][]} rows */
export const csvOf = (rows) => new Blob([csvText(rows)], { type: "text/csv" });
