/** The guarded run with real files and child processes. The applications here are other connections, of the test's process. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { JobError } from '../engine/compiled.js';
import { storeBackup } from '../files/backups.js';
import { swapIndexEntries, zeroPages } from '../helpers/corrupt.js';
import { type GuardSite, guardSites } from './site.js';

const guardSite = guardSites();

const insert = `INSERT INTO logs (log_id, timestamp, original_log, processed_log, severity, language) VALUES ('new', datetime('now'), 'x', '', 'info', 'auto')`;

describe.each(['wal', 'delete'] as const)('in %s mode', (journalMode) => {
  test('a sound database is rewritten: R1, with a sealed backup of its own kind, and nothing left over', async () => {
    const site = guardSite({ journalMode });
    const result = await site.run(() => void site.sql(insert), { rehearse: true });
    expect(result).toMatchObject({ outcome: 'succeeded', facts: { guard: { row: 'R1', committed: 'some' } } });
    expect(site.rows()).toBe(301);
    const [backup = ''] = backupsIn(site.backupDirectory);
    expect(fs.statSync(path.join(site.backupDirectory, backup)).mode & 0o777).toBe(0o600);
    const manifest: unknown = JSON.parse(
      fs.readFileSync(path.join(site.backupDirectory, backup.replace(/db$/, 'json')), 'utf8'),
    );
    expect(manifest).toMatchObject({ pre_operation: true, schedule: 'weekly', verification: { integrity: 'full' } });
    expect(fs.readdirSync(site.context.target.scratchDirectory)).toEqual([]);
    expect(site.history.openIncident('logs')).toBeUndefined();
    expect(site.audit()).toMatchObject([{ row: 'R1', outcome: 'succeeded' }]);
  });

  test('damaged before: R7, and neither the file nor its log has changed by a byte', async () => {
    const site = guardSite({ journalMode });
    zeroPages(site.database, 20, 3);
    const before = fs.readFileSync(site.database);
    await expect(site.run()).rejects.toMatchObject({ code: 'damaged' });
    expect(fs.readFileSync(site.database).equals(before)).toBe(true);
    expect(fs.statSync(`${site.database}-wal`, { throwIfNoEntry: false })?.size ?? 0).toBe(0);
    expect(site.audit()).toMatchObject([{ row: 'R7', outcome: 'damaged' }]);
    expect(backupsIn(site.backupDirectory)).toEqual([]);
  });
});

test('an application that is upgraded meanwhile, and changes its schema, is no damage', async () => {
  const site = guardSite();
  const result = await site.run(() => void site.sql('ALTER TABLE logs ADD COLUMN later TEXT'));
  expect(result).toMatchObject({ outcome: 'succeeded', facts: { guard: { row: 'R1', committed: 'some' } } });
  expect(site.history.openIncident('logs')).toBeUndefined();
});

test('emptied by a commit of somebody: consistent, and not sound', async () => {
  const site = guardSite();
  const result = await site.run(() => {
    const application = new Database(site.database);
    const tables = application
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`)
      .pluck()
      .all();
    for (const table of tables) application.exec(`DROP TABLE IF EXISTS "${String(table)}"`);
    application.close();
  });
  expect(result).toMatchObject({ outcome: 'held', facts: { guard: { row: 'R12', committed: 'some' } } });
});

test('one operation that meets its own deadline is not the end of the run', async () => {
  const site = guardSite();
  const execute = (): Promise<never> => Promise.reject(new JobError('timed-out', 'stopped after 1 min, its deadline'));
  await expect(site.run(undefined, undefined, { execute })).rejects.toMatchObject({ code: 'timed-out' });
  expect(site.audit()).toMatchObject([{ row: 'R2', do: 'retry-later' }]);
  expect(site.history.unfinishedGuards(() => false)).toEqual([]);
});

test('damaged again within a week of a restore: R13, somebody must look first', async () => {
  const site = guardSite();
  const id = site.history.guardBegun({ runId: 'weekly-0', database: 'logs', operation: 'vacuum', at: new Date() });
  const decision = { row: 'R11', deed: 'restore', outcome: 'restored', why: '', evidence: {} };
  site.history.guardDecision(id, { ...decision, at: new Date(Date.now() - 6 * 86_400_000) });
  site.history.guardEnded(id, new Date());
  const result = await site.run(() => damageFrom(site, '20', '3'));
  expect(result).toMatchObject({ outcome: 'held', facts: { guard: { row: 'R13', do: 'stop' } } });
});

test('gone, or emptied: R9, never made anew', async () => {
  const site = guardSite();
  const result = await site.run(() => fs.renameSync(site.database, `${site.database}.away`));
  expect(result).toMatchObject({ outcome: 'held', facts: { guard: { row: 'R9' } } });
  expect(fs.existsSync(site.database)).toBe(false);
});

describe('an index that differs from its table', () => {
  test('as the newest backup confirms: R10a, repaired and proven, and the run goes on', async () => {
    const site = guardSite();
    expect((await site.run()).outcome).toBe('succeeded');
    flush(site);
    swapIndexEntries(site.database, 'idx_timestamp');
    expect(site.sql('PRAGMA integrity_check')).not.toBe('ok');
    const result = await site.run();
    expect(result).toMatchObject({
      outcome: 'repaired',
      facts: { repaired: ['idx_timestamp'], execution: { rebuilt: 1 } },
    });
    expect(site.sql('PRAGMA integrity_check')).toBe('ok');
    expect(site.audit().map((line) => line.row)).toEqual(['R1', 'R10a', 'R1']);
    expect(site.history.openIncident('logs')).toBeUndefined();
    expect(quarantined(site)).toHaveLength(1);
  });

  test('and its REINDEX finds the database locked: R2, ended, left as it was', async () => {
    const site = guardSite();
    expect((await site.run()).outcome).toBe('succeeded');
    flush(site);
    swapIndexEntries(site.database, 'idx_timestamp');
    lockDuringReindex(site);
    await expect(site.run()).rejects.toMatchObject({ code: 'busy' });
    expect(site.audit().map((line) => line.row)).toEqual(['R1', 'R10a', 'R2']);
    expect(site.history.unfinishedGuards(() => false)).toEqual([]);
  });

  test('when the value in the table is the damaged one: R7, not blessed by REINDEX', async () => {
    const site = guardSite();
    site.sql(`UPDATE logs SET severity = 'zzzfirstzzz' WHERE rowid = 7`);
    expect((await site.run()).outcome).toBe('succeeded');
    flush(site);
    flipInTable(site.database, 'zzzfirstzzz');
    const before = fs.readFileSync(site.database);
    await expect(site.run()).rejects.toMatchObject({
      code: 'damaged',
      message: expect.stringContaining('not repaired') as unknown,
    });
    expect(fs.readFileSync(site.database).equals(before)).toBe(true);
  });

  test('because rows are there twice that a UNIQUE index forbids: R5, their numbers told, nothing restored', async () => {
    const site = guardSite();
    const application = new Database(site.database);
    application.exec('CREATE TABLE twice (word TEXT); CREATE INDEX once ON twice (word)');
    application.exec(`INSERT INTO twice VALUES ('a'), ('b'), ('a')`);
    expect((await site.run()).outcome).toBe('succeeded');
    application.unsafeMode();
    application.pragma('writable_schema = ON');
    application.exec(`UPDATE sqlite_schema SET sql = replace(sql, 'INDEX', 'UNIQUE INDEX') WHERE name = 'once'`);
    application.close();
    await expect(site.run()).rejects.toMatchObject({
      code: 'constraint',
      message: expect.stringMatching(
        /once cannot be rebuilt: .*UNIQUE constraint failed: twice\.word: rows 1, 3/,
      ) as unknown,
    });
    expect(site.audit().map((line) => `${line.row} ${line.do}`)).toEqual([
      'R1 nothing',
      'R10a repair',
      'R5 report-rows',
    ]);
    expect(quarantined(site)).toEqual([]);
    expect(backupsIn(site.backupDirectory)).toHaveLength(1);
    expect(site.history.openIncident('logs')).toBeUndefined();
  });

  test('and no backup to ask: R7', async () => {
    const site = guardSite();
    swapIndexEntries(site.database, 'idx_timestamp');
    await expect(site.run()).rejects.toThrow('there is no verified backup to compare with');
    expect(site.audit()).toMatchObject([{ row: 'R7' }]);
  });
});

test('what fails in the rehearsal never touches the live database', async () => {
  const site = guardSite();
  const rehearse = async (copy: string): Promise<never> => {
    zeroPages(copy, 20, 3);
    await Promise.reject(new Error('as a rewrite that fails'));
    throw new Error('unreachable');
  };
  const execute = (): Promise<never> => Promise.reject(new Error('must not be called'));
  await expect(site.run(undefined, { rehearse: true }, { rehearse, execute })).rejects.toThrow(
    'as a rewrite that fails',
  );
  expect(site.audit()).toEqual([]);
  expect(site.history.unfinishedGuards(() => false)).toEqual([]);
});

test('a job that fails every day does not fill the disk: two backups of its kind stay', async () => {
  const site = guardSite();
  const execute = (): Promise<never> => Promise.reject(new Error('fails'));
  for (let day = 1; day <= 4; day++) await expect(site.run(undefined, undefined, { execute })).rejects.toThrow('fails');
  expect(backupsIn(site.backupDirectory)).toHaveLength(2);
  expect(site.audit().map((line) => line.row)).toEqual(['R1', 'R1', 'R1', 'R1']);
});

test('what an operator restored over, though a table was gone from it, is no backup of that kind: its own two stay', async () => {
  const site = guardSite();
  const restoredOver = ['01', '02', '03'].map((day) => `logs-202611${day}T020000Z-before-restore`);
  for (const stem of restoredOver)
    storeBackup(site.backupDirectory, stem, { pre_operation: true, lacks: ['logs'], schedule: 'before-restore' });
  for (let day = 1; day <= 3; day++) expect((await site.run()).outcome).toBe('succeeded');
  const left = backupsIn(site.backupDirectory).map((file) => file.replace(/\.db$/, ''));
  expect(left.filter((stem) => restoredOver.includes(stem))).toEqual(restoredOver.slice(1));
  expect(left).toHaveLength(4);
});

test('an index repair that fails every day does not either: one quarantine and one backup of it stay', async () => {
  const site = guardSite();
  expect((await site.run()).outcome).toBe('succeeded');
  const [before = ''] = backupsIn(site.backupDirectory);
  flush(site);
  swapIndexEntries(site.database, 'idx_timestamp');
  const unlock = lockDuringReindex(site);
  for (let day = 1; day <= 3; day++) await expect(site.run()).rejects.toMatchObject({ code: 'busy' });
  const [quarantine = '', ...more] = quarantined(site);
  expect(more).toEqual([]);
  expect(fs.readdirSync(path.join(site.stateDirectory, 'quarantine', quarantine))).toEqual(
    expect.arrayContaining(['logs.db', 'copy.db', 'quarantine.json', 'unused.json']),
  );
  expect(backupsIn(site.backupDirectory)).toHaveLength(2);
  expect(backupsIn(site.backupDirectory)).toContain(before);
  // What the one that succeeds overwrites is kept.
  unlock();
  expect((await site.run()).outcome).toBe('repaired');
  expect(quarantined(site)).toHaveLength(1);
  expect(fs.readdirSync(path.join(site.stateDirectory, 'quarantine', quarantined(site)[0] ?? ''))).not.toContain(
    'unused.json',
  );
});

test('an index repair that does not even mend a copy leaves nothing', async () => {
  const site = guardSite();
  expect((await site.run()).outcome).toBe('succeeded');
  flush(site);
  swapIndexEntries(site.database, 'idx_timestamp');
  // As where something keeps it from it: the copy is as damaged afterwards.
  insteadOfReindex(site, ({ copy }) => copy !== null);
  for (let day = 1; day <= 2; day++) await expect(site.run()).rejects.toThrow('does not repair a copy');
  expect(quarantined(site)).toEqual([]);
  expect(backupsIn(site.backupDirectory)).toHaveLength(1);
});

test('without pre_backup nothing is stored, and damage is held', async () => {
  const site = guardSite();
  const result = await site.run(() => damageFrom(site, '20', '3'), { preBackup: false });
  expect(result).toMatchObject({ outcome: 'held', facts: { guard: { row: 'R11', backup: null } } });
  expect(backupsIn(site.backupDirectory)).toEqual([]);
});

describe('the executing process dies', () => {
  const dies = async (site: GuardSite): Promise<never> => {
    await site.context.session.renew();
    throw new JobError('crashed', 'the child process was ended by SIGKILL');
  };

  test('and the database is sound: R1, failed, nothing restored', async () => {
    const site = guardSite();
    await expect(site.run(undefined, undefined, { execute: () => dies(site) })).rejects.toMatchObject({
      code: 'crashed',
    });
    expect(site.audit()).toMatchObject([{ row: 'R1', outcome: 'failed' }]);
    expect(site.history.openIncident('logs')).toBeUndefined();
  });

  test('and the database is damaged: the second monitor says that nobody committed, and it is restored', async () => {
    const site = guardSite();
    const execute = async (): Promise<never> => {
      damageFrom(site, '20', '3');
      return await dies(site);
    };
    const result = await site.run(undefined, undefined, { execute });
    expect(result).toMatchObject({ outcome: 'restored', facts: { guard: { row: 'R11', committed: 'none' } } });
    expect(site.rows()).toBe(300);
  });
});

describe('a run that was cut off', () => {
  test('before its intent: only ended; after it, and sound: settled and recorded', async () => {
    const site = guardSite();
    const at = new Date();
    site.history.guardBegun({ runId: 'weekly-0', database: 'logs', operation: 'vacuum', at });
    expect(await site.settle()).toEqual([null]);
    const id = site.history.guardBegun({ runId: 'weekly-0', database: 'logs', operation: 'vacuum', at });
    intendedAs(site, id);
    expect(await site.settle()).toMatchObject([{ outcome: 'succeeded' }]);
    expect(site.audit()).toMatchObject([{ row: 'R1', do: 'nothing' }]);
    expect(await site.settle()).toEqual([]);
  });

  test.for([
    ['restored', 'restored', 'R11 nothing restored'],
    ['restored, and not sound', 'held', 'R13 stop held'],
    ['neither', 'held', 'R13 stop held'],
    ['unknown', 'held', 'R13 stop held'],
    [null, 'held', 'R13 stop held'],
  ] as const)('after it had set out to restore, which ended as %s: told so', async ([ended, outcome, decided]) => {
    const site = guardSite();
    setOutToRestore(site, { begun: true, ended });
    expect(await site.settle()).toMatchObject([{ outcome }]);
    expect(site.audit().map((line) => `${line.row} ${line.do} ${line.outcome}`)).toEqual([decided]);
    expect(site.audit()).toMatchObject([{ run_id: 'weekly-0', evidence: { stage: 'restored' } }]);
    expect(site.history.openIncident('logs')).toMatchObject({ row: decided.split(' ')[0] });
    expect(await site.settle()).toEqual([]);
  });

  test.for([
    ['before that had begun', { begun: false, ended: null }],
    ['before it had changed anything', { begun: true, ended: 'as-it-was' }],
    ['after it had given up', { begun: true, ended: 'unchanged' }],
  ] as const)('after it had set out to restore, %s: held, however sound, and the backup is named', async ([, how]) => {
    const site = guardSite();
    expect((await site.run()).outcome).toBe('succeeded');
    const stem = setOutToRestore(site, how);
    // As a VACUUM loses them: no check sees that.
    site.sql('DELETE FROM logs WHERE rowid > 290');
    const [settled] = await site.settle();
    expect(settled).toMatchObject({ outcome: 'held', facts: { guard: { row: 'R1', backup: stem } } });
    expect(site.audit().at(-1)).toMatchObject({ row: 'R1', do: 'hold', outcome: 'held', run_id: 'weekly-0' });
    const incident = site.history.openIncident('logs');
    expect(incident).toMatchObject({ row: 'R1', runId: 'weekly-0' });
    expect(incident?.message).toMatch(/cut off before anything was restored; .*rows could not be compared/);
    expect(incident?.message).toContain(stem);
    expect(site.rows()).toBe(290);
  });

  test('after it had set out to put into safety what a restore would lose: held, too', async () => {
    const site = guardSite();
    setOutToRestore(site, { begun: false, ended: null }, 'save');
    expect(await site.settle()).toMatchObject([{ outcome: 'held' }]);
    expect(site.history.openIncident('logs')).toMatchObject({ row: 'R1' });
  });

  test('after it had set out to restore, and still damaged: R12, held, with the files in quarantine', async () => {
    const site = guardSite();
    expect((await site.run()).outcome).toBe('succeeded');
    const stem = setOutToRestore(site, { begun: true, ended: 'as-it-was' });
    flush(site);
    zeroPages(site.database, 20, 3);
    const [settled] = await site.settle();
    expect(settled).toMatchObject({ outcome: 'held', facts: { guard: { row: 'R12', backup: stem } } });
    expect(quarantined(site)).toHaveLength(1);
    expect(site.history.openIncident('logs')).toMatchObject({ row: 'R12' });
  });

  test('in a restore, by the timeout of the run: the next guarded run finds out what became of it, and is not begun', async () => {
    const site = guardSite();
    setOutToRestore(site, { begun: true, ended: null });
    await expect(site.run()).rejects.toThrow(/waits since .* for somebody to look at it \(R1: /);
    expect(site.history.unfinishedRestores()).toEqual([]);
    expect(site.history.restoreOf('logs', 'weekly-0')).toEqual({ ended: 'as-it-was' });
    expect(site.audit().map((line) => `${line.row} ${line.do}`)).toEqual(['R1 hold']);
  });

  test('in a restore that the operator asked for: the next guarded run tells what became of it as a start would', async () => {
    const site = guardSite();
    const facts = { runId: 'restore-1', backup: 'logs-1', schemaSha256: '', by: 'operator' };
    site.history.intent('logs', { at: new Date(), deed: 'restore', facts });
    expect((await site.run()).outcome).toBe('succeeded');
    expect(site.history.unfinishedRestores()).toEqual([]);
    expect(site.history.lastJob('logs', 'restore')).toMatchObject({ outcome: 'failed' });
    expect(site.audit()[0]).toMatchObject({ asked_by: 'operator', outcome: 'as-it-was' });
  });

  test('after it was restored, and damaged now: R13', async () => {
    const site = guardSite();
    setOutToRestore(site, { begun: true, ended: 'restored' });
    flush(site);
    zeroPages(site.database, 20, 3);
    expect(await site.settle()).toMatchObject([{ outcome: 'held', facts: { guard: { row: 'R13' } } }]);
  });

  test('after its intent, and damaged: R12, held, never restored', async () => {
    const site = guardSite();
    expect((await site.run()).outcome).toBe('succeeded');
    const id = site.history.guardBegun({ runId: 'weekly-0', database: 'logs', operation: 'vacuum', at: new Date() });
    intendedAs(site, id);
    flush(site);
    zeroPages(site.database, 20, 3);
    // The next guarded run settles it first, too.
    await expect(site.run()).rejects.toThrow(/waits since .* for somebody to look at it/);
    expect(site.audit().at(-1)).toMatchObject({ row: 'R12', do: 'hold' });
    expect(await site.settle()).toEqual([]);
    expect(site.history.openIncident('logs')).toMatchObject({ row: 'R12' });
  });
});

/** As if its process had been killed after it had decided so. @returns the backup from before */
function setOutToRestore(
  site: GuardSite,
  { begun, ended }: { begun: boolean; ended: string | null },
  deed: 'restore' | 'save' = 'restore',
): string {
  const { history } = site;
  const [at, runId] = [new Date(), 'weekly-0'];
  const id = history.guardBegun({ runId, database: 'logs', operation: 'vacuum', at });
  intendedAs(site, id);
  history.guardDecision(id, { row: 'R11', deed, outcome: 'restored', why: '', evidence: {}, at });
  if (begun) history.intent('logs', { at, deed: 'restore', facts: { runId, backup: 'logs-1', schemaSha256: '' } });
  if (ended !== null) history.intent('logs', { at, deed: 'restore ended', facts: { runId, outcome: ended } });
  return backupsIn(site.backupDirectory)[0]?.replace(/\.db$/, '') ?? 'no backup';
}

