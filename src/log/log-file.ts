/** The log file as it is now: logrotate may move it away at any time and then asks, by SIGHUP, for a new one. */
import { closeSync, constants, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { type JobError, toFileError } from '../errors.js';
import type { Target } from './destination.js';

const retryEveryMs = 60_000;
const newline = 0x0a;

export class LogFile {
  readonly #path: string;
  readonly #complain: (message: string) => void;
  readonly #nowMs: () => number;
  #target: Target | undefined;
  #failed: { readonly error: JobError; readonly atMs: number } | undefined;

  /** @param nowMs a clock that never goes back. */
  constructor(path: string, complain: (message: string) => void, nowMs: () => number) {
    this.#path = path;
    this.#complain = complain;
    this.#nowMs = nowMs;
    this.reopen();
  }

  /** What to write to. One that could not be opened is tried again, once a minute. Throws while there is none. */
  target(): Target {
    if (this.#failed !== undefined && this.#nowMs() - this.#failed.atMs >= retryEveryMs) this.reopen();
    if (this.#target !== undefined) return this.#target;
    throw this.#failed?.error ?? new Error(`${this.#path} is closed`);
  }

  /** Opens the path anew. When that fails the old file, wherever it was moved, still takes lines. */
  reopen(): void {
    try {
      const target = openForAppending(this.#path);
      this.close();
      this.#target = target;
      this.#failed = undefined;
    } catch (thrown) {
      const error = toFileError(thrown, `cannot open the log file ${this.#path}`);
      this.#failed = { error, atMs: this.#nowMs() };
      this.#complain(error.message);
    }
  }

  close(): void {
    if (this.#target !== undefined) closeSync(this.#target.fd);
    this.#target = undefined;
  }
}

/**
 * Readable too: the last byte tells whether a process died in the middle of a line. A FIFO that nobody reads blocks neither the opening
 * nor the writing.
 */
function openForAppending(path: string): Target {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK, 0o600);
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1);
  return { fd, midLine: size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== newline };
}
