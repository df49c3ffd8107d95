/**
 * What befalls a database while the weekly maintenance works on it, by the real program: it is held still between two of its steps, and
 * something is done to the file by others. Restored where the maintenance left damage and nothing is lost by it; held otherwise.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, type TestContext, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { type Application, startApplication, startApplications } from '../helpers/application.js';
import { overwrite, overwriteHeader, truncate, zeroPages } from '../helpers/corrupt.js';
import { faultEnvironment, pauseBefore } from '../helpers/fault.js';
import { ask, type Installation, install, type JobOfReport, jobOf, sha256Of } from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';
import type { ProgramOptions, ProgramResult } from '../helpers/program.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type AtEnd, atEndOfAll } from '../helpers/workspace.js';

/** Lines of the log: the program stands still before it writes one, and what comes before that is done. */
const moments = {
  sealed: 'the backup from before is sealed',
  begins: 'the operation begins',
  ended: 'the operation has ended and will be checked',
  decided: 'guard decided',
} as const;

/** Done to the database while the program stands still at that moment. */
type Meddle = (site: Site, application: Application) => Promise<void> | void;
type Meddling = readonly [keyof typeof moments, Meddle];

/** An installation as one of its databases sees it. */
interface Site extends Installation {
  readonly name: string;
}

interface Scene {
  readonly site: Site;
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
  readonly site?: Site;
  readonly run?: ProgramOptions;
}

const jobs = { vacuum: { min_reclaimable: '10kB', rehearse: false }, reindex: { when: 'always', rehearse: false } };
const weekly = (job: string, over: object = {}) => ({
  schedules: { weekly: { cron: '0 3 * * 0', jobs: [job, 'report'], ...over } },
});

/** A third of the rows is deleted, so that there is something to vacuum. */
function delve(file: string): void {
  const database = new Database(file);
  database.exec('DELETE FROM logs WHERE rowid > 200; CREATE TABLE plain (id INTEGER PRIMARY KEY, word TEXT)');
  database.exec(`INSERT INTO plain (word) VALUES ('a'), ('b')`);
  database.close();
}

function site({ journalMode = 'wal', schedule = {}, job = 'vacuum' }: Options, config: object = {}): Site {
  const here = install({ rows: 300, journalMode, config: { ...weekly(job, schedule), jobs, ...config } });
  delve(path.join(here.workspace.directory, 'data', 'logs.db'));
  return { ...here, name: 'logs' };
}

/** Does to the database what is to be done at each moment, while the program stands still there. */
async function meddleWith(
  here: Site,
  application: Application,
  { meddling, journalMode }: { meddling: readonly Meddling[]; journalMode?: 'wal' | 'delete' | undefined },
  at: (moment: Meddling[0], deed: () => Promise<void>) => Promise<void>,
): Promise<void> {
  for (const [moment, meddle] of meddling) {
    await at(moment, async () => {
      // What is in the log goes into the file, and is no commit: damage to the file is damage to the database then.
      if (journalMode !== 'delete') await application.ask('PRAGMA wal_checkpoint(PASSIVE)');
      await meddle(here, application);
    });
  }
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
  await meddleWith(here, application, { meddling, journalMode: options.journalMode }, async (moment, deed) => {
    await pauses.reached(moments[moment], running);
    await deed();
    pauses.end(moments[moment]);
  });
  const result = await running;
  return { site: here, result, job: jobOf(result, options.job ?? 'vacuum'), application, inode };
}

/** What befalls one of several databases that one run works on, each in its turn. */
interface Part {
  readonly journalMode: 'wal' | 'delete';
  readonly meddling: readonly Meddling[];
}

