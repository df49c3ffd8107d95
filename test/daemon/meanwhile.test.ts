/**
 * What befalls a database while the weekly maintenance works on it, by the real program: it is held still between two of its steps, and
 * something is done to the file by others. Restored where the maintenance left damage and nothing is lost by it; held otherwise.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, type TestContext, test } from 'vitest';
import { type Application, startApplication } from '../helpers/application.js';
import { overwrite, overwriteHeader, truncate, zeroPages } from '../helpers/corrupt.js';
import { faultEnvironment, pauseBefore } from '../helpers/fault.js';
import { ask, type Installation, install, type JobOfReport, jobOf, sha256Of } from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';
import type { ProgramOptions, ProgramResult } from '../helpers/program.js';
import { withSmallDisk } from '../helpers/small-disk.js';

/** Lines of the log: the program stands still before it writes one, and what comes before that is done. */
const moments = {
  sealed: 'the backup from before is sealed',
  begins: 'the operation begins',
  ended: 'the operation has ended and will be checked',
  decided: 'guard decided',
} as const;

/** Done to the database while the program stands still at that moment. */
type Meddle = (site: Installation, application: Application) => Promise<void> | void;
type Meddling = readonly [keyof typeof moments, Meddle];

interface Scene {
  readonly site: Installation;
  readonly result: ProgramResult;
  readonly job: JobOfReport;
  /** Had the database open all the while. */
  readonly application: Application;
  readonly inode: number;
}

const insertRow = `INSERT INTO logs (log_id, timestamp, original_log, processed_log, severity, language) VALUES ('since', '2026-02-01', 'text', '', 'info', 'auto')`;

interface Options {
  readonly journalMode?: 'wal' | 'delete';
  readonly job?: 'vacuum' | 'reindex';
  readonly schedule?: object;
  readonly site?: Installation;
  readonly run?: ProgramOptions;
}

/** A third of the rows is deleted, so that there is something to vacuum. */
function site({ journalMode = 'wal', schedule = {}, job = 'vacuum' }: Options, config: object = {}): Installation {
  const here = install({
    rows: 300,
    journalMode,
    config: {
      schedules: { weekly: { cron: '0 3 * * 0', jobs: [job, 'report'], ...schedule } },
      jobs: { vacuum: { min_reclaimable: '10kB', rehearse: false }, reindex: { when: 'always', rehearse: false } },
      ...config,
    },
  });
  const database = new Database(path.join(here.workspace.directory, 'data', 'logs.db'));
  database.exec('DELETE FROM logs WHERE rowid > 200; CREATE TABLE plain (id INTEGER PRIMARY KEY, word TEXT)');
  database.exec(`INSERT INTO plain (word) VALUES ('a'), ('b')`);
  database.close();
  return here;
}

/** One weekly run, and what is done to the database at moments of it. */
async function meanwhile(context: TestContext, meddling: readonly Meddling[], options: Options = {}): Promise<Scene> {
  const here = options.site ?? site(options);
  const { ino: inode } = fs.statSync(here.database);
  const application = await startApplication(here.database);
  const texts = meddling.map(([moment]) => moments[moment]);
  const pauses = pauseBefore(context, texts, here.workspace.path('gate'));
  const { env = {}, ...how } = options.run ?? {};
  const running = here.run(['--run-now', 'weekly', '--json'], { ...how, env: { ...pauses.env, ...env } });
  for (const [moment, meddle] of meddling) {
    await pauses.reached(moments[moment], running);
    // What is in the log goes into the file, and is no commit: damage to the file is damage to the database then.
    if (options.journalMode !== 'delete') await application.ask('PRAGMA wal_checkpoint(PASSIVE)');
    await meddle(here, application);
    pauses.end(moments[moment]);
  }
  const result = await running;
  return { site: here, result, job: jobOf(result, options.job ?? 'vacuum'), application, inode };
}

/** Every row of every table, as an application reads them. */
function contentsOf(file: string): unknown {
  const database = new Database(file, { fileMustExist: true });
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    return ['logs', 'plain'].map((table) => database.prepare(`SELECT * FROM ${table} ORDER BY 1`).raw().all());
  } finally {
    database.close();
  }
}