function intendedAs(site: GuardSite, id: number): void {
  const [first] = site.history.guardedRuns('weekly-1');
  const { dev, ino, size } = fs.statSync(site.database);
  const schemaSha256 = first?.intent?.['schemaSha256'] ?? schemaOf(site);
  const backup = backupsIn(site.backupDirectory)[0]?.replace(/\.db$/, '') ?? null;
  const facts = { path: site.database, device: dev, inode: ino, sizes: [size], schemaSha256, backup };
  site.history.guardIntent(id, { deed: 'vacuum', facts });
}

/** As src/sqlite/schema.ts has it. */
function schemaOf(site: GuardSite): string {
  return execFileSync(process.execPath, [
    '--input-type=module',
    '-e',
    `import { openOwn } from ${JSON.stringify(new URL('../../dist/sqlite/own.js', import.meta.url).href)};
     import { schemaSha256 } from ${JSON.stringify(new URL('../../dist/sqlite/schema.js', import.meta.url).href)};
     process.stdout.write(schemaSha256(openOwn(${JSON.stringify(site.database)})));`,
  ]).toString();
}

type Rebuild = { readonly copy: string | null };

/** Does that instead of rebuilding an index, where it says so. @returns what ends it */
function insteadOfReindex({ context: { session } }: GuardSite, instead: (asked: Rebuild) => boolean): () => void {
  const call: (...asked: never[]) => Promise<unknown> = session.call.bind(session);
  Object.assign(session, {
    call: async (...asked: never[]) => {
      const [operation, request] = asked as unknown[] as [string, Rebuild];
      return operation === 'rebuildIndexes' && instead(request) ? undefined : await call(...asked);
    },
  });
  return () => Object.assign(session, { call });
}

