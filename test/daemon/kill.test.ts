/**
 * `kill -9` of the whole process group in the middle of a daily run: before single file operations in the backup directory, where a
 * backup is published, and at any moment beside a writer. `npm run stress -- publish crash` goes through all of them.
 */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, type TestContext, test } from 'vitest';
import { examineBackups, findingsOf, runsOf } from '../helpers/aftermath.mjs';
import { type Fault, faultEnvironment, readFaultLog } from '../helpers/fault.js';
import { copyAsOf, entriesOf, type Installation, install } from '../helpers/installation.js';
import { startProgram } from '../helpers/program.js';
import { acknowledgedRowsPresent, startWriter } from '../helpers/writer.js';

const daily = ['--run-now', 'daily', '--json'];
/** Two backups are kept: the oldest of three is pruned by each run, in the steady state. */
const retention = { keep_last: 2, keep_days: 0 };

type Operation = NonNullable<Fault['operations']>[number];
/** What changes anything on disk. Killed before any other call, a run leaves the same as before the next of these. */
const operations: readonly Operation[] = ['write', 'fsync', 'ftruncate', 'link', 'rename', 'unlink'];

interface Call {
  readonly operation: string;
  readonly path: string;
}

/** Files of other people, which look like a backup: never listed, never touched. */
const lookalike = 'logs-20200101T000000Z-daily.db';

describe('a daily run killed before a file operation in the backup directory', () => {
  test('leaves whole backups only, and the next run cleans up: in the copying, at each call that gives or takes a name, and after the last', async (context) => {
    const site = await steady({ compress: 'none' });
    // A write or sync makes no name: killed before it, a run leaves what it leaves before the next call of another kind.
    await sweep(context, site, (calls) => [Math.ceil(linksIn(calls)[0] / 3), ...namingsIn(calls)]);
  }, 180_000);

  test('the same with compressed backups, right before the backup gets its name', async (context) => {
    const site = await steady({ compress: 'gzip' });
    await sweep(context, site, (calls) => [linksIn(calls)[1]]);
  }, 120_000);
});

describe('a daily run killed at any moment', () => {
  // Not synchronisation: the moment is the point, and any will do.
  test.for([
    ['wal', 0],
    ['delete', 30],
  ] as const)(
    'in %s mode, beside a writer, loses no acknowledged row and leaves whole backups only',
    async ([journalMode, afterMs]) => {
      const site = install({ rows: 200, journalMode, config: { jobs: { retention } } });
      const ackFile = site.workspace.path('acknowledged');
      expect((await site.run(daily)).code).toBe(0);
      const writer = await startWriter({ path: site.database, rate: 100, ackFile });
      const run = site.start(daily);
      await run.waitForLog(({ msg, job }) => msg === 'job started' && job === 'backup');
      await wait(afterMs);
      run.killGroup();
      await run.exited;
      expect(examineBackups(site.backupDirectory).half).toEqual([]);
      expect((await site.run(daily)).code).toBe(0);
      const measures = await writer.stop();

      expectCleanedUp(site);
      expect(measures.errors).toEqual([]);
      const { acknowledged, missing } = acknowledgedRowsPresent(site.database, ackFile);
      expect(acknowledged).toBeGreaterThan(20);
      expect(missing).toEqual([]);
      expect(findingsOf(site.database)).toEqual([]);
      const outcomes = runsOf(site.stateDirectory).map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => outcome !== 'succeeded' && outcome !== 'interrupted')).toEqual([]);
      // Else it had recorded its end when it was killed.
      if (!run.logLines().some(({ msg }) => msg === 'run finished')) expect(outcomes).toContain('interrupted');
    },
  );
});

/** An installation with two backups, as many as are kept. */
async function steady({ compress }: { compress: 'none' | 'gzip' }): Promise<Installation> {
  const site = install({ rows: 20, config: { jobs: { retention, backup: { compress } } } });
  expect((await site.run(daily)).code).toBe(0);
  copyAsOf(site.backup(), 1);
  fs.writeFileSync(path.join(site.backupDirectory, lookalike), 'not ours');
  return site;
}

/** Kills a run before each call chosen, and lets the next one recover. */
async function sweep(
  context: TestContext,
  site: Installation,
  choose: (calls: readonly Call[]) => readonly number[],
): Promise<void> {
  const counted = await runWithFault(context, site, 'COUNT');
  expect(counted.code).toBe(0);
  const points = choose(counted.calls);
  const listed = new Set<string>();
  for (const at of points) await killAndRecover(context, site, at, listed);
  expect(points.length).toBeGreaterThan(0);
  const outcomes = runsOf(site.stateDirectory).map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'interrupted')).toHaveLength(points.length);
  expect(outcomes.filter((outcome) => outcome !== 'interrupted' && outcome !== 'succeeded')).toEqual([]);
  expect(fs.readFileSync(path.join(site.backupDirectory, lookalike), 'utf8')).toBe('not ours');
  expect(findingsOf(site.database)).toEqual([]);
}

