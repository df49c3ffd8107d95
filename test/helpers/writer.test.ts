import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { holdLock } from './lock.js';
import { workspace } from './workspace.js';
import { acknowledgedRowsPresent, startWriter } from './writer.js';

describe('the writer', () => {
  test.for(['wal', 'delete'] as const)(
    'in %s mode, finds every row it was promised, also after it was killed',
    async (journalMode) => {
      const ws = workspace();
      const [path, ackFile] = [ws.path('logs.db'), ws.path('acknowledged')];
      createDebuggleDatabase(path, { rows: 10, journalMode });
      const first = await startWriter({ path, rate: 0, ackFile });
      await first.measure();
      const { errors } = await first.stop();
      expect(errors).toEqual([]);
      const second = await startWriter({ path, rate: 0, ackFile });
      await second.measure();
      await second.kill();

      const { acknowledged, missing } = acknowledgedRowsPresent(path, ackFile);
      expect(acknowledged).toBeGreaterThan(1);
      expect(missing).toEqual([]);
    },
  );

  test('a row that is gone is missed', async () => {
    const ws = workspace();
    const [path, ackFile] = [ws.path('logs.db'), ws.path('acknowledged')];
    createDebuggleDatabase(path, { rows: 10 });
    const { commits } = await (await startWriter({ path, ackFile })).stop();
    const database = new Database(path);
    database.exec(`DELETE FROM logs WHERE log_id LIKE 'written_%'`);
    database.close();
    expect(acknowledgedRowsPresent(path, ackFile).missing).toHaveLength(commits);
  });

  test('says what went wrong when the database is locked for longer than its timeout', async () => {
    const path = workspace().path('logs.db');
    createDebuggleDatabase(path, { rows: 10 });
    const writer = await startWriter({ path, rate: 0, busyTimeoutMs: 1 });
    const lock = await holdLock({ path, mode: 'write' });
    await writer.measure();
    const { errors } = await writer.measure();
    await lock.release();
    expect(errors).not.toEqual([]);
    expect(new Set(errors)).toEqual(new Set(['SqliteError: database is locked']));
  });
});

describe('a held lock', () => {
  test.for([
    { mode: 'read', mayRead: true, mayWrite: true },
    { mode: 'write', mayRead: true, mayWrite: false },
    { mode: 'exclusive', mayRead: true, mayWrite: false },
    { mode: 'everything', mayRead: false, mayWrite: false },
  ] as const)(
    'of mode $mode on a WAL database lets read: $mayRead, write: $mayWrite',
    async ({ mode, mayRead, mayWrite }) => {
      const path = workspace().path('logs.db');
      createDebuggleDatabase(path, { rows: 10 });
      const lock = await holdLock({ path, mode });
      expect(attempt(path, 'SELECT count(*) FROM logs')).toBe(mayRead ? 'done' : 'SQLITE_BUSY');
      expect(attempt(path, 'DELETE FROM logs')).toBe(mayWrite ? 'done' : 'SQLITE_BUSY');
      await lock.release();
      expect(attempt(path, 'DELETE FROM logs')).toBe('done');
    },
  );
});

function attempt(path: string, sql: string): string {
  const database = new Database(path, { timeout: 0 });
  try {
    database.exec(sql);
    return 'done';
  } catch (error) {
    return error instanceof Database.SqliteError ? error.code : String(error);
  } finally {
    database.close();
  }
}