const sealedIn = (here: Installation) => here.backups().find(({ manifest }) => manifest.pre_operation === true);

function contentsOfSealed(here: Installation): unknown {
  const copy = here.workspace.path('sealed.db');
  fs.copyFileSync(sealedIn(here)?.path ?? '', copy);
  return contentsOf(copy);
}

const guardOf = ({ job }: Scene) =>
  job.facts['guard'] as { row: string; committed: string; quarantine: string | null; salvagedRows: number | null };

function auditOf(here: Installation): string[] {
  const lines = fs.readFileSync(path.join(here.stateDirectory, 'audit.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const { row, do: deed, outcome } = JSON.parse(line) as Record<string, string>;
    return `${row} ${deed} ${outcome}`;
  });
}

/** The row that somebody is to look at. */
const incidentOf = (here: Installation): unknown =>
  ask(
    here.workspace,
    path.join(here.stateDirectory, 'history.db'),
    'SELECT "row" FROM incident WHERE closed_at IS NULL',
  );

/** Restored by itself: as the backup was, under the application that had it open, and all of it told. */
async function expectRestored(scene: Scene, row = 'R11'): Promise<void> {
  const { site: here, result, job, application, inode } = scene;
  expect({ code: result.code, outcome: job.outcome, why: job.error }).toMatchObject({ code: 4, outcome: 'restored' });
  expect(guardOf(scene)).toMatchObject({ row });
  expect(auditOf(here).slice(-2)).toEqual([`${row} restore restored`, `${row} nothing restored`]);
  expect(fs.statSync(here.database).ino).toBe(inode);
  const rows = await application.ask('SELECT count(*) FROM logs');
  expect(rows).toBe(sealedIn(here)?.manifest.tables['logs']);
  expect(contentsOf(here.database)).toEqual(contentsOfSealed(here));
  expect(await application.ask(insertRow)).toBe(1);
  expect(contentsOf(here.database)).not.toEqual(contentsOfSealed(here));
  expect(fs.readdirSync(guardOf(scene).quarantine ?? '')).toEqual(
    expect.arrayContaining(['logs.db', 'quarantine.json']),
  );
  expect(incidentOf(here)).toBe(row);
  // The one from before, and the one of what is there now.
  expect(here.backups()).toHaveLength(2);
}

/** Left as it is for somebody to look at. */
function expectHeld(scene: Scene, row: string): void {
  const { site: here, result, job } = scene;
  expect({ code: result.code, outcome: job.outcome, why: job.error }).toMatchObject({ code: 4, outcome: 'held' });
  expect(guardOf(scene)).toMatchObject({ row });
  expect(auditOf(here).at(-1)).toMatch(`${row} `);
  expect(auditOf(here)).not.toContain(`${row} nothing restored`);
  expect(incidentOf(here)).toBe(row);
}

/** Failed, and nothing restored. */
function expectFailed(scene: Scene, row: string, code: string): void {
  const { site: here, result, job } = scene;
  expect({ code: result.code, outcome: job.outcome, error: job.error?.code }).toEqual({
    code: 1,
    outcome: 'failed',
    error: code,
  });
  expect(auditOf(here)).toEqual([expect.stringMatching(`^${row} `)]);
  expect(job.error?.message).not.toContain('\n');
}

const zeroed: Meddle = ({ database }) => zeroPages(database, 20, 3);

/** Of a known page, so that it hits what a check looks at: the beginning of the 25th. */
const randomKilobyte = (file: string): void =>
  overwrite(file, 24 * 4096, Buffer.from(Array.from({ length: 1024 }, (_, at) => (at * 7919 + 13) % 251)));

