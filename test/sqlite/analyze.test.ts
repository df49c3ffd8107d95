import fs from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { gatherStatistics, publishStatistics, type Statistics } from '../../src/sqlite/operations/analyze.js';
import { zeroPages } from '../helpers/corrupt.js';
import { holdLock } from '../helpers/lock.js';
import { type Workspace, workspace } from '../helpers/workspace.js';
import { change, createDatabase, identityOf, rows } from './database.js';

const schema = `
  CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT, bytes BLOB, kind);
  CREATE INDEX by_text ON t (text);
  CREATE INDEX by_kind ON t (kind, text);
  CREATE INDEX by_bytes ON t (bytes) WHERE bytes IS NOT NULL;
  CREATE TABLE "with ""quotes"" and
newline" (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
  CREATE TABLE unindexed (x);
  CREATE TABLE empty (x UNIQUE);
  ${rows('t (n, text)', 3000)}
  UPDATE t SET kind = n % 7, bytes = CASE WHEN n % 3 THEN randomblob(20) END;
  UPDATE t SET kind = 9007199254740993 WHERE n = 5;
  INSERT INTO "with ""quotes"" and
newline" SELECT n, n % 5 FROM t;
  INSERT INTO unindexed SELECT n FROM t LIMIT 100;
`;

/** A live database and a copy of it as it was. */
function pair(): Workspace & { live: string; copy: string } {
  const ws = workspace();
  createDatabase(ws.path('live.db'), schema);
  fs.copyFileSync(ws.path('live.db'), ws.path('copy.db'));
  change(ws.path('copy.db'), 'PRAGMA journal_mode = delete');
  return { ...ws, live: ws.path('live.db'), copy: ws.path('copy.db') };
}

const publish = (path: string, statistics: Statistics, timeoutMs = 5000) =>
  publishStatistics({ path, identity: identityOf(path), statistics, timeoutMs });

/** Both tables, whole: sample values as hexadecimal, so that every bit counts. */
function statisticsIn(path: string): unknown {
  const connection = new Database(path, { readonly: true });
  try {
    return [
      'SELECT tbl, idx, stat FROM sqlite_stat1 ORDER BY 1, 2, 3',
      'SELECT tbl, idx, neq, nlt, ndlt, hex(sample) FROM sqlite_stat4 ORDER BY 1, 2, 3, 4, 5, 6',
    ].map((sql) => connection.prepare(sql).raw().all());
  } finally {
    connection.close();
  }
}

test('gathering leaves the copy as it was, byte for byte, and nothing beside it', () => {
  const { copy, directory } = pair();
  const before = fs.readFileSync(copy);
  const { stat1, stat4, schemaSha256 } = gatherStatistics({ path: copy, limit: 0 });
  expect([stat1.length, stat4.length > 20, schemaSha256.length]).toEqual([5, true, 64]);
  expect(fs.readFileSync(copy).equals(before)).toBe(true);
  expect(fs.readdirSync(directory).sort()).toEqual(['copy.db', 'live.db']);
});

test.each([
  ['that never had any', ''],
  ['that had others', 'ANALYZE; UPDATE sqlite_stat1 SET stat = 7; DELETE FROM sqlite_stat4 WHERE rowid % 2'],
  [
    'that had some of a table since dropped',
    'CREATE TABLE gone (x UNIQUE); INSERT INTO gone VALUES (1); ANALYZE; DROP TABLE gone',
  ],
])('a live database %s gets the rows that a plain ANALYZE would give it', (_, sql) => {
  const { live, copy } = pair();
  change(live, sql);
  const published = publish(live, gatherStatistics({ path: copy, limit: 0 }));
  const ours = statisticsIn(live);
  change(live, 'DROP TABLE sqlite_stat1; DROP TABLE sqlite_stat4; ANALYZE');
  expect(ours).toEqual(statisticsIn(live));
  expect(published.rows).toBe((ours as unknown[][]).flat().length);
});

test('with a limit it gives what PRAGMA analysis_limit gives', () => {
  const { live, copy } = pair();
  publish(live, gatherStatistics({ path: copy, limit: 100 }));
  const ours = statisticsIn(live);
  change(live, 'DROP TABLE sqlite_stat1; DROP TABLE sqlite_stat4; PRAGMA analysis_limit = 100; ANALYZE');
  expect(ours).toEqual(statisticsIn(live));
});

