import fs from 'node:fs';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { History } from '../../src/history/history.js';
import { overwriteHeader, zeroPages } from '../helpers/corrupt.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { workspace } from '../helpers/workspace.js';
import { begun, finished, job, noon, openHistory, rememberingLog } from './fixture.js';

const intent = { at: noon, deed: 'pruning backup x', facts: {} };

test('without a state directory work goes on in memory, intents are refused, and what waited is written when it is back', () => {
  const { path } = workspace();
  fs.writeFileSync(path('state'), 'a file where the directory should be');
  const log = rememberingLog();
  const history = openHistory(path('state'), log);
  expect(history.degraded).toContain(path('state', 'history.db'));
  expect(history.degraded).toContain('nothing is removed or overwritten');

  expect(history.beginRun(begun('a'))).toMatchObject({ ok: false, error: { name: 'JobError' } });
  history.directory('/backups', 7);
  expect(history.finishRun(finished('a', [job('backup', 'succeeded')])).ok).toBe(false);
  expect(() => history.intent('logs', intent)).toThrow(expect.objectContaining({ code: 'not-recorded' }));
  expect(history.deviceOf('/backups')).toBe(7);
  expect(history.lastRun('daily')).toMatchObject({ run_id: 'a' });

  fs.rmSync(path('state'));
  expect(() => history.intent('logs', intent)).not.toThrow();
  expect(history.degraded).toBeUndefined();
  history.close();
  const later = openHistory(path('state'));
  expect(later.deviceOf('/backups')).toBe(7);
  expect(later.recentRuns(9).map(({ run_id, outcome }) => [run_id, outcome])).toEqual([['a', 'succeeded']]);
  expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
    ['error', 'history is not available'],
    ['info', 'history is available again'],
  ]);
});

test('a file that is no database is moved aside whole, and a new history begins', () => {
  const { path } = workspace();
  fs.mkdirSync(path('state'));
  fs.writeFileSync(path('state', 'history.db'), 'not a database at all, but somebody may want it'.repeat(99));
  const before = fs.readFileSync(path('state', 'history.db'));
  const log = rememberingLog();
  const history = openHistory(path('state'), log);
  expect(history.degraded).toBeUndefined();
  expect(history.notice).toContain('history.db.damaged-20261123T120000Z');
  expect(log.lines).toMatchObject([{ level: 'error' }]);
  expect(fs.readFileSync(path('state', 'history.db.damaged-20261123T120000Z'))).toEqual(before);
  expect(history.finishRun(finished('a', []))).toEqual({ ok: true });
});

test('a history found damaged while in use is moved aside with its log, and the next record begins a new one', () => {
  const { path } = workspace();
  const first = openHistory(path('state'));
  for (let run = 0; run < 50; run += 1) first.finishRun(finished(`${run}`, [job('backup', 'succeeded')]));
  first.close();
  // Not the schema: the damage is to be met when it is already open.
  zeroPages(path('state', 'history.db'), rootOf(path('state', 'history.db'), 'run'));

  const history = openHistory(path('state'));
  expect(history.recentRuns(99)).toEqual([]);
  expect(history.degraded).toContain('malformed');
  expect(history.finishRun(finished('new', [])).ok).toBe(true);
  expect(history.degraded).toBeUndefined();
  expect(history.recentRuns(9).map(({ run_id }) => run_id)).toEqual(['new']);
  const [aside = '', ...more] = fs.readdirSync(path('state')).filter((name) => /^history\.db\.damaged-\w+$/.test(name));
  expect(more).toEqual([]);

  // What stood open is no longer known: somebody says for each database that it is settled, or takes the file away.
  expect(history.openIncident('logs')).toMatchObject({ row: 'history', at: noon });
  expect(openHistory(path('state')).openIncident('users')).toMatchObject({ row: 'history', at: noon });
  history.acknowledge('logs', noon);
  expect(history.openIncident('logs')).toBeUndefined();
  history.acknowledge('logs', new Date(noon.getTime() - 1000));
  expect(history.openIncident('logs')).toMatchObject({ row: 'history' });
  const clockOfThen = new Date(noon.getTime() - 500);
  expect(openHistory(path('state'), undefined, clockOfThen).openIncident('logs')).toBeUndefined();
  fs.renameSync(path('state', aside), path('elsewhere'));
  expect(openHistory(path('state')).openIncident('users')).toBeUndefined();
});