describe('damaged after the backup was sealed, and nothing committed since: restored', () => {
  const damages: [string, 'wal' | 'delete', (file: string) => void][] = (['wal', 'delete'] as const).flatMap((mode) => [
    ['pages zeroed', mode, (file) => zeroPages(file, 20, 3)],
    ['a random kilobyte', mode, randomKilobyte],
  ]);
  test.for([
    ...damages,
    ['truncated', 'wal', (file) => truncate(file, 200_000)],
    ['the magic gone', 'delete', overwriteHeader],
    ['the header gone', 'wal', (file) => overwrite(file, 0, Buffer.alloc(100))],
    ['page 1 gone', 'wal', (file) => overwrite(file, 0, Buffer.alloc(4096))],
  ] as typeof damages)('%s, in %s mode', async ([, journalMode, damage], context) => {
    const scene = await meanwhile(context, [['ended', ({ database }) => damage(database)]], { journalMode });
    expect(guardOf(scene)).toMatchObject({ committed: 'none' });
    await expectRestored(scene);
  });
});

test('truncated in rollback-journal mode, while nobody else has it open: restored', async (context) => {
  const meddle: Meddle = async ({ database }, application) => {
    await application.end();
    truncate(database, 200_000);
  };
  const scene = await meanwhile(context, [['ended', meddle]], { journalMode: 'delete' });
  expect(guardOf(scene)).toMatchObject({ committed: 'none' });
  await expectRestored({ ...scene, application: await startApplication(scene.site.database) });
});

test('damaged before the operation begins: it is not begun, and restored', async (context) => {
  const scene = await meanwhile(context, [['sealed', zeroed]]);
  expect(scene.result.stderr).toContain('the operation was not begun');
  await expectRestored(scene);
});

test('damage that the vacuum itself would launder, rows fewer and nobody has committed: restored', async (context) => {
  const meddle: Meddle = async ({ database }, application) => {
    const root = Number(await application.ask(`SELECT rootpage FROM sqlite_schema WHERE name = 'plain'`));
    forgetLastRow(database, root);
  };
  const scene = await meanwhile(context, [['begins', meddle]]);
  expect(scene.job.facts['execution']).toBeDefined();
  expect(scene.job.summary).toContain('plain: 1, was 2');
  await expectRestored(scene);
});

/** One cell fewer in the page's header: the row is there, and nothing says so. VACUUM then forgets it without a word. */
function forgetLastRow(file: string, page: number): void {
  const descriptor = fs.openSync(file, 'r');
  const cells = Buffer.alloc(2);
  fs.readSync(descriptor, cells, 0, 2, (page - 1) * 4096 + 3);
  fs.closeSync(descriptor);
  cells.writeUInt16BE(cells.readUInt16BE(0) - 1, 0);
  overwrite(file, (page - 1) * 4096 + 3, cells);
}

describe('an application with journal_mode=MEMORY is killed in the middle of its VACUUM', () => {
  /** Before its 20th write to the file. With a small cache it writes pages early, and the one with the counter last. */
  const killed = async (context: TestContext, cacheSize: number): Promise<Scene & { readonly hasMoved: boolean }> => {
    let hasMoved = false;
    const meddle: Meddle = async ({ database }) => {
      const before = counterOf(database);
      const fault = { match: 'data/logs.db', operations: ['write'], action: 'KILL', at: 20 } as const;
      const other = await startApplication(database, faultEnvironment(context, fault));
      for (const pragma of ['journal_mode = MEMORY', `cache_size = ${cacheSize}`]) await other.ask(`PRAGMA ${pragma}`);
      await expect(other.ask('VACUUM')).rejects.toThrow('SIGKILL');
      hasMoved = counterOf(database) !== before;
    };
    const scene = await meanwhile(context, [['ended', meddle]], { journalMode: 'delete', job: 'reindex' });
    return { ...scene, hasMoved };
  };
  const counterOf = (file: string): string => fs.readFileSync(file).subarray(24, 28).toString('hex');

  test('before the counter of commits had moved: nothing was committed, restored', async (context) => {
    const scene = await killed(context, 8);
    expect(scene.hasMoved).toBe(false);
    await expectRestored(scene);
  });

  test('after it had moved: not provable, held', async (context) => {
    const scene = await killed(context, 2000);
    expect(scene.hasMoved).toBe(true);
    expectHeld(scene, 'R12');
  });
});