const lockDuringReindex = (site: GuardSite): (() => void) =>
  insteadOfReindex(site, ({ copy }) => {
    if (copy === null) throw new JobError('busy', 'the database is locked');
    return false;
  });

const backupsIn = (directory: string): string[] => fs.readdirSync(directory).filter((name) => name.endsWith('.db'));

function quarantined({ stateDirectory }: GuardSite): string[] {
  const directory = path.join(stateDirectory, 'quarantine');
  return fs.existsSync(directory) ? fs.readdirSync(directory) : [];
}

/** In WAL mode pages may be in the log only: a checkpoint puts them into the file; a passive one is no commit. */
function flush({ sql }: GuardSite): void {
  sql('PRAGMA wal_checkpoint(PASSIVE)');
}

/** Zeros pages in another process: this one may have connections to the file, and closing it would drop their locks. */
function damageFrom(site: GuardSite, first: string, count: string): void {
  flush(site);
  const seek = String(Number(first) - 1);
  execFileSync(
    'dd',
    ['if=/dev/zero', `of=${site.database}`, 'bs=4096', `seek=${seek}`, `count=${count}`, 'conv=notrunc'],
    {
      stdio: 'ignore',
    },
  );
}

/** The first of the two places where a word stands that an index holds, too: its table's, which was made first. */
function flipInTable(file: string, word: string): void {
  const bytes = fs.readFileSync(file);
  const places: number[] = [];
  for (let at = bytes.indexOf(word); at !== -1; at = bytes.indexOf(word, at + 1)) places.push(at);
  const table = places.find((at) => bytes.readUInt8(Math.floor(at / 4096) * 4096) === 13);
  if (table === undefined) throw new Error(`${word} stands in no table`);
  const descriptor = fs.openSync(file, 'r+');
  fs.writeSync(descriptor, Buffer.from('Z'), 0, 1, table);
  fs.closeSync(descriptor);
}

