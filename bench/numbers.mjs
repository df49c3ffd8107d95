/** Figures, and how they are shown. */

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number} ms */
export const seconds = (ms) => (Number.isNaN(ms) ? '–' : `${(ms / 1000).toFixed(2)} s`);
/** @param {number} ms */
export const milliseconds = (ms) => (Number.isNaN(ms) ? '–' : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`);
/** @param {number} bytes */
export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
/** @param {number} ratio */
export const times = (ratio) => (Number.isNaN(ratio) ? '–' : `${ratio.toFixed(2)} x`);

/**
 * `300MB` in bytes.
 * @param {string} text
 */
export function parseSize(text) {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(kB|MB|GB)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) throw new Error(`a size such as 300MB or 1GB is needed, not ${text}`);
  return Number(amount) * { kB: 1e3, MB: 1e6, GB: 1e9 }[/** @type {'kB' | 'MB' | 'GB'} */ (unit)];
}

/**
 * Prints rows under their headings (none: a list of facts), the first column to the left, the others to the right.
 * @param {string} title
 * @param {readonly string[]} headings
 * @param {readonly (readonly string[])[]} rows
 */
export function printTable(title, headings, rows) {
  const lines = headings.length === 0 ? rows : [headings, ...rows];
  const widths = rows[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const show = (/** @type {readonly string[]} */ line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  ');
  console.log(`\n${title}\n`);
  if (headings.length > 0) console.log(`${show(headings)}\n${widths.map((width) => '─'.repeat(width)).join('  ')}`);
  for (const row of rows) console.log(show(row));
}