/** One weekly run over several databases. */
async function together(
  context: TestContext,
  parts: Readonly<Record<string, Part>>,
  atEnd: AtEnd,
): Promise<ReadonlyMap<string, Scene>> {
  const databases: Record<string, unknown> = { logs: undefined };
  for (const name of Object.keys(parts))
    databases[name] = { path: `./data/${name}/logs.db`, backup_directory: `./backups/${name}` };
  const here = install({ rows: 0, config: { databases, ...weekly('vacuum'), jobs }, atEnd });
  fs.mkdirSync(here.backupDirectory, { mode: 0o700 });
  const sites = Object.entries(parts).map(([name, { journalMode }]): Site => {
    const database = here.workspace.path('data', name, 'logs.db');
    fs.mkdirSync(path.dirname(database), { mode: 0o700 });
    createDebuggleDatabase(database, { rows: 300, journalMode });
    delve(database);
    return { ...here, name, database, backups: () => here.backups(path.join(here.backupDirectory, name)) };
  });
  const applications = await startApplications(
    sites.map(({ database }) => database),
    atEnd,
  );
  const inodes = sites.map(({ database }) => fs.statSync(database).ino);
  const text = (name: string, moment: Meddling[0]): string => `"database":"${name}"\t${moments[moment]}`;
  const texts = Object.entries(parts).flatMap(([name, { meddling }]) => meddling.map(([moment]) => text(name, moment)));
  const pauses = pauseBefore(context, texts, here.workspace.path('gate'));
  const running = here.run(['--run-now', 'weekly', '--json'], { env: pauses.env, timeoutMs: togetherMs });
  for (const [index, part] of Object.values(parts).entries()) {
    const [one, application] = [sites[index], applications[index]];
    if (one === undefined || application === undefined) throw new Error('there is a site and an application for each');
    await meddleWith(one, application, part, async (moment, deed) => {
      await pauses.reached(text(one.name, moment), running);
      await deed();
      pauses.end(text(one.name, moment));
    });
  }
  const result = await running;
  return new Map(
    sites.flatMap((one, index) => {
      const [application, inode] = [applications[index], inodes[index]];
      if (application === undefined || inode === undefined) return [];
      return [[one.name, { site: one, result, job: jobOf(result, 'vacuum', one.name), application, inode }]];
    }),
  );
}

const togetherMs = 240_000;

/**
 * For a `describe`: the scenes of one run, which the first test that asks for one starts.
 * @returns the scene of that name; skips the test where such scenes cannot be made
 */
