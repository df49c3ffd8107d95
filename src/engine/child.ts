/**
 * One child process, seen from the host: forked, asked one thing at a time, killed at a deadline or when it takes too much memory.
 * SIGKILL is safe at any moment: SQLite rolls back, and our own files are whole or swept.
 */
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { JobError } from '../errors.js';
import { formatBytes, formatDuration } from '../units.js';
import { takeWorker } from './fork.js';
import type { FromChild, ToChild } from './messages.js';
import type { Progress } from './operations.js';

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: JobError) => void;
  readonly progress: Progress | undefined;
}

type Question = Exclude<ToChild, { kind: 'environment' }>;
export type Ask = {
  readonly [Kind in Question['kind']]: Omit<Extract<Question, { kind: Kind }>, 'id'>;
}[Question['kind']];

/** SIGKILL ends any operation in 5 to 140 ms; after this long only hung storage explains it. */
const unkillableMs = 5000;

export class Child {
  readonly #process: ChildProcess;
  readonly #ready: Promise<void>;
  #started = false;
  readonly exited: Promise<void>;
  /** Gone, or given up. */
  readonly over: Promise<void>;
  #announceOver: () => void = () => undefined;
  #giveUpTimer: NodeJS.Timeout | undefined;
  #pending: Pending | undefined;
  #nextId = 1;
  /** Why it is gone, or was killed: what we killed it for is told, not that it died. */
  #reason: JobError | undefined;
  #gone = false;
  #givenUp = false;
  #requests = 0;

