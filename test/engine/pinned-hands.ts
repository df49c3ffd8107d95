/** A live database and the processes that copy it, as `pinnedCopy` uses them. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import type { Engine, Session } from '../../src/engine/engine.js';
import type { JobContext } from '../../src/jobs/job.js';
import type { Located } from '../../src/jobs/locate.js';
import type * as PinnedCopyModule from '../../src/jobs/pinned-copy.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase, identityOf, rows } from '../sqlite/database.js';

const { pinnedCopy } = (await import(
  /* @vite-ignore */ new URL('../../dist/jobs/pinned-copy.js', import.meta.url).href
)) as typeof PinnedCopyModule;

interface Hands {
  readonly ws: { readonly directory: string; readonly path: (...names: string[]) => string };
  readonly live: string;
  readonly session: Session;
  readonly beside: Session;
  readonly copyTo: (name: string) => ReturnType<typeof pinnedCopy>;
  readonly stop: AbortController;
}

interface HandsOptions {
  readonly onProgress?: () => void;
  /** Where the database lies, and its copies; else a fresh one. */
  readonly directory?: string;
}

export const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON t (text); ${rows('t', 2000)}`;

export function handsOf(engine: Engine): (journalMode: string, options?: HandsOptions) => Hands {
  return (journalMode, { onProgress = () => undefined, directory = workspace().directory } = {}) => {
    const ws = { directory, path: (...names: string[]) => path.join(directory, ...names) };
    const live = ws.path('live.db');
    createDatabase(live, schema, { journalMode });
    const stop = new AbortController();
    const session = engine.session('live', stop.signal);
    const beside = engine.session('live', stop.signal);
    onTestFinished(async () => {
      await Promise.all([session.close(), beside.close()]);
    });
    const copyTo: Hands['copyTo'] = (name) => {
      // What pinnedCopy takes of its context.
      const context = {
        session,
        secondOpinion: () => engine.session('live', stop.signal),
        target: { name: 'live' },
        progress: onProgress,
      } as unknown as JobContext<unknown>;
      const located = { path: live, sizeBytes: fs.statSync(live).size, ...identityOf(live) } as unknown as Located;
      return pinnedCopy(context, located, path.resolve(directory, name), {
        attempts: 1,
        maxWalGrowthBytes: 1e9,
        pace: 'quick',
      });
    };
    return { ws, live, session, beside, copyTo, stop };
  };
}

/** An application that has committed what is still in the log alone, and stays. */
export function application(live: string, sql: string): Database.Database {
  const connection = new Database(live, { timeout: 0 });
  onTestFinished(() => void connection.close());
  connection.pragma('wal_autocheckpoint = 0');
  connection.exec(sql);
  return connection;
}

/** What the copying half is asked; the file alone, in WAL mode. */
export function rawRequest(live: string, destination: string) {
  const sizeBytes = fs.statSync(live).size;
  return {
    path: live,
    identity: identityOf(live),
    destination,
    sizeBytes,
    journal: 'wal' as const,
    maxWalGrowthBytes: 1e9,
    ahead: false,
    pace: 'quick' as const,
  };
}
