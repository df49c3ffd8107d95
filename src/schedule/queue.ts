/** Who may work now: one run on a database at a time, and at most so many databases at once. First come, first served. */
import { JobError } from '../errors.js';

interface Waiting {
  readonly database: string;
  readonly start: () => void;
}

export class DatabaseQueue {
  readonly #busy = new Set<string>();
  #waiting: Waiting[] = [];

  constructor(private limit: number) {}

  /** For a reloaded configuration: holds from the next start on. */
  setLimit(limit: number): void {
    this.limit = limit;
    this.#startNext();
  }

  /** Waits for its turn. @returns what ends it. @throws the signal's reason when it is aborted first */
  async enter(database: string, signal: AbortSignal): Promise<() => void> {
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        database,
        start: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(reasonOf(signal));
      };
      if (signal.aborted) {
        reject(reasonOf(signal));
        return;
      }
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
      this.#startNext();
    });
    return () => {
      this.#busy.delete(database);
      this.#startNext();
    };
  }

  #startNext(): void {
    while (this.#busy.size < this.limit) {
      const next = this.#waiting.find(({ database }) => !this.#busy.has(database));
      if (next === undefined) return;
      this.#waiting = this.#waiting.filter((other) => other !== next);
      this.#busy.add(next.database);
      next.start();
    }
  }
}

/** What an aborted signal was aborted with: ours are JobErrors. */
export function reasonOf(signal: AbortSignal): JobError {
  const reason: unknown = signal.reason;
  return reason instanceof JobError ? reason : new JobError('interrupted', 'stopped: the program was told to end');
}
