/**
 * What goes to the terminal: lines, tables, one JSON document. A slow reader is waited for; one that has seen enough (`| head`) ends the
 * writing, quietly; an answer that cannot be written for another reason, a full disk for one, is told by `unwritten`.
 */
import { writeSync } from 'node:fs';
import { errorCodeOf, toFileError } from '../errors.js';
import { plain } from '../plain.js';

/** To stdout, at once: process.stdout would lose it, or crash, when the reader is gone or the disk full. */
export function print(...lines: readonly string[]): void {
  printText(`${lines.join('\n')}\n`);
}

/** As it is, its last newline included. */
export function printText(text: string): void {
  failure ??= withoutHandlers(() => writeAll(1, text));
}

/** In a write that waits for its reader no handler of ours would ever run: meanwhile a signal ends the process, as it does any other. */
function withoutHandlers<Answer>(work: () => Answer): Answer {
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((signal) => ({ signal, listeners: process.listeners(signal) }));
  for (const { signal } of handlers) process.removeAllListeners(signal);
  try {
    return work();
  } finally {
    for (const { signal, listeners } of handlers) for (const listener of listeners) process.on(signal, listener);
  }
}

let failure: unknown;

/** Why what was printed is not all on stdout, for people; undefined: it is, or nobody wants to read it. */
export function unwritten(): string | undefined {
  return failure === undefined ? undefined : toFileError(failure, 'cannot write to stdout').message;
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

/** @returns what went wrong, if anything did */
function writeAll(fd: number, text: string): unknown {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if (errorCodeOf(error) === 'EAGAIN') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      // A reader that is gone (`| head`) is not our failure.
      else return errorCodeOf(error) === 'EPIPE' ? undefined : error;
    }
  }
  return undefined;
}
