/**
 * The host of the child processes. A session is one child for one database: it holds the database's lock from its first need to the
 * session's end, and all operations of a run go through it in turn. Children are forked when work comes, handed on to the next session
 * when one ends, and end when nobody has used them for a while.
 */
import { JobError, toJobError } from '../errors.js';
import { Child } from './child.js';
import type { OperationName, Progress, Reply, Request } from './operations.js';

export interface CallOptions {
  /** The child is killed after this. Default: a minute, none for long operations; the run's own deadline stands above all. */
  readonly timeoutMs?: number;
  readonly progress?: Progress;
}

export interface Session {
  /** A child that uses more memory than this is ended. */
  readonly memoryBytes: number;
  /** @throws JobError */
  call<Name extends OperationName>(
    operation: Name,
    request: Request<Name>,
    options?: CallOptions,
  ): Promise<Reply<Name>>;
  /** Takes the lock, trying until it is free or the wait is over. @throws JobError `lock-held` */
  lock(path: string, waitMs: number): Promise<void>;
  /** Goes on in a new process, with the lock taken again: for a second opinion. */
  renew(): Promise<void>;
  /** Gives the lock back. Never throws. */
  close(): Promise<void>;
}

/**
 * What reads or writes a whole database or backup, and takes as long as that is large: only the run's deadline stops it. All else looks
 * at names and headers, and when it takes a minute the storage does not answer.
 */
export const longOperations: ReadonlySet<OperationName> = new Set<OperationName>([
  'snapshot',
  'copyAhead',
  'rawCopy',
  'makeWhole',
  'prove',
  'proveTables',
  'weighTables',
  'checkLive',
  'settle',
  'examine',
  'compareIndexes',
  'rebuildIndexes',
  'drill',
  'gatherStatistics',
  'measureIndexes',
  'vacuum',
  'incrementalVacuum',
  'reindexOne',
  'digest',
  'compress',
  'unpack',
  'rebuild',
  'makeDelta',
  'settleForms',
  'adoptDelta',
  'publish',
  'placeRestored',
  'quarantine',
  'thaw',
  'salvage',
  'matchPageSize',
  'restoreLive',
  'prune',
]);
const shortOperationMs = 60_000;

/** A child is replaced after this many requests. */
const requestsPerChild = 2000;
const idleMs = 1000;
const lockPollMs = 200;
const closePatienceMs = 2000;

/** Of each child. */
export interface EngineLimits {
  readonly memoryBytes: number;
  /** The deadline of a call that names none and is not long by nature; default 60 s. */
  readonly shortOperationMs?: number;
  /** Where SQLite puts temporary files, unless SQLITE_TMPDIR says otherwise. */
  readonly tempDirectory?: string;
}

export class Engine {
  readonly #children = new Set<Child>();
  /** Which database each busy child works on. */
  readonly #users = new Map<Child, string>();
  readonly #idle: Child[] = [];
  readonly #timers = new Map<Child, NodeJS.Timeout>();
  #limits: EngineLimits;
  #closed = false;

  constructor(limits: EngineLimits) {
    this.#limits = limits;
  }

  /** For SIGHUP: what holds for the children that are started from now on. */
  limit(limits: Pick<EngineLimits, 'memoryBytes' | 'tempDirectory'>): void {
    this.#limits = { ...this.#limits, ...limits };
  }

  /** How many children live at this moment. */
  get size(): number {
    return this.#children.size;
  }

  /**
   * @param database what the session works on: while an earlier child of the same database is stuck in hung storage, no second is started
   * @param signal aborting it kills the session's child; its reason, a JobError, is what the interrupted call throws
   */
  session(database: string, signal?: AbortSignal): Session {
    return new ChildSession(
      () => this.#take(database),
      (child) => this.#giveBack(child),
      signal,
      this.#limits.shortOperationMs ?? shortOperationMs,
      this.#limits.memoryBytes,
    );
  }

