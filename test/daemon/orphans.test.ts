/**
 * Only the parent is killed, in the middle of a backup and of an integrity check: no child is alive a second later, and no two processes
 * ever work on one database.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { holderOf } from '../../src/sqlite/operations/lock.js';
import { runsOf } from '../helpers/aftermath.mjs';
import { entriesOf, type Installation, install } from '../helpers/installation.js';
import { dailyFarFromNow, missRun } from '../helpers/missed-run.js';
import { descendantsOf, isAlive } from '../helpers/processes.js';
import { killIfAlive, type RunningProgram } from '../helpers/program.js';
import { until } from '../helpers/until.js';
import { atEndOfAll, workspace } from '../helpers/workspace.js';

/** What the contract gives children that have lost their parent. */
const orphanLifeMs = 1000;
const schedules = {
  hourly: undefined,
  daily: { cron: dailyFarFromNow(), jobs: ['backup', 'retention', 'report'] },
  'verify-backup': undefined,
  check: { cron: dailyFarFromNow(), jobs: ['integrity', 'report'] },
};

/** Whether the work is in the middle, from what the kernel says of the children. */
type Reached = (site: Installation, children: readonly number[]) => boolean;

const isCopying: Reached = ({ backupDirectory }) =>
  unfinishedIn(backupDirectory).some((file) => fs.statSync(file).size > 20e6);
/** A check maps the copy into memory; copying does not. */
const isChecking: Reached = ({ stateDirectory }, children) =>
  unfinishedIn(path.join(stateDirectory, 'scratch')).some((file) =>
    children.some((pid) => fs.readFileSync(`/proc/${pid}/maps`, 'utf8').includes(file)),
  );

const atEnd = atEndOfAll();
let large: string;
beforeAll(() => {
  large = workspace(atEnd).path('large.db');
  createDebuggleDatabase(large, { sizeBytes: 150e6 });
});

describe.each([
  { phase: 'a backup', schedule: 'daily', reached: isCopying },
  { phase: 'an integrity check', schedule: 'check', reached: isChecking },
])('in the middle of $phase', ({ schedule, reached }) => {
  test('only --run-now is killed: its children are gone within a second, the next run works at once', async () => {
    const site = installOn(large);
    await expectOrphansEnd(site, site.start(['--run-now', schedule]), schedule, reached);
    expect(runsOf(site.stateDirectory).map(({ outcome }) => outcome)).toEqual(['interrupted', 'succeeded']);
  });

  test('only the daemon is killed: its children are gone within a second, the next run works at once', async () => {
    const site = installOn(large);
    missRun(site.stateDirectory, schedule);
    await expectOrphansEnd(site, site.start(), schedule, reached);
    expect(runsOf(site.stateDirectory).map(({ trigger, outcome }) => [trigger, outcome])).toEqual([
      ['catch-up', 'interrupted'],
      ['run-now', 'succeeded'],
    ]);
  });
});

test('a child that hears nothing, held by a system call, is gone within a second of its parent', async (context) => {
  const site = install({ config: { schedules } });
  fs.mkdirSync(site.backupDirectory, { mode: 0o700 });
  // Whoever opens it to read waits for a writer.
  const fifo = path.join(site.backupDirectory, 'logs-20260101T000000Z-daily.json');
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
  if (fs.readFileSync('/proc/self/wchan', 'utf8') === '')
    context.skip('this kernel does not say what processes wait for');
  await expectOrphansEnd(
    site,
    site.start(['--run-now', 'daily']),
    'daily',
    (_, children) => children.some((pid) => fs.readFileSync(`/proc/${pid}/wchan`, 'utf8') === 'wait_for_partner'),
    () => fs.rmSync(fifo),
  );
});

function installOn(database: string): Installation {
  return { ...install({ rows: 0, config: { databases: { logs: { path: database } }, schedules } }), database };
}

test('a child whose parent has died before it was ready is gone within a second', async () => {
  // What the program does when work comes; it dies while its child starts.
  const forkAndDie = `
    import { writeSync, readFileSync } from 'node:fs';
    const { Engine } = await import(process.argv[1]);
    void new Engine({ memoryBytes: 1e9 }).call('freeBytes', { path: '/' });
    writeSync(1, readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8'));
    process.kill(process.pid, 'SIGKILL');
  `;
  const engine = path.join(import.meta.dirname, '..', '..', 'dist', 'engine', 'engine.js');
  const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', forkAndDie, engine], {
    encoding: 'utf8',
  });
  expect(signal).toBe('SIGKILL');
  const child = Number(stdout);
  onTestFinished(() => killIfAlive(child, 'SIGKILL'));
  expect(child).toBeGreaterThan(1);
  await until('the end of the orphan', () => !isAlive(child), 10 * orphanLifeMs);
});

/** Kills the program, and not its children, once the moment has come; the next run is started at once. */
async function expectOrphansEnd(
  site: Installation,
  run: RunningProgram,
  schedule: string,
  reached: Reached,
  afterKill: () => void = () => undefined,
): Promise<void> {
  const children = await until('the middle of the work', () => {
    const found = descendantsOf(run.pid);
    return found.length > 0 && reached(site, found) && found;
  });
  // The lock is the working child's, not its parent's.
  expect(children).toContain(holderOf(path.join(site.backupDirectory, '.logs.lock')));

  run.child.kill('SIGKILL');
  const killed = performance.now();
  afterKill();
  const next = site.start(['--run-now', schedule]);
  const together = workersTogether(site.database, children, next);
  await until('the end of the orphans', () => !children.some(isAlive), 10 * orphanLifeMs);
  expect(performance.now() - killed).toBeLessThan(orphanLifeMs);

  const { stdout, stderr } = next.output();
  expect(await next.exited, stdout + stderr).toEqual({ code: 0, signal: null });
  expect(await together).toEqual([]);
  expect(unfinishedIn(site.backupDirectory)).toEqual([]);
  expect(unfinishedIn(path.join(site.stateDirectory, 'scratch'))).toEqual([]);
}

/** Who had the database open at the same time, of the orphans and of the next run's processes. Looks until that run has ended. */
async function workersTogether(database: string, orphans: readonly number[], next: RunningProgram): Promise<string[]> {
  const inode = fs.statSync(database).ino;
  const found: string[] = [];
  while (next.child.exitCode === null && next.child.signalCode === null) {
    const before = orphans.filter((pid) => hasOpen(pid, inode));
    const others = before.length === 0 ? [] : descendantsOf(next.pid).filter((pid) => hasOpen(pid, inode));
    // Those that had it open before and after the others were looked at had it open together with them.
    const still = others.length === 0 ? [] : before.filter((pid) => hasOpen(pid, inode));
    if (still.length > 0) found.push(`${still.join(' ')} beside ${others.join(' ')}`);
    await wait(2);
  }
  return found;
}

function hasOpen(pid: number, inode: number): boolean {
  try {
    return fs
      .readdirSync(`/proc/${pid}/fd`)
      .some((fd) => fs.statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false })?.ino === inode);
  } catch {
    return false;
  }
}

function unfinishedIn(directory: string): string[] {
  return entriesOf(directory)
    .filter((name) => name.endsWith('.partial'))
    .map((name) => path.join(directory, name));
}