  constructor(private readonly limits: { readonly memoryBytes: number; readonly tempDirectory?: string }) {
    this.#process = takeWorker();
    const { tempDirectory } = limits;
    // It may have been forked before the configuration was known, and takes this before it opens anything.
    if (tempDirectory !== undefined && this.#process.connected)
      this.#process.send({ kind: 'environment', tempDirectory } satisfies ToChild);
    let lastWords = '';
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      lastWords = (lastWords + text).slice(-2000);
    });
    let announceReady: () => void = () => undefined;
    this.#ready = new Promise((resolve) => {
      announceReady = resolve;
    });
    this.over = new Promise((resolve) => {
      this.#announceOver = resolve;
    });
    this.exited = new Promise((resolve) => {
      const end = (why: string): void => {
        if (this.#gone) return;
        this.#gone = true;
        clearTimeout(this.#giveUpTimer);
        this.#reason ??= obituary(why, lastWords);
        announceReady();
        this.#pending?.reject(this.#reason);
        this.#pending = undefined;
        this.#announceOver();
        resolve();
      };
      this.#process.once('error', (error) => end(`could not be started: ${error.message}`));
      // Not at `exit`: its last words may still be on the way.
      this.#process.once('close', (code, signal) =>
        end(signal === null ? `ended with code ${code ?? 0}` : `was ended by ${signal}`),
      );
    });
    this.#process.on('message', (message) => {
      // Only our own child has the other end of this channel.
      const said = message as FromChild;
      if (said.kind === 'ready') {
        this.#started = true;
        announceReady();
      } else this.#hear(said);
    });
  }

  get alive(): boolean {
    return !this.#gone;
  }

  /** Ready to answer at once. */
  get started(): boolean {
    return this.#started;
  }

  /** Neither gone nor killed: only such a child may be asked again. */
  get usable(): boolean {
    return this.#reason === undefined;
  }

  /** Killed long ago, and still there. */
  get stuck(): boolean {
    return this.#givenUp && !this.#gone;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** How many requests it has answered: an old child is replaced, so that memory stays flat. */
  get requests(): number {
    return this.#requests;
  }

  /** One request at a time; deadline and signal hold while the child is still starting, too. @throws JobError the operation's own, or `timed-out`, `crashed`, `out-of-memory`, `interrupted` */
  async ask(
    request: Ask,
    options: { timeoutMs: number | null; signal: AbortSignal | undefined; progress: Progress | undefined },
  ): Promise<unknown> {
    // It is gone, or will never answer.
    if (this.#reason !== undefined) throw this.#reason;
    if (options.signal?.aborted === true) throw interruption(options.signal);
    if (this.#pending !== undefined) throw new JobError('internal', 'a child was asked two things at once');
    this.#requests += 1;
    const onAbort = (): void => this.kill(interruption(options.signal));
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const { timeoutMs } = options;
    const deadline =
      timeoutMs === null
        ? undefined
        : setTimeout(
            () => this.kill(new JobError('timed-out', `stopped after ${formatDuration(timeoutMs)}, its deadline`)),
            timeoutMs,
          );
    const watch = setInterval(() => this.#limitMemory(), 500);
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.#pending = { resolve, reject, progress: options.progress };
        const message = { ...request, id: this.#nextId++ };
        void this.#ready.then(() => {
          if (this.usable) this.#process.send(message);
        });
      });
    } finally {
      clearTimeout(deadline);
      clearInterval(watch);
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** SIGKILL; what it was asked fails with this reason. A child that the kernel cannot end (hung storage) is given up, and stays `alive`. */
  kill(reason: JobError): void {
    if (!this.usable) return;
    this.#reason = reason;
    this.#process.kill('SIGKILL');
    this.#giveUpTimer = setTimeout(() => this.#giveUp(reason), unkillableMs);
  }

  /** Kills it and waits no longer: it does not keep this process alive. Its pending SIGKILL ends it as soon as the storage answers. */
  abandon(reason: JobError): void {
    this.kill(reason);
    this.#giveUp(this.#reason ?? reason);
    this.#process.unref();
    this.#process.channel?.unref();
    this.#process.stderr?.destroy();
  }

  #giveUp(reason: JobError): void {
    clearTimeout(this.#giveUpTimer);
    this.#givenUp = true;
    this.#pending?.reject(
      new JobError(
        reason.code,
        `${reason.message}; its process ${this.pid ?? 0} does not end: the kernel waits for the storage`,
      ),
    );
    this.#pending = undefined;
    this.#announceOver();
  }

  #hear(said: Exclude<FromChild, { kind: 'ready' }>): void {
    if (said.kind === 'progress') {
      this.#pending?.progress?.(said.done, said.total);
      return;
    }
    const pending = this.#pending;
    this.#pending = undefined;
    if (said.kind === 'reply') pending?.resolve(said.value);
    else
      pending?.reject(new JobError(said.code, said.message, said.cause === '' ? {} : { cause: new Error(said.cause) }));
  }

  /** Private memory only: pages of mapped files are the kernel's to reclaim. */
  #limitMemory(): void {
    try {
      const status = readFileSync(`/proc/${this.#process.pid ?? 0}/status`, 'utf8');
      const usedBytes = Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
      if (usedBytes <= this.limits.memoryBytes) return;
      this.kill(
        new JobError(
          'out-of-memory',
          `stopped: the child process used ${formatBytes(usedBytes)}, more than child_memory allows`,
        ),
      );
    } catch {
      // No /proc, or it has just ended.
    }
  }
}

function interruption(signal: AbortSignal | undefined): JobError {
  const reason: unknown = signal?.reason;
  return reason instanceof JobError ? reason : new JobError('interrupted', 'stopped: the program was told to end');
}

/** Why it died, as far as its last words tell: an addon that does not load, memory, or its first line of complaint. */
function obituary(why: string, lastWords: string): JobError {
  const told = `the child process ${why}`;
  if (/better_sqlite3\.node|NODE_MODULE_VERSION|Could not locate the bindings/.test(lastWords)) {
    const advice = "run `npm run rebuild-addon` in the program's directory";
    return new JobError(
      'crashed',
      `${told}: better-sqlite3 does not load on this Node.js (${process.version}); ${advice}`,
    );
  }
  if (/heap out of memory|heap limit/i.test(lastWords))
    return new JobError('out-of-memory', `${told}: it ran out of memory`);
  if (why.endsWith('SIGKILL')) {
    return new JobError('crashed', `${told}: by hand, or by the kernel when memory ran out (its log says)`);
  }
  const line = lastWords.split('\n').find((text) => /error/i.test(text));
  return new JobError('crashed', line === undefined ? told : `${told}: ${line.trim().slice(0, 300)}`);
}
