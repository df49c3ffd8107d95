/** A database under guard: real files, real child processes, the real history; only the rewrite is the test's own. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { documentSchema } from '../../src/config/schema.js';
import type { Engine } from '../../src/engine/engine.js';
import type * as GuardedRunModule from '../../src/guard/guarded-run.js';
import type { GuardRules, Rewrite } from '../../src/guard/rewrite.js';
import type * as UnfinishedModule from '../../src/guard/unfinished.js';
import type * as HistoryModule from '../../src/history/history.js';
import type { JobContext, JobResult, Target } from '../../src/jobs/job.js';
import type * as LocateModule from '../../src/jobs/locate.js';
import { engineOfFile, History } from '../engine/compiled.js';
import { workspace } from '../helpers/workspace.js';

const compiled = (module: string): Promise<unknown> =>
  import(/* @vite-ignore */ new URL(`../../dist/${module}`, import.meta.url).href);

// tsc has made each from the source whose types are given.
const { guardedRun } = (await compiled('guard/guarded-run.js')) as typeof GuardedRunModule;
const { settleUnfinished } = (await compiled('guard/unfinished.js')) as typeof UnfinishedModule;
const { locate } = (await compiled('jobs/locate.js')) as typeof LocateModule;

export interface GuardSite {
  readonly database: string;
  readonly backupDirectory: string;
  readonly stateDirectory: string;
  readonly history: HistoryModule.History;
  readonly context: JobContext<unknown>;
  /** Called with each message of the log. */
  onLog: (message: string) => void;
  /** A guarded run whose rewrite does this to the live file, after it has rebuilt an index for real. */
  readonly run: (
    meddle?: () => void | Promise<void>,
    rules?: Partial<GuardRules>,
    rewrite?: Partial<Rewrite>,
  ) => Promise<JobResult>;
  readonly settle: () => Promise<(JobResult | null)[]>;
  readonly audit: () => { row: string; do: string; outcome: string; [key: string]: unknown }[];
  readonly sql: (...statements: string[]) => unknown;
  readonly rows: () => number;
}

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

interface SiteOptions {
  readonly journalMode?: 'wal' | 'delete';
  readonly rows?: number;
}

/** What makes such databases for the tests of the file that calls this at its top. */
export function guardSites(): (options?: SiteOptions) => GuardSite {
  const engine = engineOfFile();
  return (options = {}) => guardSite(engine, options);
}

function guardSite(engine: Engine, options: SiteOptions): GuardSite {
  const { journalMode = 'wal', rows = 300 } = options;
  const ws = workspace();
  const directory = (name: string): string => {
    fs.mkdirSync(ws.path(name), { mode: 0o700 });
    return ws.path(name);
  };
  const database = path.join(directory('data'), 'logs.db');
  createDebuggleDatabase(database, { rows, journalMode });
  const stateDirectory = directory('state');
  const backupDirectory = directory('backups');
  const target: Target = {
    name: 'logs',
    group: 'logs',
    path: database,
    backupDirectory,
    backupParent: backupDirectory,
    scratchDirectory: directory('scratch'),
    profile: null,
  };
  const history = History.open(stateDirectory, { now: () => new Date(), log: quiet });
  const [session, beside] = [engine.session('logs'), engine.session('logs')];
  onTestFinished(async () => {
    await Promise.all([session.close(), beside.close()]);
    history.close();
  });
  const document = documentSchema.parse({
    databases: { logs: { path: database, backup_directory: target.backupDirectory } },
    schedules: { daily: { cron: '0 2 * * *', jobs: ['backup'] } },
    jobs: { integrity: { confirm_after: '0s' } },
  });
  const context: JobContext<unknown> = {
    target,
    options: undefined,
    allOptions: document.jobs,
    schedule: 'weekly',
    runId: 'weekly-1',
    stateDirectory,
    planned: ['vacuum'],
    notes: {},
    safety: { preBackup: true, onDamage: 'restore' },
    windowEnd: null,
    stopping: () => false,
    session,
    beside,
    secondOpinion: () => engine.session('logs'),
    past: history,
    record: history,
    log: { ...quiet, info: (_facts, message) => site.onLog(message) },
    progress: () => undefined,
    now: () => new Date(),
    pause: () => Promise.resolve(),
  };
  // What an earlier run has found: a database, and which file it is.
  const { dev, ino } = fs.statSync(database);
  history.identity('logs', { device: dev, inode: ino });
  const at = new Date().toISOString();
  const health = {
    job: 'health',
    outcome: 'succeeded',
    started_at: at,
    duration_ms: 1,
    summary: '',
    facts: {},
  } as const;
  history.finishRun({
    run_id: 'hourly-0',
    schedule: 'hourly',
    trigger: 'schedule',
    slot: null,
    started_at: at,
    finished_at: at,
    outcome: 'succeeded',
    databases: [{ name: 'logs', path: database, outcome: 'succeeded', jobs: [health] }],
    jobs: [],
  });
  const sql = (...statements: string[]): unknown => {
    const connection = new Database(database);
    try {
      return statements.map((statement) => {
        const prepared = connection.prepare(statement);
        return prepared.reader ? prepared.pluck().get() : prepared.run();
      })[0];
    } finally {
      connection.close();
    }
  };
  const site: GuardSite = {
    database,
    onLog: () => undefined,
    backupDirectory: target.backupDirectory,
    stateDirectory,
    history,
    context,
    run: async (meddle = () => undefined, overRules = {}, overRewrite = {}) => {
      const rules: GuardRules = {
        preBackup: true,
        onDamage: 'restore',
        rehearse: false,
        tempDirectory: target.scratchDirectory,
        ...overRules,
      };
      const rewrite: Rewrite = {
        operation: 'reindex',
        space: { besideBytes: 0, tempBytes: 0 },
        rehearse: async (copy) => {
          await beside.call('rebuildIndexes', { copy, indexes: ['idx_timestamp'] });
          return { durationMs: 1, facts: {} };
        },
        execute: async () => {
          await session.call('rebuildIndexes', { copy: null, indexes: ['idx_timestamp'] });
          await meddle();
          return { durationMs: 1, facts: { rebuilt: 1 } };
        },
        ...overRewrite,
      };
      return await guardedRun(context, await locate(context), rewrite, rules);
    },
    settle: async () => {
      const results = [];
      for (const guard of history.unfinishedGuards(() => false)) results.push(await settleUnfinished(context, guard));
      return results;
    },
    audit: () => {
      const file = path.join(stateDirectory, 'audit.jsonl');
      if (!fs.existsSync(file)) return [];
      const lines = fs
        .readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as ReturnType<GuardSite['audit']>[number]);
    },
    sql,
    rows: () => Number(sql('SELECT count(*) FROM logs')),
  };
  return site;
}
