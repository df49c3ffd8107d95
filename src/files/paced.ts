/**
 * Large files written at the pace of the disk. What a process writes waits in memory until it is synced; when 300 MB of it go to the disk
 * at once, an application's own fsync on the same file system waits behind them: its commits took 0.3 to 1.6 s at the worst on a disk that
 * writes 100 MB a second, and 0.8 to 1.5 s for 1 GB on one that writes 500.
 *
 * So no more is on the way than the disk writes in a few milliseconds. How few decides who waits: the application, or the copy. 1 GB beside a
 * hundred commits a second on the faster of those disks, six copies of each (nobody copies: 18 to 25 ms):
 *
 *     a step of                the copy   the worst commit of each copy
 *     8 MiB, 16 ms (quick)       2.53 s                     52 to 63 ms
 *     4 MiB, 8 ms                2.99 s                     29 to 49 ms
 *     2 MiB, 6 ms (gentle)       3.22 s                     24 to 34 ms
 *     `cp` and fsync             2.13 s                  777 to 1511 ms
 *
 * On a fast disk every sync costs more than the writing, so there is more between two.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { Writable } from 'node:stream';

/** `quick`: a backup, or a restore. `gentle`: what is written only to be looked at, or before a rewrite, which nobody waits for. */
export type Pace = 'quick' | 'gentle';

/** What the disk writes in `stepMs` is one step, at least `shortestBytes`. */
const steps: Readonly<Record<Pace, { readonly stepMs: number; readonly shortestBytes: number }>> = {
  quick: { stepMs: 16, shortestBytes: 8 * 1024 * 1024 },
  gentle: { stepMs: 6, shortestBytes: 2 * 1024 * 1024 },
};
const longestStepBytes = 64 * 1024 * 1024;

/** Syncs a file that is being written, step by step, while the next step is written. */
export class PacedSync {
  #stepBytes: number;
  #unsynced = 0;
  #syncing: Promise<void> = Promise.resolve();

  /** @param now in milliseconds */
  constructor(
    private readonly file: FileHandle,
    private readonly pace: Pace,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#stepBytes = steps[pace].shortestBytes;
  }

  /** To be waited for after each piece: no more than two steps are ever on the way. @throws what the sync of an earlier step threw */
  async wrote(bytes: number): Promise<void> {
    this.#unsynced += bytes;
    if (this.#unsynced < this.#stepBytes) return;
    const step = this.#unsynced;
    this.#unsynced = 0;
    await this.#syncing;
    this.#syncing = this.#sync(step);
    // Thrown where it is waited for.
    this.#syncing.catch(() => undefined);
  }

  async #sync(bytes: number): Promise<void> {
    const started = this.now();
    await this.file.datasync();
    const { stepMs, shortestBytes } = steps[this.pace];
    const inTime = (bytes * stepMs) / Math.max(1, this.now() - started);
    this.#stepBytes = Math.min(longestStepBytes, Math.max(shortestBytes, inTime));
  }

  /** Ends when no sync is on the way; what was written after the last one is the caller's to sync. */
  async settled(): Promise<void> {
    await this.#syncing;
  }
}

/** A stream into a new file, 0600, synced as it goes and whole at its end. @throws EEXIST rather than replace */
export async function newFile(path: string, pace: Pace): Promise<Writable> {
  const file = await open(path, 'wx', 0o600);
  const paced = new PacedSync(file, pace);
  return new Writable({
    write: (piece: Buffer, _encoding, done) =>
      answering(async () => {
        await file.appendFile(piece);
        await paced.wrote(piece.length);
      })(done),
    final: answering(async () => {
      await paced.settled();
      await file.sync();
    }),
    destroy: (error, done) => answering(() => file.close())((thrown) => done(error ?? thrown ?? null)),
  });
}

/** A promise for a stream, which wants to be called back. */
function answering(work: () => Promise<void>): (done: (error?: Error | null) => void) => void {
  return (done) => {
    work().then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
    );
  };
}
