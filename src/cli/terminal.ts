/** What goes to the terminal: lines, tables, one JSON document. */
import { writeSync } from 'node:fs';
import { errorCodeOf } from '../errors.js';
import { plain } from '../report/plain.js';

/** To stdout, at once: process.stdout would lose it, or crash, when the reader is gone or the disk full. */
export function print(...lines: readonly string[]): void {
  writeAll(1, `${lines.join('\n')}\n`);
}

export function printError(...lines: readonly string[]): void {
  writeAll(2, `${lines.map(plain).join('\n')}\n`);
}

/** Exactly one document on stdout. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Columns as wide as their widest cell; the last one is not padded. Cells come from outside and are made plain. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows].map((row) => row.map(plain));
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** https://no-color.org */
export function colours(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if (errorCodeOf(error) === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      // A reader that is gone (`| head`) is not our failure.
      else return;
    }
  }
}