test('one reading that failed is known of until a record has been written', () => {
  const { path } = workspace();
  const history = openHistory(path('state'));
  for (let run = 0; run < 50; run += 1) history.finishRun(finished(`${run}`, [job('backup', 'succeeded')]));
  expect(history.unread).toBeUndefined();
  history.close();
  zeroPages(path('state', 'history.db'), rootOf(path('state', 'history.db'), 'run'));
  const again = openHistory(path('state'));
  expect(again.unread).toBeUndefined();
  expect(again.recentRuns(99)).toEqual([]);
  expect(again.unread).toContain('malformed');
  again.finishRun(finished('new', []));
  expect(again.unread).toBeUndefined();
});

test('two processes that meet the same damage move it aside once', () => {
  const { path } = workspace();
  const seed = openHistory(path('state'));
  for (let run = 0; run < 50; run += 1) seed.finishRun(finished(`${run}`, [job('backup', 'succeeded')]));
  seed.close();
  const [one, two] = [openHistory(path('state')), openHistory(path('state'))];
  zeroPages(path('state', 'history.db'), 3, fs.statSync(path('state', 'history.db')).size / 4096 - 3);
  expect([one.recentRuns(99), two.recentRuns(99)]).toEqual([[], []]);
  one.finishRun(finished('one', []));
  two.finishRun(finished('two', []));
  expect(fs.readdirSync(path('state')).filter((name) => /^history\.db\.damaged-\w+$/.test(name))).toHaveLength(1);
  expect([one, two].map((history) => history.recentRuns(9).map(({ run_id }) => run_id))).toEqual([
    ['two', 'one'],
    ['two', 'one'],
  ]);
});

test('a history of a newer version is refused and left as it is', () => {
  const { path } = workspace();
  openHistory(path('state')).close();
  const newer = new Database(path('state', 'history.db'));
  newer.pragma('user_version = 99');
  newer.close();
  const before = fs.readFileSync(path('state', 'history.db'));
  expect(() => openHistory(path('state'))).toThrow(/newer version.*format 99/);
  expect(fs.readFileSync(path('state', 'history.db'))).toEqual(before);
  expect(fs.readdirSync(path('state'))).toEqual(['history.db']);
});

test('a history that was removed or replaced while open is begun anew, not written into the void', () => {
  const { path } = workspace();
  const history = openHistory(path('state'));
  history.finishRun(finished('a', []));
  fs.rmSync(path('state'), { recursive: true });
  history.finishRun(finished('b', []));
  expect(openHistory(path('state')).recentRuns(9)).toMatchObject([{ run_id: 'b' }]);
});

test('one record with a defect does not keep the others out', () => {
  const { path } = workspace();
  fs.writeFileSync(path('state'), '');
  const history = openHistory(path('state'));
  history.beginRun(begun('twice'));
  fs.rmSync(path('state'));
  const other = openHistory(path('state'));
  other.beginRun(begun('twice'));
  expect(history.finishRun(finished('fine', []))).toEqual({ ok: true });
  expect(other.lastRun('daily')).toMatchObject({ run_id: 'fine' });
});

