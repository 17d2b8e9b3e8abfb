// CSV files that spreadsheets open as they are meant.

/**
 * A cell: text that a spreadsheet would take for a formula is marked as text.
 *
 * @param {unknown} value
 */
export function quoted(value) {
  const text = String(value ?? "");
  const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * The file's text. Without the mark at its start spreadsheets assume another alphabet.
 *
 * @param {unknown[][]} rows
 */
export const csvText = (rows) => `\ufeff${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;

/** @param {unknown[][]} rows */
export const csvOf = (rows) => new Blob([csvText(rows)], { type: "text/csv" });
