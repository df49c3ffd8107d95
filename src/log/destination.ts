/**
 * Where log lines go: written at once and in this process (what a worker would have held back is lost when the process is killed), and
 * never a reason to fail. A line that cannot be written is counted; when writing works again the first line says how many are missing.
 * After a line that was cut off, by a full disk or by a crash, the next one starts on a line of its own.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { errorCodeOf, toFileError } from '../errors.js';

/** Something open to be written to. */
export interface Target {
  readonly fd: number;
  /** Whether the last byte written was not a newline. */
  midLine: boolean;
}

/**
 * A standard stream, to write to without ever being held up. A full pipe that nobody reads would block the whole program; O_NONBLOCK on
 * the descriptor itself would change it for all who share it, so that a pipe is opened anew.
 */
export function openStream(fd: 1 | 2): Target {
  try {
    if (fstatSync(fd).isFIFO())
      return { fd: openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK), midLine: false };
  } catch {
    // No such stream, no /proc, no reader, or another user's pipe: as it is then.
  }
  return { fd, midLine: false };
}

export interface Dropped {
  readonly dropped: number;
  /** The first error. */
  readonly message: string;
}

export interface DestinationOptions {
  /** For messages: `stdout`, or the path. */
  readonly name: string;
  /** What to write to now; may throw. */
  readonly target: () => Target;
  /** The line that says how many are missing, without its newline. */
  readonly noteOfDropped: (dropped: Dropped) => string;
  /** Called with each failure; must not throw. */
  readonly complain: (message: string) => void;
}

/** A pipe whose reader is slow gets this long, once; until it reads again no line waits for it. */
const patienceMs = 200;
const newline = 0x0a;

export class LineDestination {
  readonly #options: DestinationOptions;
  #unsaid: Dropped | undefined;
  #total: Dropped | undefined;

  constructor(options: DestinationOptions) {
    this.#options = options;
  }

  /** Writes a line, given without its newline. Never throws. */
  write(line: string): void {
    try {
      const target = this.#options.target();
      const patience = this.#unsaid === undefined ? patienceMs : 0;
      if (this.#unsaid !== undefined) {
        writeLine(target, this.#options.noteOfDropped(this.#unsaid), patience);
        this.#unsaid = undefined;
      }
      writeLine(target, line, patience);
    } catch (error) {
      this.#drop(toFileError(error, `cannot write the log to ${this.#options.name}`).message);
    }
  }

  /** What was lost since the start; undefined when nothing was. */
  failure(): Dropped | undefined {
    return this.#total;
  }

  #drop(message: string): void {
    this.#unsaid = oneMore(this.#unsaid, message);
    this.#total = oneMore(this.#total, message);
    this.#options.complain(message);
  }
}

function oneMore(before: Dropped | undefined, message: string): Dropped {
  return before === undefined ? { dropped: 1, message } : { ...before, dropped: before.dropped + 1 };
}

function writeLine(target: Target, line: string, patience: number): void {
  const bytes = Buffer.from(`${target.midLine ? '\n' : ''}${line}\n`);
  let written = 0;
  let waitedMs = 0;
  try {
    while (written < bytes.length) {
      try {
        written += writeSync(target.fd, bytes, written);
      } catch (error) {
        if (errorCodeOf(error) !== 'EAGAIN' || waitedMs >= patience) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
        waitedMs += 10;
      }
    }
  } finally {
    if (written > 0) target.midLine = bytes[written - 1] !== newline;
  }
}