describe('what cannot be proven to lose nothing is held', () => {
  const headerGone = (file: string): void => overwrite(file, 0, Buffer.alloc(100));
  const pageGone = (file: string): void => overwrite(file, 0, Buffer.alloc(4096));
  const cases: [string, 'wal' | 'delete', (file: string) => void, string][] = [
    ['the header gone', 'delete', headerGone, 'R12'],
    ['page 1 gone', 'delete', pageGone, 'R12'],
    ['truncated to nothing', 'delete', (file) => truncate(file, 0), 'R9'],
  ];
  test.for(cases)('%s, in %s mode', async ([, journalMode, damage, row], context) => {
    let after = '';
    const meddle: Meddle = ({ database }) => {
      damage(database);
      after = sha256Of(database);
    };
    const scene = await meanwhile(context, [['ended', meddle]], { journalMode });
    expectHeld(scene, row);
    expect(sha256Of(scene.site.database)).toBe(after);
  });

  test('truncated in rollback-journal mode, while others have it open: who writes would be given the numbers of missing pages', async (context) => {
    const cut: Meddle = ({ database }) => truncate(database, 200_000);
    const scene = await meanwhile(context, [['ended', cut]], { journalMode: 'delete' });
    expectHeld(scene, 'R13');
    expect(scene.job.summary).toContain('while others have it open: stop what uses it, and restore again');
    expect(fs.statSync(scene.site.database).size).toBe(200_000);
    await expect(scene.application.ask('SELECT count(*) FROM logs')).rejects.toThrow('malformed');
  });

  test.for(['wal', 'delete'] as const)(
    'a commit between the decision and the restore, in %s mode',
    async (journalMode, context) => {
      const commit: Meddle = async (_site, application) => {
        await application.ask('CREATE TABLE squeezed (id INTEGER PRIMARY KEY)');
      };
      const scene = await meanwhile(
        context,
        [
          ['ended', zeroed],
          ['decided', commit],
        ],
        { journalMode },
      );
      expectHeld(scene, 'R12');
      expect(auditOf(scene.site)).toEqual(['R11 restore restored', 'R12 hold held']);
      expect(await scene.application.ask(`SELECT count(*) FROM sqlite_schema WHERE name = 'squeezed'`)).toBe(1);
    },
  );
});

describe('others have committed since', () => {
  const since: Meddle = async (here, application) => {
    await application.ask(insertRow);
    await application.ask(`UPDATE logs SET severity = 'changed' WHERE rowid = 1`);
    if ((await application.ask('PRAGMA journal_mode')) === 'wal')
      await application.ask('PRAGMA wal_checkpoint(PASSIVE)');
    await zeroed(here, application);
  };
  const salvaged = (scene: Scene): unknown =>
    ask(
      scene.site.workspace,
      path.join(guardOf(scene).quarantine ?? '', 'salvage.db'),
      `SELECT group_concat(log_id = 'since' OR severity = 'changed') FROM logs`,
    );

  test.for(['wal', 'delete'] as const)('held, quarantined and salvaged, in %s mode', async (journalMode, context) => {
    const scene = await meanwhile(context, [['ended', since]], { journalMode });
    expectHeld(scene, 'R12');
    expect(guardOf(scene)).toMatchObject({ committed: 'some', salvagedRows: 2 });
    expect(salvaged(scene)).toBe('1,1');
    expect(scene.job.summary).toContain(
      `restore --database logs --from ${sealedIn(scene.site)?.stem ?? ''} --in-place`,
    );
    // Nothing is lost: what was committed stands in the damaged file still.
    expect(await scene.application.ask('SELECT log_id FROM logs WHERE rowid = 201')).toBe('since');
  });

  test('restored after the salvage where the operator has said so: on_damage: restore_lossy', async (context) => {
    const scene = await meanwhile(context, [['ended', since]], { schedule: { on_damage: 'restore_lossy' } });
    expect(auditOf(scene.site)[0]).toBe('R12 save held');
    expect(salvaged(scene)).toBe('1,1');
    await expectRestored(scene, 'R12');
  });
});

