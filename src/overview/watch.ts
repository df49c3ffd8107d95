/**
 * Keeps what is known of every database and schedule at hand, so that an answer never waits for a disk: records are read again when
 * history has changed, whichever process changed it; catalogues of backups when a run that could have changed them is over, and hourly,
 * by a child process, which nobody waits for longer than they will: one directory that does not answer hides nothing else. It changes nothing, and what it cannot have (a directory that does not answer) it says instead.
 *
 * Reading again everything that is known of a database takes about half a millisecond, in slices between which other work gets its turn.
 */
import { hostname } from 'node:os';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import type { Config } from '../config/config.js';
import { readBackups } from '../engine/backups.js';
import type { Engine, Session } from '../engine/engine.js';
import { toJobError } from '../errors.js';
import type { Backups } from '../files/backups.js';
import type { History } from '../history/history.js';
import type { RunReport } from '../jobs/outcome.js';
import { missingFiles } from '../jobs/target-names.js';
import { type Listed, type ListedDatabase, listTargets } from '../jobs/targets.js';
import { programVersion } from '../version.js';
import { databaseView, scheduleView } from './judge.js';
import type { Overview, Problem, RunningView } from './overview.js';
import { databaseProblems, jobProblem, scheduleProblems, worstFirst } from './problems.js';
import {
  type DatabaseRecords,
  databaseRecords,
  type Listing,
  type ScheduleRecords,
  scheduledKinds,
  scheduleRecords,
} from './records.js';
import type { RunUnderWay } from './run-under-way.js';

export interface WatchParts {
  readonly config: Config;
  readonly history: History;
  readonly engine: Engine;
}

export interface WatchOptions {
  /** When the daemon started; null: a call that only looks. */
  readonly startedAt: Date | null;
  /** Only these databases, as `--database` names them; empty: all. */
  readonly only?: readonly string[];
  /** How long a `refresh` waits for backup directories; what comes later makes another one due. Default: until they have answered. */
  readonly patienceMs?: number;
  readonly now?: () => Date;
}

/** A listing is asked for again after this, whatever has happened: somebody may have moved files. */
const listingAgeMs = 3_600_000;
/** One that failed: what was wrong may be right again, a disk mounted, say. */
const failedListingAgeMs = 300_000;
const listTimeoutMs = 60_000;
const notListedYet: Listing = { error: 'they are being listed', pending: true };
const newestRuns = 100;
const rememberedRuns = 1000;

/** A run of another process, which may be killed at any time. */
interface ForeignRun {
  readonly view: RunningView;
  readonly isAlive: () => boolean;
}

export class Watch {
  readonly #engine: Engine;
  readonly #history: History;
  readonly #options: WatchOptions;
  readonly #now: () => Date;
  #config: Config;
  #listed: readonly Listed[] = [];
  #unlisted: readonly { readonly database: ListedDatabase; readonly message: string }[] = [];
  readonly #listings = new Map<string, { readonly listing: Listing; readonly at: number }>();
  #databases: readonly DatabaseRecords[] = [];
  #schedules: readonly ScheduleRecords[] = [];
  #foreign: readonly ForeignRun[] = [];
  /** What stands open about runs as a whole. */
  #general: readonly Problem[] = [];
  /** A reload that was refused, until one is taken. */
  #refused: Problem | undefined;
  readonly #underWay = new Map<string, RunUnderWay>();
  /** What was wrong with the records when they were last read: until they are read again they may lack anything. */
  #unsure: string | null = null;
  /** Runs that are over and were seen to be, the newest first. */
  #over: ReadonlySet<string>;
  #mark = '';
  /** Databases whose backups a run may have changed since they were listed. */
  readonly #changed = new Set<string>();
  #listing: Promise<void> | undefined;
  /** When the files of globs were last looked up; 0: they are to be. */
  #listedAt = 0;
  #closed = false;
  #busyMs = 0;
  #refreshing: Promise<void> | undefined;

  constructor({ config, history, engine }: WatchParts, options: WatchOptions) {
    this.#config = config;
    this.#history = history;
    this.#engine = engine;
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
    this.#over = new Set(this.#finishedRuns());
  }