test('an application that opens the database afterwards plans with them', () => {
  const { live, copy } = pair();
  const plan = (): string => {
    const connection = new Database(live, { readonly: true });
    try {
      return JSON.stringify(
        connection.prepare("EXPLAIN QUERY PLAN SELECT * FROM t WHERE kind = 3 AND text > 'a'").all(),
      );
    } finally {
      connection.close();
    }
  };
  publish(live, gatherStatistics({ path: copy, limit: 0 }));
  const ours = plan();
  change(live, 'ANALYZE');
  expect(ours).toBe(plan());
});

test('rows and structure of the live database stay, and it stays in WAL mode', () => {
  const { live, copy } = pair();
  const before = gatherStatistics({ path: copy, limit: 0 });
  publish(live, before);
  change(live, 'PRAGMA wal_checkpoint(TRUNCATE)');
  const connection = new Database(live, { readonly: true });
  expect(connection.pragma('journal_mode', { simple: true })).toBe('wal');
  expect(connection.pragma('integrity_check', { simple: true })).toBe('ok');
  expect(connection.prepare('SELECT count(*) FROM t').pluck().get()).toBe(3000);
  connection.close();
  fs.copyFileSync(live, copy);
  change(copy, 'PRAGMA journal_mode = delete');
  expect(gatherStatistics({ path: copy, limit: 0 }).schemaSha256).toBe(before.schemaSha256);
});

describe('nothing is published', () => {
  test.each(['CREATE TABLE more (x)', 'DROP INDEX by_text', 'ALTER TABLE t ADD COLUMN more'])(
    'when the schema has changed since the copy: %s',
    (sql) => {
      const { live, copy } = pair();
      change(live, `ANALYZE; ${sql}`);
      const before = statisticsIn(live);
      expect(() => publish(live, gatherStatistics({ path: copy, limit: 0 }))).toThrow(
        expect.objectContaining({ code: 'refused', message: expect.stringContaining('next run') as unknown }),
      );
      expect(statisticsIn(live)).toEqual(before);
    },
  );

  test.each([true, false])('while another process writes (statistics there before: %s): busy', async (analyzed) => {
    const { live, copy } = pair();
    if (analyzed) change(live, 'ANALYZE; UPDATE sqlite_stat1 SET stat = 7');
    const statistics = gatherStatistics({ path: copy, limit: 0 });
    const { release } = await holdLock({ path: live, mode: 'write' });
    expect(() => publish(live, statistics, 50)).toThrow(expect.objectContaining({ code: 'busy' }));
    await release();
    if (analyzed)
      expect((statisticsIn(live) as [unknown[][]])[0].every((row) => row[2] === '7' || row[2] === 7)).toBe(true);
    expect(publish(live, statistics).rows).toBeGreaterThan(20);
  });

  test('into another file than the known one', () => {
    const { live, copy } = pair();
    const statistics = gatherStatistics({ path: copy, limit: 0 });
    const { device, inode } = identityOf(live);
    expect(() =>
      publishStatistics({ path: live, identity: { device, inode: inode + 1 }, statistics, timeoutMs: 0 }),
    ).toThrow(expect.objectContaining({ code: 'identity-changed' }));
  });

  test('into a file that is gone, which is not created', () => {
    const { live, copy } = pair();
    const statistics = gatherStatistics({ path: copy, limit: 0 });
    const identity = identityOf(live);
    fs.rmSync(live);
    expect(() => publishStatistics({ path: live, identity, statistics, timeoutMs: 0 })).toThrow(
      expect.objectContaining({ code: 'permission' }),
    );
    expect(fs.existsSync(live)).toBe(false);
  });
});

test('a copy that cannot be read to its end is damaged, and one that needs a foreign function cannot be analysed', () => {
  const { copy } = pair();
  const connection = new Database(copy);
  connection.unsafeMode(true);
  connection.exec(
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '(kind, text)', '(application(kind))')",
  );
  connection.close();
  expect(() => gatherStatistics({ path: copy, limit: 0 })).toThrow(expect.objectContaining({ code: 'unverifiable' }));
  const { copy: other } = pair();
  zeroPages(other, 2, 20);
  expect(() => gatherStatistics({ path: other, limit: 0 })).toThrow(expect.objectContaining({ code: 'damaged' }));
});