function scenesOf(parts: Readonly<Record<string, Part>>): (context: TestContext, name: string) => Promise<Scene> {
  const atEnd = atEndOfAll();
  let scenes: Promise<ReadonlyMap<string, Scene>> | undefined;
  return async (context, name) => {
    faultEnvironment(context, { match: '', action: 'COUNT' });
    scenes ??= together(context, parts, atEnd);
    const scene = (await scenes).get(name);
    if (scene === undefined) throw new Error(`there is no scene ${name}`);
    return scene;
  };
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

const sealedIn = (here: Site) => here.backups().find(({ manifest }) => manifest.pre_operation === true);

function contentsOfSealed(here: Site): unknown {
  const copy = here.workspace.path('sealed.db');
  fs.copyFileSync(sealedIn(here)?.path ?? '', copy);
  return contentsOf(copy);
}

const guardOf = ({ job }: Scene) =>
  job.facts['guard'] as { row: string; committed: string; quarantine: string | null; salvagedRows: number | null };

function auditOf(here: Site): string[] {
  const lines = fs.readFileSync(path.join(here.stateDirectory, 'audit.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as Record<string, string>)
    .filter(({ database }) => database === here.name)
    .map(({ row, do: deed, outcome }) => `${row} ${deed} ${outcome}`);
}

/** The row that somebody is to look at. */
const incidentOf = (here: Site): unknown =>
  ask(
    here.workspace,
    path.join(here.stateDirectory, 'history.db'),
    `SELECT "row" FROM incident WHERE closed_at IS NULL AND database = '${here.name}'`,
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

/** At the moment after the operation, and before it is checked. */
const whenEnded = (journalMode: Part['journalMode'], meddle: Meddle): Part => ({
  journalMode,
  meddling: [['ended', meddle]],
});

describe('restored, in one run over all of these:', { timeout: togetherMs + 30_000 }, () => {
  const cut = (file: string): void => truncate(file, 200_000);
  const damages: [what: string, mode: Part['journalMode'], name: string, damage: (file: string) => void][] = [
    ['pages zeroed', 'wal', 'zeroed-wal', (file) => zeroPages(file, 20, 3)],
    ['a random kilobyte', 'wal', 'random-wal', randomKilobyte],
    ['pages zeroed', 'delete', 'zeroed-delete', (file) => zeroPages(file, 20, 3)],
    ['a random kilobyte', 'delete', 'random-delete', randomKilobyte],
    ['truncated', 'wal', 'cut-wal', cut],
    ['truncated', 'delete', 'cut-delete', cut],
    ['the magic gone', 'delete', 'magic-delete', overwriteHeader],
    ['the header gone', 'wal', 'header-wal', (file) => overwrite(file, 0, Buffer.alloc(100))],
    ['page 1 gone', 'wal', 'page-wal', (file) => overwrite(file, 0, Buffer.alloc(4096))],
  ];
  const sceneOf = scenesOf({
    ...Object.fromEntries(
      damages.map(([, mode, name, damage]) => [name, whenEnded(mode, ({ database }) => damage(database))]),
    ),
    alone: whenEnded('delete', async ({ database }, application) => {
      await application.close();
      cut(database);
    }),
    early: { journalMode: 'wal', meddling: [['sealed', zeroed]] },
    laundered: {
      journalMode: 'wal',
      meddling: [
        [
          'begins',
          async ({ database }, application) => {
            const root = Number(await application.ask(`SELECT rootpage FROM sqlite_schema WHERE name = 'plain'`));
            forgetLastRow(database, root);
          },
        ],
      ],
    },
  });

  test.for(damages)(
    'damaged after the backup was sealed, and nothing committed since: %s, in %s mode',
    async ([, , name], context) => {
      const scene = await sceneOf(context, name);
      expect(guardOf(scene)).toMatchObject({ committed: 'none' });
      await expectRestored(scene);
    },
  );

  test('truncated in rollback-journal mode, while nobody else has it open', async (context) => {
    const scene = await sceneOf(context, 'alone');
    expect(guardOf(scene)).toMatchObject({ committed: 'none' });
    await expectRestored({ ...scene, application: await startApplication(scene.site.database) });
  });

  test('damaged before the operation begins: it is not begun', async (context) => {
    const scene = await sceneOf(context, 'early');
    const lines = scene.result.stderr.split('\n').filter((line) => line.includes('the operation was not begun'));
    expect(lines).toEqual([expect.stringContaining('"database":"early"')]);
    await expectRestored(scene);
  });

  test('damage that the vacuum itself would launder, rows fewer and nobody has committed', async (context) => {
    const scene = await sceneOf(context, 'laundered');
    expect(scene.job.facts['execution']).toBeDefined();
    expect(scene.job.summary).toContain('plain: 1, was 2');
    await expectRestored(scene);
  });
});

test('killed when it had set out to restore rows that the vacuum lost: held at the next start, and not called restored', async (context) => {
  const here = site({});
  const application = await startApplication(here.database);
  const pauses = pauseBefore(context, [moments.begins], here.workspace.path('gate'));
  // Before the first file is in quarantine: nothing of the database has changed since the vacuum.
  const fault = faultEnvironment(context, { match: '/quarantine/', operations: ['open'], action: 'KILLGROUP' });
  const running = here.run(['--run-now', 'weekly'], { env: { ...fault, ...pauses.env } });
  await pauses.reached(moments.begins, running);
  await application.ask('PRAGMA wal_checkpoint(PASSIVE)');
  const root = Number(await application.ask(`SELECT rootpage FROM sqlite_schema WHERE name = 'plain'`));
  forgetLastRow(here.database, root);
  pauses.end(moments.begins);
  expect((await running).signal).toBe('SIGKILL');
  expect(auditOf(here)).toEqual(['R11 restore restored']);

  const next = await here.run(['--run-now', 'weekly', '--json']);
  const found = next.logLines.find(({ msg }) => msg === 'a restore was found unfinished');
  expect(found).toMatchObject({ restore: 'as-it-was' });
  expect(auditOf(here).at(-1)).toBe('R1 hold held');
  expect(incidentOf(here)).toBe('R1');
  expect(jobOf(next, 'vacuum')).toMatchObject({ outcome: 'skipped' });
  const { stdout } = await here.run(['status']);
  expect(stdout).toContain('could not be compared');
  expect(stdout).toContain(sealedIn(here)?.stem);
  expect(await application.ask('SELECT count(*) FROM plain')).toBe(1);
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

const since: Meddle = async (here, application) => {
  await application.ask(insertRow);
  await application.ask(`UPDATE logs SET severity = 'changed' WHERE rowid = 1`);
  if ((await application.ask('PRAGMA journal_mode')) === 'wal') await application.ask('PRAGMA wal_checkpoint(PASSIVE)');
  await zeroed(here, application);
};

/** Whether the rows that have come or changed since are in the salvage. */
const salvaged = (scene: Scene): unknown =>
  ask(
    scene.site.workspace,
    path.join(guardOf(scene).quarantine ?? '', 'salvage.db'),
    `SELECT group_concat(log_id = 'since' OR severity = 'changed') FROM logs`,
  );

describe('held, in one run over all of these:', { timeout: togetherMs + 30_000 }, () => {
  const hashes = new Map<string, string>();
  /** What is there afterwards, is to stay. */
  const thenHashed =
    (damage: (file: string) => void): Meddle =>
    ({ database, name }) => {
      damage(database);
      hashes.set(name, sha256Of(database));
    };
  const squeeze: Meddle = async (_site, application) => {
    await application.ask('CREATE TABLE squeezed (id INTEGER PRIMARY KEY)');
  };
  const squeezed = (journalMode: Part['journalMode']): Part => ({
    journalMode,
    meddling: [
      ['ended', zeroed],
      ['decided', squeeze],
    ],
  });
  const replace = (file: string): void => {
    fs.copyFileSync(file, `${file}.other`);
    fs.renameSync(`${file}.other`, file);
  };
  const sceneOf = scenesOf({
    header: whenEnded(
      'delete',
      thenHashed((file) => overwrite(file, 0, Buffer.alloc(100))),
    ),
    page: whenEnded(
      'delete',
      thenHashed((file) => overwrite(file, 0, Buffer.alloc(4096))),
    ),
    emptied: whenEnded(
      'delete',
      thenHashed((file) => truncate(file, 0)),
    ),
    'squeezed-wal': squeezed('wal'),
    'squeezed-delete': squeezed('delete'),
    'since-wal': whenEnded('wal', since),
    'since-delete': whenEnded('delete', since),
    replaced: whenEnded('wal', thenHashed(replace)),
  });

  test.for([
    ['the header gone', 'header', 'R12'],
    ['page 1 gone', 'page', 'R12'],
    ['truncated to nothing', 'emptied', 'R9'],
  ] as const)('what cannot be proven to lose nothing: %s, in delete mode', async ([, name, row], context) => {
    const scene = await sceneOf(context, name);
    expectHeld(scene, row);
    expect(sha256Of(scene.site.database)).toBe(hashes.get(name));
  });

  test.for(['wal', 'delete'] as const)(
    'a commit between the decision and the restore, in %s mode',
    async (journalMode, context) => {
      const scene = await sceneOf(context, `squeezed-${journalMode}`);
      expectHeld(scene, 'R12');
      expect(auditOf(scene.site)).toEqual(['R11 restore restored', 'R12 hold held']);
      expect(await scene.application.ask(`SELECT count(*) FROM sqlite_schema WHERE name = 'squeezed'`)).toBe(1);
    },
  );

  test.for(['wal', 'delete'] as const)(
    'others have committed since: quarantined and salvaged, in %s mode',
    async (journalMode, context) => {
      const scene = await sceneOf(context, `since-${journalMode}`);
      expectHeld(scene, 'R12');
      expect(guardOf(scene)).toMatchObject({ committed: 'some', salvagedRows: 2 });
      expect(salvaged(scene)).toBe('1,1');
      expect(scene.job.summary).toContain(
        `restore --database ${scene.site.name} --from ${sealedIn(scene.site)?.stem ?? ''} --in-place`,
      );
      // Nothing is lost: what was committed stands in the damaged file still.
      expect(await scene.application.ask('SELECT log_id FROM logs WHERE rowid = 201')).toBe('since');
    },
  );

  test('another file in its place: R9, and neither is touched', async (context) => {
    const scene = await sceneOf(context, 'replaced');
    expectHeld(scene, 'R9');
    expect(guardOf(scene).quarantine).toBeNull();
    expect(sha256Of(scene.site.database)).toBe(hashes.get('replaced'));
  });
});

test('others have committed since: restored after the salvage where the operator has said so: on_damage: restore_lossy', async (context) => {
  const scene = await meanwhile(context, [['ended', since]], { schedule: { on_damage: 'restore_lossy' } });
  expect(auditOf(scene.site)[0]).toBe('R12 save held');
  expect(salvaged(scene)).toBe('1,1');
  await expectRestored(scene, 'R12');
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