  /** Starts a child for a session to come, which ends again when none takes it in time. */
  anticipate(): void {
    if (!this.#closed) this.#giveBack(this.#fork());
  }

  /** One operation in a session of its own. */
  async call<Name extends OperationName>(
    operation: Name,
    request: Request<Name>,
    options?: CallOptions & { signal?: AbortSignal },
  ): Promise<Reply<Name>> {
    const session = this.session('', options?.signal);
    try {
      return await session.call(operation, request, options);
    } finally {
      await session.close();
    }
  }

  /** Ends every child, working or not, and waits until all are gone; those that hung storage holds are left behind, and keep nobody alive. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    const children = [...this.#children];
    const reason = new JobError('interrupted', 'stopped: the program is ending');
    for (const child of children) child.kill(reason);
    const patience = new AbortController();
    await Promise.race([Promise.all(children.map((child) => child.exited)), pause(closePatienceMs, patience.signal)]);
    patience.abort();
    for (const child of this.#children) child.abandon(reason);
  }

  #take(database: string): Child {
    if (this.#closed) throw new JobError('interrupted', 'the program is ending');
    for (const [child, user] of this.#users) {
      if (user === database && child.stuck) {
        throw new JobError(
          'io',
          `process ${child.pid ?? 0} is still stuck in an earlier operation on ${database}: its storage does not answer`,
        );
      }
    }
    const child = this.#idleChild() ?? this.#fork();
    if (database !== '') this.#users.set(child, database);
    return child;
  }

  #idleChild(): Child | undefined {
    // One that is still starting only when there is no other.
    const started = this.#idle.findIndex((child) => child.started);
    const [idle] = this.#idle.splice(Math.max(0, started), 1);
    if (idle !== undefined) {
      clearTimeout(this.#timers.get(idle));
      this.#timers.delete(idle);
      if (idle.usable) return idle;
    }
    return undefined;
  }

  #fork(): Child {
    const child = new Child(this.#limits);
    this.#children.add(child);
    void child.exited.then(() => {
      this.#children.delete(child);
      this.#users.delete(child);
    });
    return child;
  }

  #giveBack(child: Child): void {
    // One that was killed and does not end keeps its entry among the users, and is nobody's next child.
    if (!child.usable) return;
    this.#users.delete(child);
    if (this.#closed || child.requests >= requestsPerChild) {
      child.kill(new JobError('interrupted', 'no longer needed'));
      return;
    }
    this.#idle.push(child);
    const timer = setTimeout(() => {
      this.#timers.delete(child);
      this.#idle.splice(this.#idle.indexOf(child), 1);
      child.kill(new JobError('interrupted', 'no longer needed'));
    }, idleMs);
    this.#timers.set(child, timer);
  }
}

class ChildSession implements Session {
  #child: Child | undefined;
  #lock: { readonly path: string; readonly waitMs: number } | undefined;
  #locked = false;

  constructor(
    private readonly take: () => Child,
    private readonly giveBack: (child: Child) => void,
    private readonly signal: AbortSignal | undefined,
    private readonly shortOperationMs: number,
    readonly memoryBytes: number,
  ) {}

  async call<Name extends OperationName>(
    operation: Name,
    request: Request<Name>,
    options: CallOptions = {},
  ): Promise<Reply<Name>> {
    const child = await this.#ready();
    const timeoutMs = options.timeoutMs ?? (longOperations.has(operation) ? null : this.shortOperationMs);
    const value = await child.ask(
      { kind: 'call', operation, request },
      { timeoutMs, signal: this.signal, progress: options.progress },
    );
    // worker.ts answers with what this operation returned.
    return value as Reply<Name>;
  }

  async lock(path: string, waitMs: number): Promise<void> {
    this.#lock = { path, waitMs };
    try {
      await this.#ready();
    } catch (error) {
      this.#lock = undefined;
      throw error;
    }
  }

  async renew(): Promise<void> {
    const old = this.#child;
    this.#child = undefined;
    this.#locked = false;
    old?.kill(new JobError('interrupted', 'replaced by a fresh process'));
    await old?.over;
    await this.#ready();
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.usable !== true) return;
    try {
      // Not stopped with the run: what it holds, others wait for.
      await child.ask({ kind: 'reset' }, { timeoutMs: 5000, signal: undefined, progress: undefined });
      this.giveBack(child);
    } catch {
      child.kill(new JobError('interrupted', 'it did not give back what it held'));
    }
  }

  /** A living child that holds the lock this session needs: the first use, or after a crash, a new one. */
  async #ready(): Promise<Child> {
    if (this.#child?.alive !== true) {
      this.#child = this.take();
      this.#locked = false;
    }
    if (this.#lock !== undefined && !this.#locked) {
      await this.#takeLock(this.#child, this.#lock);
      this.#locked = true;
    }
    return this.#child;
  }

  /** Tries until it is free: between a child that died and the next, another process may have come in. */
  async #takeLock(child: Child, { path, waitMs }: { path: string; waitMs: number }): Promise<void> {
    const until = performance.now() + waitMs;
    for (;;) {
      try {
        await child.ask({ kind: 'lock', path }, { timeoutMs: 30_000, signal: this.signal, progress: undefined });
        return;
      } catch (error) {
        if (toJobError(error).code !== 'lock-held' || performance.now() >= until) throw error;
      }
      await pause(Math.min(lockPollMs, Math.max(0, until - performance.now())), this.signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