/** By the moment it holds: runs are fast, and of several in one second a name that was freed is taken again. */
function newest(site: Installation): string | undefined {
  const momentOf = (stem: string): string => {
    const manifest: unknown = JSON.parse(fs.readFileSync(path.join(site.backupDirectory, `${stem}.json`), 'utf8'));
    return String(Reflect.get(Object(manifest), 'created_at'));
  };
  const { whole } = examineBackups(site.backupDirectory);
  return whole
    .filter((stem) => fs.existsSync(path.join(site.backupDirectory, `${stem}.json`)))
    .sort((one, other) => momentOf(one).localeCompare(momentOf(other)))
    .at(-1);
}

/** @param listed what was seen to be listed rightly already: the same kinds of files need not be asked about again */
async function killAndRecover(
  context: TestContext,
  site: Installation,
  at: number,
  listed: Set<string>,
): Promise<void> {
  const before = newest(site);
  const { code, signal, calls } = await runWithFault(context, site, 'KILLGROUP', at);
  const where = `killed before call ${at}: ${calls.at(-1)?.operation ?? ''} ${calls.at(-1)?.path ?? ''}`;
  expect({ code, signal, calls: calls.length }, where).toEqual({ code: null, signal: 'SIGKILL', calls: at });

  const { whole, half, debris } = withoutLookalike(site);
  expect(half, where).toEqual([]);
  expect(whole, where).toContain(before);
  const left = newest(site);
  const kinds = [whole.length, ...debris.map((name) => name.replace(/[0-9a-f]{16}|\d{8}T\d{6}Z/, ''))].join(' ');
  if (!listed.has(kinds)) {
    listed.add(kinds);
    // Runs are fast: of several in one second the names run ahead of the moments by which they are listed.
    expect((await listedBackups(site)).sort(), where).toEqual([...whole].sort());
  }

  const next = await site.run(daily);
  expect(next.code, `${where}\n${next.stdout}${next.stderr}`).toBe(0);
  expectCleanedUp(site, where);
  expect(examineBackups(site.backupDirectory).whole, where).toContain(left);
}

async function runWithFault(context: TestContext, site: Installation, action: 'COUNT' | 'KILLGROUP', at = 1) {
  const log = site.workspace.path('calls');
  const counter = site.workspace.path('counter');
  for (const file of [log, counter]) fs.rmSync(file, { force: true });
  const env = faultEnvironment(context, { match: site.backupDirectory, operations, action, at, counter, log });
  const exit = await startProgram(['--config', site.file, ...daily], { env }).exited;
  return { ...exit, calls: readFaultLog(log) };
}

function expectCleanedUp(site: Installation, where = ''): void {
  const { half, debris } = withoutLookalike(site);
  expect({ half, debris, scratch: entriesOf(path.join(site.stateDirectory, 'scratch')) }, where).toEqual({
    half: [],
    debris: [],
    scratch: [],
  });
}

function withoutLookalike(site: Installation): ReturnType<typeof examineBackups> {
  const found = examineBackups(site.backupDirectory);
  return { ...found, half: found.half.filter((reason) => reason !== `${lookalike}: it has no manifest`) };
}

async function listedBackups(site: Installation): Promise<string[]> {
  const { stdout } = await site.run(['backups', '--json']);
  const catalogue: unknown = JSON.parse(stdout);
  if (!Array.isArray(catalogue)) throw new Error(`not a catalogue: ${stdout}`);
  return catalogue.flatMap((database: { readonly backups: readonly { readonly name: string }[] }) =>
    database.backups.map(({ name }) => name),
  );
}

/** The numbers of the calls that give the manifest and then the backup its name, and then the delta that the one before becomes. */
function linksIn(calls: readonly Call[]): [manifest: number, backup: number, ...delta: number[]] {
  const [manifest, backup, ...more] = calls.flatMap(({ operation }, index) =>
    operation === 'link' ? [index + 1] : [],
  );
  if (manifest === undefined || backup === undefined || more.length > 1) throw new Error('a run links two or three');
  return [manifest, backup, ...more];
}

/** The numbers of the calls that give a name or take one from a backup or its manifest, and of the one right after the last of the former. */
function namingsIn(calls: readonly Call[]): number[] {
  const taken = calls.flatMap(({ operation, path: file }, index) =>
    operation === 'unlink' && !file.endsWith('.partial') ? [index + 1] : [],
  );
  const renamed = calls.flatMap(({ operation }, index) => (operation === 'rename' ? [index + 1] : []));
  // A backup is deleted before its manifest; and a plain file when its manifest names the delta.
  expect([taken.length, renamed.length]).toEqual([3, 1]);
  const given = [...linksIn(calls), ...renamed];
  return [...given, ...taken, Math.max(...given) + 1].filter((at, index, all) => all.indexOf(at) === index);
}