test('a restore that cannot be recorded is not done: an incident, nothing written, and the next run settles it', async () => {
  const site = guardSite();
  const audit = path.join(site.stateDirectory, 'audit.jsonl');
  const run = site.run(() => {
    zeroPages(site.database, 20, 3);
    fs.mkdirSync(audit);
  });
  await expect(run).rejects.toMatchObject({ code: 'not-recorded' });
  expect(site.history.openIncident('logs')).toMatchObject({
    row: 'R11',
    message: expect.stringContaining('could not be recorded and was not done') as string,
  });
  expect(site.history.unfinishedGuards(() => false)).toHaveLength(1);
});

test('held, and its backup cannot be unpacked: what is damaged is in quarantine all the same', async () => {
  const site = guardSite({ journalMode: 'delete' });
  const result = await site.run(() => {
    site.sql(insert);
    zeroPages(site.database, 20, 3);
    const [backup = ''] = backupsIn(site.backupDirectory);
    fs.truncateSync(path.join(site.backupDirectory, backup), 4096);
  });
  expect(result).toMatchObject({ outcome: 'held', facts: { guard: { row: 'R12', salvagedRows: null } } });
  const quarantine = fs.readdirSync(path.join(site.stateDirectory, 'quarantine'));
  expect(quarantine).toHaveLength(1);
  expect(fs.readdirSync(path.join(site.stateDirectory, 'quarantine', quarantine[0] ?? ''))).toContain(
    'quarantine.json',
  );
});