describe('not readable for another reason than damage: nothing is restored', () => {
  const nobody = 65_534;

  test('permission taken away: R3', async (context) => {
    context.skip(process.getuid?.() !== 0, 'only root can run the program as another user');
    const here = site({});
    for (const name of ['', ...fs.readdirSync(here.workspace.directory, { recursive: true, encoding: 'utf8' })])
      fs.chownSync(here.workspace.path(name), nobody, nobody);
    const scene = await meanwhile(context, [['ended', ({ database }) => fs.chmodSync(database, 0)]], {
      site: here,
      run: { uid: nobody },
    });
    expectFailed(scene, 'R3', 'permission');
    fs.chmodSync(here.database, 0o600);
    expect(await scene.application.ask('SELECT count(*) FROM logs')).toBe(200);
  });

  test('locked by another process: R2', async (context) => {
    const lock: Meddle = async ({ database }) => {
      await holdLock({ path: database, mode: 'exclusive' });
    };
    const scene = await meanwhile(context, [['ended', lock]], { journalMode: 'delete' });
    expectFailed(scene, 'R2', 'busy');
  });

  test('its disk unmounted: R9, and nothing is made in its place', async (context) => {
    await withSmallDisk(context, 20, async (disk) => {
      const database = path.join(disk, 'logs.db');
      const here = site({}, { databases: { logs: { path: database } } });
      fs.copyFileSync(here.database, database);
      const unmount: Meddle = () => void execFileSync('umount', ['--lazy', disk]);
      const scene = await meanwhile(context, [['ended', unmount]], { site: { ...here, database } });
      expect({ code: scene.result.code, outcome: scene.job.outcome }).toEqual({ code: 4, outcome: 'held' });
      expect(auditOf(here)).toEqual(['R9 hold held']);
      expect(fs.readdirSync(disk)).toEqual([]);
    });
  });

  test('another file in its place: R9, and neither is touched', async (context) => {
    let hash = '';
    const replace: Meddle = ({ database }) => {
      fs.copyFileSync(database, `${database}.other`);
      fs.renameSync(`${database}.other`, database);
      hash = sha256Of(database);
    };
    const scene = await meanwhile(context, [['ended', replace]]);
    expectHeld(scene, 'R9');
    expect(guardOf(scene).quarantine).toBeNull();
    expect(sha256Of(scene.site.database)).toBe(hash);
  });

  test('a collation that only the application has: R6', async (context) => {
    const collate: Meddle = async (_site, application) => {
      await application.ask('CREATE INDEX by_word ON plain (word)');
      await application.ask('PRAGMA writable_schema = ON');
      await application.ask(
        `UPDATE sqlite_schema SET sql = replace(sql, '(word)', '(word COLLATE german)') WHERE name = 'by_word'`,
      );
    };
    const scene = await meanwhile(context, [['ended', collate]]);
    expectFailed(scene, 'R6', 'unverifiable');
    const again = async (): Promise<JobOfReport> =>
      jobOf(await scene.site.run(['--run-now', 'weekly', '--json']), 'vacuum');
    expect(await again()).toMatchObject({
      outcome: 'skipped',
      summary: expect.stringMatching(
        /^vacuum was given up on .* \(R6: .*`debuggle-maintenance ack logs` lets it try again$/,
      ) as unknown,
    });
    expect((await scene.site.run(['ack', 'logs'])).code).toBe(0);
    // By now there is nothing to gain; but it has looked.
    expect((await again()).summary).not.toContain('given up');
  });

  test.for([
    ['read', 'ended'],
    ['write', 'begins'],
    ['fsync', 'begins'],
  ] as const)('the storage fails to %s: R4', async ([operation, moment], context) => {
    const here = site({});
    const failing = here.workspace.path('failing');
    const fault = {
      match: 'data/logs.db',
      operations: [operation],
      action: 5,
      count: 1_000_000,
      when: failing,
    } as const;
    const scene = await meanwhile(context, [[moment, () => fs.writeFileSync(failing, '')]], {
      site: here,
      run: { env: faultEnvironment(context, fault) },
    });
    expectFailed(scene, 'R4', 'io');
    expect(incidentOf(here)).toBe('R4');
    expect(await scene.application.ask('PRAGMA integrity_check')).toBe('ok');
    expect(await scene.application.ask('SELECT count(*) FROM logs')).toBe(200);
  });
});