test('a full disk ends no run, moves nothing aside, and is over when there is space', async (context) => {
  await withSmallDisk(context, 1, (disk) => {
    const history = openHistory(disk);
    history.finishRun(finished('before', []));
    fs.writeFileSync(`${disk}/ballast`, '');
    expect(() => {
      for (;;) fs.appendFileSync(`${disk}/ballast`, Buffer.alloc(4096));
    }).toThrow(/ENOSPC/);

    const big = job('backup', 'succeeded', { facts: { text: 'x'.repeat(100_000) } });
    expect(history.finishRun(finished('during', [big]))).toMatchObject({ ok: false, error: { code: 'full' } });
    expect(() => history.intent('logs', { ...intent, facts: { text: 'x'.repeat(100_000) } })).toThrow(/no space left/);
    expect(history.lastRun('daily')).toMatchObject({ run_id: 'before' });

    fs.rmSync(`${disk}/ballast`);
    expect(history.finishRun(finished('after', [])).ok).toBe(true);
    expect(history.degraded).toBeUndefined();
    expect(history.recentRuns(9).map(({ run_id }) => run_id)).toEqual(['after', 'during', 'before']);
    expect(fs.readdirSync(disk).filter((name) => name.includes('damaged'))).toEqual([]);
    history.close();
    return Promise.resolve();
  });
});

test('a disk that is full from the start leaves history in memory and no debris', async (context) => {
  await withSmallDisk(context, 1, (disk) => {
    expect(() => {
      for (;;) fs.appendFileSync(`${disk}/ballast`, Buffer.alloc(4096));
    }).toThrow(/ENOSPC/);
    const history = openHistory(disk);
    expect(history.degraded).toMatch(/no space left/);
    history.sample('logs', { at: noon, sizeBytes: 1 });
    expect(history.samples('logs', noon)).toHaveLength(1);
    fs.rmSync(`${disk}/ballast`);
    history.close();
    expect(openHistory(disk).samples('logs', noon)).toHaveLength(1);
    return Promise.resolve();
  });
});

test('a file with an overwritten header is moved aside', () => {
  const { path } = workspace();
  openHistory(path('state')).close();
  overwriteHeader(path('state', 'history.db'));
  expect(openHistory(path('state')).notice).toContain('damaged');
});

test('who only reads begins no history and moves none aside', () => {
  const { path } = workspace();
  const options = { now: () => noon, log: rememberingLog(), readOnly: true };
  const none = History.open(path('state'), options);
  expect([none.degraded, none.recentRuns(9), none.lastRun('daily')]).toEqual([undefined, [], undefined]);
  expect(fs.existsSync(path('state'))).toBe(false);

  openHistory(path('state')).finishRun(finished('a', []));
  expect(History.open(path('state'), options).recentRuns(9)).toMatchObject([{ run_id: 'a' }]);

  fs.mkdirSync(path('other'));
  fs.writeFileSync(path('other', 'history.db'), 'not a database'.repeat(99));
  expect(History.open(path('other'), options).degraded).toContain('not an SQLite database');
  expect(fs.readdirSync(path('other'))).toEqual(['history.db']);
});

test('made by root, the history belongs to the owner of the state directory', (context) => {
  if (process.getuid?.() !== 0) context.skip('needs root');
  const { path } = workspace();
  fs.mkdirSync(path('state'));
  fs.chownSync(path('state'), 12_345, 12_346);
  openHistory(path('state'));
  for (const name of fs.readdirSync(path('state'))) {
    expect(fs.statSync(path('state', name)), name).toMatchObject({ uid: 12_345, gid: 12_346 });
  }
});

function rootOf(file: string, table: string): number {
  const database = new Database(file, { readonly: true });
  try {
    return Number(database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(table));
  } finally {
    database.close();
  }
}

test('what waits for its delivery does not hold up the process again and again while another one keeps the history locked', () => {
  const { path } = workspace();
  const history = openHistory(path('state'));
  const patience = (ms: number): unknown =>
    history.outboxFile.read<unknown>(undefined, (db) => db.pragma(`busy_timeout = ${ms}`));
  const other = new Database(path('state', 'history.db'));
  other.exec('BEGIN IMMEDIATE');
  // The first has waited in vain; in life for ten seconds.
  patience(1);
  expect(history.outboxFile.write(() => undefined).ok).toBe(false);
  patience(10_000);
  for (let channel = 0; channel < 5; channel += 1) expect(history.outboxFile.write(() => undefined).ok).toBe(false);
  other.exec('ROLLBACK');
  other.close();
  expect(history.outboxFile.write(() => 'written')).toEqual({ ok: true, answer: 'written' });
  history.close();
}, 9000);