  /** What is known, judged now. Empty before the first `refresh`. */
  overview(): Overview {
    const now = this.#now();
    const history = this.#history.degraded ?? this.#unsure;
    const schedules = this.#schedules.map((records) => scheduleView(records, now));
    const problems = [
      ...this.#general,
      ...(this.#refused === undefined ? [] : [this.#refused]),
      ...this.#unlisted.map(({ database, message }) => unlistedProblem(database.name, message, now)),
      ...this.#databases.flatMap((records) => databaseProblems(records, now)),
      ...scheduleProblems(schedules, now),
      ...(history === null ? [] : [historyProblem(history, now)]),
    ];
    return {
      at: now,
      version: programVersion,
      host: hostname(),
      startedAt: this.#options.startedAt,
      history,
      schedules,
      databases: this.#databases.map((records) => databaseView(records, schedules, now)),
      unlisted: this.#unlisted.map(({ database, message }) => ({ name: database.name, message })),
      running: [
        ...[...this.#underWay.values()].map((run) => run.view()),
        // A process that was killed has recorded no end.
        ...this.#foreign.filter(({ isAlive }) => isAlive()).map(({ view }) => view),
      ],
      problems: worstFirst(problems),
    };
  }

  /**
   * Brings it up to date. Answers the runs that have ended since the last time, in whichever process: each once.
   *
   * One at a time: a call while another is going on waits for a fresh one.
   */
  async refresh(): Promise<readonly RunReport[]> {
    while (this.#refreshing !== undefined) await this.#refreshing;
    let ended: readonly RunReport[] = [];
    this.#refreshing = this.#read().then((reports) => {
      ended = reports;
    });
    try {
      await this.#refreshing;
    } catch (error) {
      // What was read before is still shown, and is no news: nobody may take it for the present.
      this.#unsure = toJobError(error).message;
      throw error;
    } finally {
      this.#refreshing = undefined;
    }
    return ended;
  }

  /** Whether anything was recorded since the last `refresh`, or a listing has become old. Cheap. */
  isStale(): boolean {
    const now = this.#now().getTime();
    return (
      this.#history.mark() !== this.#mark ||
      this.#areTargetsOld(now) ||
      [...this.#listings.values()].some(({ listing, at }) => isOld(at, 'error' in listing, now))
    );
  }

  #areTargetsOld(now: number): boolean {
    return isOld(this.#listedAt, this.#unlisted.length > 0, now);
  }

  /** How long the last `refresh` kept this process from anything else. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** A reload that came to nothing: whoever has changed the file may look here, and not into the log. */
  refused(mistakes: readonly string[]): void {
    this.#refused = refusedProblem(this.#config.file, mistakes, this.#now());
  }

  /** A configuration that was reloaded. */
  reconfigure(config: Config): void {
    this.#refused = undefined;
    this.#config = config;
    this.#forget();
  }

  /** What is being read meanwhile is given up. */
  close(): void {
    this.#closed = true;
  }

  /** A run of this process: its progress is known until it is over. */
  follow(run: RunUnderWay): void {
    this.#underWay.set(run.runId, run);
  }

  /** Everything is to be read again. */
  #forget(): void {
    this.#listings.clear();
    this.#listedAt = 0;
    this.#mark = '';
  }

  async #read(): Promise<readonly RunReport[]> {
    const config = this.#config;
    const mark = this.#history.mark();
    const ended = this.#newlyEnded();
    for (const { run_id } of ended) this.#underWay.delete(run_id);
    if (ended.length > 0 || this.#areTargetsOld(this.#now().getTime())) await this.#listTargets();
    for (const { databases } of ended) for (const { name } of databases) this.#changed.add(name);
    await this.#backupsListed();
    const kinds = scheduledKinds(this.#config.schedules);
    const databases: DatabaseRecords[] = [];
    let busyMs = 0;
    for (const listed of this.#listed) {
      const listing = this.#listings.get(listed.target.name)?.listing ?? notListedYet;
      if (this.#closed) return [];
      const began = performance.now();
      databases.push(databaseRecords(this.#history, listed, listing, kinds, this.#now()));
      busyMs += performance.now() - began;
      await turn();
    }
    this.#busyMs = busyMs;
    this.#databases = databases;
    this.#schedules = this.#config.schedules.map((schedule) =>
      scheduleRecords(this.#history, this.#config, schedule, this.#options.only ?? []),
    );
    this.#general = this.#history.openProblems(null).map((problem) => jobProblem([problem], null));
    this.#foreign = this.#runsElsewhere();
    this.#unsure = this.#history.degraded ?? null;
    // What is recorded meanwhile is not missed by the earlier mark; that records can be had again is seen by the later one.
    this.#mark = this.#unsure === null ? mark : this.#history.mark();
    // Reloaded meanwhile: some of this was read for the old one.
    if (this.#config !== config) this.#forget();
    return ended;
  }

  /** Or as far as they are when patience is at its end: the rest is listed on, and then makes all of this stale. */
  async #backupsListed(): Promise<void> {
    const listing = (this.#listing ??= this.#listBackups().finally(() => {
      this.#listing = undefined;
    }));
    const { patienceMs } = this.#options;
    if (patienceMs === undefined) {
      await listing;
      return;
    }
    const waited = new AbortController();
    const ended = await Promise.race([
      listing.then(() => true),
      pause(patienceMs, false, { signal: waited.signal, ref: false }).catch(() => false),
    ]);
    waited.abort();
    if (ended) return;
    listing.then(
      () => {
        this.#mark = '';
      },
      () => undefined,
    );
  }

  #newlyEnded(): readonly RunReport[] {
    const finished = this.#finishedRuns();
    const fresh = finished.filter((runId) => !this.#over.has(runId)).reverse();
    // While the records cannot be read none is over: those that were are no news afterwards.
    this.#over = new Set([...finished, ...this.#over].slice(0, rememberedRuns));
    return fresh.flatMap((runId) => {
      const report = this.#history.runReport(runId);
      return report === undefined ? [] : [report];
    });
  }

  /** Newest first. */
  #finishedRuns(): string[] {
    return this.#history
      .recentRuns(newestRuns)
      .filter(({ finishedAt }) => finishedAt !== null)
      .map(({ run_id }) => run_id);
  }

  #runsElsewhere(): readonly ForeignRun[] {
    return this.#history
      .unfinishedRuns()
      .filter(({ run_id }) => !this.#underWay.has(run_id))
      .map(({ run_id, schedule, startedAt, isAlive }) => ({
        view: { runId: run_id, schedule, startedAt, step: null },
        isAlive,
      }));
  }

  /** A group whose files cannot be listed at the moment keeps those it had. */
  async #listTargets(): Promise<void> {
    const listed: Listed[] = [];
    const unlisted: { database: ListedDatabase; message: string }[] = [];
    const only = this.#options.only ?? [];
    for (const database of this.#config.databases) {
      try {
        const request = { engine: this.#engine, scratchDirectory: this.#config.scratchDirectory, only };
        const found = await listTargets([database], request);
        listed.push(...found);
        const names = found.map(({ target }) => target.name);
        const missing = missingFiles(database, only, names, this.#config.databases);
        if (missing !== undefined) unlisted.push({ database, message: missing.message });
      } catch (error) {
        unlisted.push({ database, message: toJobError(error).message });
        listed.push(...this.#listed.filter(({ target }) => target.group === database.name));
      }
    }
    this.#listedAt = this.#now().getTime();
    this.#listed = listed;
    this.#unlisted = unlisted;
    const names = new Set(listed.map(({ target }) => target.name));
    for (const name of this.#listings.keys()) if (!names.has(name)) this.#listings.delete(name);
  }

  async #listBackups(): Promise<void> {
    const now = this.#now().getTime();
    const config = this.#config;
    const session = this.#engine.session('catalogue', new AbortController().signal);
    try {
      for (const { target } of this.#listed) {
        if (this.#closed) return;
        const had = this.#listings.get(target.name);
        // One that changes again while it is listed is listed again the next time.
        const isChanged = this.#changed.delete(target.name);
        if (had !== undefined && !isChanged && !isOld(had.at, 'error' in had.listing, now)) continue;
        const of = { directory: target.backupDirectory, database: target.name };
        const listing = await this.#list(session, of).then(
          (found): Listing => ({ found }),
          (error: unknown): Listing => ({ error: toJobError(error).message }),
        );
        // Reloaded meanwhile: it may have another directory now.
        if (this.#config !== config) return;
        this.#listings.set(target.name, { listing, at: this.#now().getTime() });
      }
    } finally {
      await session.close();
    }
  }

  /** Nothing in a directory that was used before may be a disk that is not mounted: then nobody knows what there is. */
  async #list(session: Session, of: { readonly directory: string; readonly database: string }): Promise<Backups> {
    const found = await readBackups(session, of, { timeoutMs: listTimeoutMs });
    const rememberedDevice = this.#history.deviceOf(of.directory);
    if (found.backups.length + found.illegible.length === 0 && rememberedDevice !== undefined)
      await session.call('claimDirectory', { path: of.directory, rememberedDevice }, { timeoutMs: listTimeoutMs });
    return found;
  }
}

/** Of a clock that was put back, too. */
function isOld(at: number, failed: boolean, now: number): boolean {
  return Math.abs(now - at) >= (failed ? failedListingAgeMs : listingAgeMs);
}

function refusedProblem(file: string, mistakes: readonly string[], now: Date): Problem {
  return {
    key: 'configuration',
    kind: 'failure',
    severity: 'warning',
    database: null,
    job: null,
    schedule: null,
    title: 'the changed configuration was refused',
    message: `The one from before stays in force: ${mistakes.join('; ')}`,
    advice: `Mend ${file} until \`debuggle-maintenance check-config\` finds nothing, then reload again.`,
    since: now,
  };
}

function historyProblem(message: string, now: Date): Problem {
  return {
    key: 'history',
    kind: 'failure',
    severity: 'critical',
    database: null,
    job: null,
    schedule: null,
    title: 'what happens cannot be recorded',
    message,
    advice: 'Make the state directory writable again, and see that its disk has space.',
    since: now,
  };
}

function unlistedProblem(group: string, message: string, now: Date): Problem {
  return {
    key: `${group}/list`,
    kind: 'failure',
    severity: 'critical',
    database: group,
    job: null,
    schedule: null,
    title: `${group}: its files cannot be listed`,
    message,
    advice: 'Check the path in the configuration, and whether the disk is mounted.',
    since: now,
  };
}
