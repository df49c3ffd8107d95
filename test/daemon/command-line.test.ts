/** The command line of the real program: exit codes, messages, and what the reading calls print. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { type Call, callInTurn } from '../helpers/calls.js';
import { contentOf, entriesOf, type Installation, install, reportOf } from '../helpers/installation.js';
import { runProgram } from '../helpers/program.js';
import { atEndOfAll } from '../helpers/workspace.js';

const program = path.join(import.meta.dirname, '..', '..', 'dist', 'daemon.js');

describe('a slip of the hand: exit 2, one line, and what was meant', () => {
  type Slip = readonly [args: readonly string[], message: string];
  const slips: readonly Slip[] = [
    [['statsu'], 'there is no command statsu: did you mean `status`?'],
    [['--run-now', 'dialy'], 'did you mean daily?'],
    [['--run-now', 'yearly-prune'], 'there are: hourly, daily, verify-backup'],
    [['--run-now', 'daily', '--database', 'lgos'], 'did you mean logs?'],
    [['status', '--database', 'lgos'], 'did you mean logs?'],
    [['--database', 'lgos'], 'did you mean logs?'],
    [['ack', 'lgos'], 'did you mean logs?'],
    ...['next', 'report', 'backups', 'check-config', 'notify-test'].map(
      (command): Slip => [[command, '--database', 'lgos'], 'did you mean logs?'],
    ),
    [['--dry-runs'], '(Did you mean --dry-run?)'],
    [['--dry-run'], '--dry-run goes with --run-now SCHEDULE'],
    [['--run-now', 'daily', '--wait', 'long'], '--wait takes a number of seconds'],
    [['next', '-n', '0'], '-n takes a number from 1 to 1000'],
    [['restore', '--to', 'x.db'], 'restore needs exactly one --database NAME'],
    [['restore', '--database', 'logs'], 'restore needs --to FILE'],
    [['keep', 'logs-2020'], 'there is no backup logs-2020'],
  ];
  const atEnd = atEndOfAll();
  let site: Installation;
  let calls: readonly Call[];
  beforeAll(async () => {
    site = install({ rows: 0, atEnd });
    calls = await callInTurn(
      site.file,
      slips.map(([args]) => args),
    );
  });

  test.for(slips.map(([args, message], index) => [args, message, index] as const))('%j', ([args, message, index]) => {
    expect(calls[index]).toMatchObject({
      args,
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(message) as unknown,
    });
    expect(calls[index]?.stderr).not.toMatch(/^\s+at /m);
    expect(entriesOf(site.backupDirectory)).toEqual([]);
  });

  test('the process ends with that code', async () => {
    expect(await site.run(['statsu'])).toMatchObject({ code: 2, stdout: '', stderr: calls[0]?.stderr });
  });
});

describe('the configuration', () => {
  test('check-config finds no mistake in a right one: exit 0, and nothing is created', async () => {
    const site = install({ rows: 0 });
    const before = contentOf(site.workspace.directory);
    const { code, stdout, stderr } = await site.run(['check-config']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`${site.file}: valid; 1 database`);
    expect(contentOf(site.workspace.directory)).toEqual(before);
  });

  test('with mistakes ends check-config, a run, status and the daemon with 78, each mistake with line and column', async () => {
    const site = install({ rows: 0 });
    fs.writeFileSync(
      site.file,
      'databases:\n  logs:\n    pth: ./logs.db\n    backup_directory: ./backups\nschedules:\n  daily: { cron: "0 2 * * *", jobs: [bakup] }\n',
    );
    const calls = await callInTurn(site.file, [['check-config'], ['--run-now', 'daily'], ['status']]);
    for (const { args, code, stdout, stderr } of [...calls, { args: [], ...(await site.run([])) }]) {
      expect({ args, code }).toEqual({ args, code: 78 });
      const said = `${stdout}${stderr}`.trimEnd().split('\n');
      expect(said).toContainEqual(expect.stringContaining(`${site.file}:3:5: databases.logs.pth: `));
      expect(said).toContainEqual(expect.stringMatching(/did you mean `path`\?/));
      expect(said).toContainEqual(expect.stringMatching(/^.*:6:\d+: schedules\.daily\.jobs.*did you mean `backup`\?/));
      expect(entriesOf(site.stateDirectory)).toEqual([]);
    }
  });

  test('that is not there is named: exit 78', async () => {
    const { code, stderr } = await runProgram(['--config', '/nowhere/config.yaml', 'status']);
    expect(code).toBe(78);
    expect(stderr).toContain('/nowhere/config.yaml');
  });

  test('that lists one file twice, by whatever path, is refused by all that works: exit 78', async () => {
    const databases = { same: { path: './data/same.db', backup_directory: './other' } };
    const site = install({ config: { databases } });
    fs.linkSync(site.database, site.workspace.path('data', 'same.db'));
    expect(await site.run(['check-config'])).toMatchObject({ code: 78 });
    fs.rmSync(site.workspace.path('data', 'same.db'));
    fs.symlinkSync('logs.db', site.workspace.path('data', 'same.db'));
    const calls = await callInTurn(site.file, [['check-config'], ['--run-now', 'daily'], []]);
    for (const { args, code, stdout, stderr } of calls) {
      expect({ args, code }).toEqual({ args, code: 78 });
      expect(`${stdout}${stderr}`).toMatch(/config\.yaml:13:11: databases\.same\.path: .* are one file/);
    }
    expect(entriesOf(site.backupDirectory)).toEqual([]);
  });
});

describe('a glob of databases', () => {
  const tenants = (...names: string[]): Installation => tenantsWith({}, ...names);
  const tenantsWith = (options: object, ...names: string[]): Installation => {
    const glob = { path: './data/*.db', backup_directory: './backups', ...options };
    const site = install({ rows: 0, config: { databases: { logs: undefined, tenants: glob } } });
    for (const name of names) createDebuggleDatabase(site.workspace.path('data', name), { rows: 20 });
    return site;
  };

  test('makes each file a database of its own, by whose name it is reported, backed up and asked for', async () => {
    const site = tenants('a.db', 'b.db', 'über uns.db');
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(0);
    const names = ['tenants--a', 'tenants--b', 'tenants--%C3%BCber%20uns'];
    expect(reportOf(result).databases.map(({ name }) => name)).toEqual(names);
    expect(site.backups().map(({ stem }) => stem.replace(/-\d{8}T\d{6}Z-daily$/, ''))).toEqual(names.sort());
    const one = reportOf(await site.run(['--run-now', 'daily', '--database', 'tenants--b', '--json']));
    expect(one.databases.map(({ name }) => name)).toEqual(['tenants--b']);
    expect((await site.run(['--run-now', 'daily', '--database', 'tenants--c'])).code).toBe(2);
    expect((await site.run(['ack', 'tenants'])).stdout).toMatch(/^tenants--a: .*\ntenants--b: .*\ntenants--%C3/);
  });

  test('has a backup directory for each, when told so, and a disk that is gone is not filled for a new one', async () => {
    const site = tenantsWith({ backup_directory: './backups/{database}' }, 'a.db', 'b.db');
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    expect(entriesOf(site.backupDirectory)).toEqual(['tenants--a', 'tenants--b']);
    const own = path.join(site.backupDirectory, 'tenants--b');
    expect(site.backups(own)).toMatchObject([{ stem: expect.stringMatching(/^tenants--b-/) as string }]);
    const copy = site.workspace.path('copy.db');
    expect((await site.run(['restore', '--database', 'tenants--b', '--to', copy])).stdout).toContain('20 rows');

    fs.renameSync(site.backupDirectory, `${site.backupDirectory}.unmounted`);
    createDebuggleDatabase(site.workspace.path('data', 'c.db'), { rows: 20 });
    const gone = await site.run(['--run-now', 'daily', '--database', 'tenants--c']);
    expect(gone.code).toBe(1);
    expect(gone.stderr + gone.stdout).toContain(`directory ${site.backupDirectory} is gone: is its disk mounted?`);
    expect(fs.existsSync(site.backupDirectory)).toBe(false);
    expect((await site.run(['ack', 'tenants--c'])).code).toBe(0);
    expect((await site.run(['--run-now', 'daily', '--database', 'tenants--c'])).code).toBe(0);
  });

  test('that matches nothing is a failure, and the other databases are worked on', async () => {
    const databases = { tenants: { path: './data/tenants/*.db', backup_directory: './other' } };
    const site = install({ config: { databases } });
    const result = await site.run(['--run-now', 'daily', '--json']);
    expect(result.code).toBe(1);
    expect(reportOf(result).databases.map(({ name, outcome }) => [name, outcome])).toEqual([
      ['tenants', 'failed'],
      ['logs', 'succeeded'],
    ]);
  });

  test('in which two files would have one name, or another database is listed, is refused: exit 78', async () => {
    const site = tenants('a.db', 'A.db');
    const alike = await site.run(['check-config']);
    expect(alike.code).toBe(78);
    expect(alike.stdout).toContain('would both be called tenants--');

    const databases = { tenants: { path: './data/*.db', backup_directory: './other' } };
    const overlapping = await install({ config: { databases } }).run(['check-config']);
    expect(overlapping.code).toBe(78);
    expect(overlapping.stdout).toMatch(/config\.yaml:13:11: databases\.tenants\.path: .* are one file/);
  });
});

describe('the reading calls', () => {
  test('print exactly one JSON document with --json, and nothing else; without it status, backups and report are readable', async () => {
    const site = install();
    const [noReport, empty] = await callInTurn(site.file, [['report'], ['status']]);
    expect(noReport?.code).toBe(1);
    expect(empty?.stdout).toMatch(/^logs +\S.* none +none$/m);
    const logged = (): string => fs.readFileSync(site.logFile, 'utf8');
    const one = (text: string): unknown => JSON.parse(text);
    for (const schedule of ['hourly', 'daily']) {
      const { code, stdout, stderr } = await site.run(['--run-now', schedule, '--json']);
      expect(code).toBe(0);
      expect(() => one(stdout)).not.toThrow();
      expect(stderr).toContain('"msg":"run finished"');
    }
    const log = logged();
    const asJson = [
      ['status', '--json'],
      ['--json', 'backups'],
      ['next', '--json'],
      ['--json', 'report'],
      ['check-config', '--json'],
      ['--run-now', 'daily', '--dry-run', '--json'],
    ];
    const answers = await callInTurn(site.file, [['status'], ['backups'], ['report'], ...asJson]);
    for (const { args, code, stdout, stderr } of answers.slice(3)) {
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' });
      expect(() => one(stdout)).not.toThrow();
    }
    expect(logged()).toBe(log);

    const { stem } = site.backup();
    const [status, backups, report] = answers.map(({ stdout }) => stdout);
    expect(status).toMatch(/^no open problems$/m);
    expect(status).toMatch(/^logs +\d+ kB +[\d.]+ m?s ago +none$/m);
    expect(status).toMatch(/^daily +[\d.]+ m?s ago +succeeded +\d{4}-/m);
    expect(backups).toMatch(new RegExp(`^ +${stem} +618 kB +integrity_check +newest`, 'm'));
    expect(report).toContain(stem);
  });

  test('status --json has how a failing job last ended, and databases that are gone', async () => {
    const tenants = { path: 'gone/*.db', backup_directory: 'tenants' };
    const site = install({ rows: 0, config: { databases: { tenants } } });
    await site.run(['--run-now', 'daily', '--database', 'logs']);
    const status = JSON.parse((await site.run(['status', '--json'])).stdout) as unknown;
    expect(status).toMatchObject({
      databases: [
        {
          problems: expect.arrayContaining([
            expect.objectContaining({ job: 'backup', outcome: 'failed', last: expect.any(String) as unknown }),
          ]) as unknown,
        },
      ],
      problems: [{ key: 'tenants/list', message: expect.stringContaining('no file matches') as unknown }],
    });
  });

  test('next tells the coming runs in the configured zone, in order', async () => {
    const site = install({ rows: 0, config: { timezone: 'Asia/Tokyo' } });
    const { code, stdout } = await site.run(['next', '-n', '30']);
    expect(code).toBe(0);
    const [, ...rows] = stdout.trimEnd().split('\n');
    expect(rows).toHaveLength(30);
    const times = rows.map((row) => /^\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d) Asia\/Tokyo/.exec(row)?.[1] ?? '');
    expect(times).toEqual([...times].sort());
    for (const row of rows.filter((each) => each.includes(' daily '))) expect(row).toContain(' 02:00 Asia/Tokyo');
    expect(rows.filter((row) => row.includes(' daily ')).length).toBeGreaterThan(0);
  });

  test('change nothing and create nothing, a dry run included', async () => {
    const site = install();
    const before = contentOf(site.workspace.directory);
    const reading = [['status'], ['backups'], ['next'], ['check-config'], ['--run-now', 'daily', '--dry-run']];
    const calls = await callInTurn(site.file, reading);
    expect(calls.map(({ args, code }) => ({ args, code }))).toEqual(reading.map((args) => ({ args, code: 0 })));
    expect(contentOf(site.workspace.directory)).toEqual(before);
  });

  test('a dry run says that a run would refuse a backup directory that is gone, and makes none', async () => {
    const site = install();
    expect((await site.run(['--run-now', 'daily'])).code).toBe(0);
    fs.renameSync(site.backupDirectory, `${site.backupDirectory}.away`);
    const { code, stdout } = await site.run(['--run-now', 'daily', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/backup: would fail: .* is gone/);
    expect(fs.existsSync(site.backupDirectory)).toBe(false);
  });

  test('a dry run says what each job would do, also where it would fail', async () => {
    const site = install();
    const { stdout } = await site.run(['--run-now', 'daily', '--dry-run']);
    expect(stdout).toMatch(
      /^logs\n {2}backup: copy 618 kB to .*\n {2}integrity: .*\n {2}analyze: .*\n {2}retention: .*\n {2}report: /,
    );
    fs.rmSync(site.database);
    const missing = await site.run(['--run-now', 'daily', '--dry-run']);
    expect(missing.stdout).toContain('backup: would fail: database');
  });
});

describe('a reader that has seen enough ends a call quietly, with the exit code it would have had', () => {
  test.for<[readonly string[], number]>([
    [['--help'], 0],
    [['--version'], 0],
    [['restore', '--help'], 0],
    [['status'], 0],
    [['status', '--json'], 0],
    [['next', '-n', '1000'], 0],
    [['check-config'], 78],
  ])('%j', async ([args, code]) => {
    const site = install({ rows: 0 });
    if (code === 78) fs.appendFileSync(site.file, 'unknown: key\n');
    expect(await intoClosedPipe(['--config', site.file, ...args])).toEqual({ code, stderr: '' });
  });

  test.each([['--help'], ['status', '--json']])(
    'but an answer that a full disk has lost is a failure: %j',
    (...args) => {
      const site = install({ rows: 0 });
      const full = fs.openSync('/dev/full', 'w');
      const { status, stderr } = spawnSync(process.execPath, [program, '--config', site.file, ...args], {
        stdio: ['ignore', full, 'pipe'],
        encoding: 'utf8',
      });
      fs.closeSync(full);
      expect(stderr).toBe('debuggle-maintenance: cannot write to stdout: no space left on the device: free some\n');
      expect(status).toBe(1);
    },
  );
});

test('a run whose reader never reads is ended by SIGTERM once its work is done and recorded', async () => {
  const site = install({ rows: 0 });
  const fifo = site.workspace.path('full');
  execFileSync('mkfifo', [fifo]);
  const pipe = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  while (fill(pipe));
  const end = fs.openSync(fifo, 'w');
  const child = spawn(process.execPath, [program, '--config', site.file, '--run-now', 'hourly', '--json'], {
    stdio: ['ignore', end, 'pipe'],
  });
  fs.closeSync(end);
  onTestFinished(() => void child.kill('SIGKILL'));
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
    if (log.includes('"run finished"')) setInterval(() => child.kill('SIGTERM'), 50).unref();
  });
  expect(await once(child, 'close')).toEqual([null, 'SIGTERM']);
  fs.closeSync(pipe);
});

/** @returns whether there was room for another byte */
function fill(pipe: number): boolean {
  try {
    return fs.writeSync(pipe, 'x') > 0;
  } catch {
    return false;
  }
}

/** Its standard output is a pipe whose reader is gone before the first byte. */
async function intoClosedPipe(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}
