/** The proof of a copy by two real processes, and by the program. */
import fs from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Session } from '../../src/engine/engine.js';
import type * as SharedProofModule from '../../src/jobs/shared-proof.js';
import { writeConfig } from '../helpers/configuration.js';
import { swapIndexEntries } from '../helpers/corrupt.js';
import { descendantsOf } from '../helpers/processes.js';
import { runProgram } from '../helpers/program.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase, rows } from '../sqlite/database.js';
import { Engine, JobError } from './compiled.js';

const { proveInPieces } = (await import(
  /* @vite-ignore */ new URL('../../dist/jobs/shared-proof.js', import.meta.url).href
)) as typeof SharedProofModule;

const names = ['a', 'b', 'c'];
const tables = (count: number, bytes = 40): string =>
  names
    .map(
      (name) =>
        `CREATE TABLE ${name} (n INTEGER, text TEXT UNIQUE); CREATE INDEX ${name}_n ON ${name} (n); CREATE INDEX ${name}_both ON ${name} (n, text); ${rows(name, count, bytes)}`,
    )
    .join('\n');
const pieces = [['a'], ['b'], ['c', 'sqlite_schema']];

/** Two processes, and what each was asked. */
async function hands() {
  const path = workspace().path('copy.db');
  createDatabase(path, tables(500), { journalMode: 'delete' });
  const stop = new AbortController();
  const engine = new Engine({ memoryBytes: 1024 ** 3 });
  onTestFinished(() => engine.close());
  const start = async () => {
    const before = descendantsOf(process.pid);
    const session = engine.session('copy', stop.signal);
    await session.call('freeBytes', { path: '/' });
    const [pid = 0] = descendantsOf(process.pid).filter((each) => !before.includes(each));
    const asked: string[] = [];
    const call: Session['call'] = (operation, request, options) => {
      const answer = session.call(operation, request, options);
      void answer.then(
        () => asked.push(operation),
        () => undefined,
      );
      return answer;
    };
    return { pid, asked, session: { ...session, call } };
  };
  return { path, stop, first: await start(), second: await start() };
}

test('each does a part, and together it is the proof of one', async () => {
  const { path, first, second } = await hands();
  const whole = await first.session.call('prove', { path, mode: 'full' });
  const proof = await proveInPieces(
    { session: first.session, beside: second.session },
    path,
    pieces,
    Promise.resolve(),
  );
  expect({ ...proof, durationMs: 0 }).toEqual({ ...whole, durationMs: 0 });
  expect(second.asked.length).toBeGreaterThan(0);
  expect([...first.asked, ...second.asked].sort()).toEqual(
    ['prove', 'prove', ...pieces.map(() => 'proveTables')].sort(),
  );
});

test('whoever is busy for longer leaves all to the other, also when it fails meanwhile', async () => {
  const { path, first, second } = await hands();
  let fail: (error: Error) => void = () => undefined;
  const busy = new Promise<void>((_resolve, reject) => (fail = reject));
  const proving = proveInPieces({ session: first.session, beside: second.session }, path, pieces, busy);
  await vi.waitFor(() => expect(first.asked).toHaveLength(1 + pieces.length), { timeout: 20_000 });
  fail(new Error('disk full'));
  expect(await proving).toMatchObject({ integrity: 'full', tables: { a: 500, b: 500, c: 500 } });
  expect(second.asked).toEqual([]);
});

test('one that dies takes the proof with it, once the other has ended its piece', async () => {
  const { path, first, second } = await hands();
  process.kill(second.pid, 'SIGSTOP');
  const proving = proveInPieces({ session: first.session, beside: second.session }, path, pieces, Promise.resolve());
  proving.catch(() => undefined);
  await vi.waitFor(() => expect(first.asked).toHaveLength(pieces.length), { timeout: 20_000 });
  process.kill(second.pid, 'SIGKILL');
  await expect(proving).rejects.toMatchObject({ code: 'crashed' });
  await first.session.call('discard', { paths: [path] });
  expect(fs.existsSync(path)).toBe(false);
});

test('a run that is stopped stops both', async () => {
  const { path, stop, first, second } = await hands();
  process.kill(second.pid, 'SIGSTOP');
  const proving = proveInPieces({ session: first.session, beside: second.session }, path, pieces, Promise.resolve());
  stop.abort(new JobError('interrupted', 'stopped by the operator'));
  await expect(proving).rejects.toMatchObject({ code: 'interrupted', message: 'stopped by the operator' });
});

test('a run shares the check of a copy with several large tables, and finds the damage of one', async () => {
  const ws = workspace();
  const installation = writeConfig(ws, {
    schedules: { check: { cron: '0 3 * * *', jobs: ['integrity'] }, both: { cron: '0 4 * * *', jobs: ['backup'] } },
  });
  // Short rows: many entries in few bytes. Beside the hash of a backup it depends on how fast this machine hashes just now.
  createDatabase(installation.database, tables(140_000, 20), { journalMode: 'delete' });
  expect(fs.statSync(installation.database).size).toBeGreaterThan(32 * 1024 ** 2);
  const run = (schedule: string) => runProgram(['--config', installation.file, '--run-now', schedule]);
  const sharing = expect.objectContaining({ msg: 'two processes share the check' }) as unknown;

  for (const schedule of ['both', 'check']) {
    const sound = await run(schedule);
    expect(sound.code, sound.stdout).toBe(0);
    if (schedule === 'check') expect(sound.logLines).toContainEqual(sharing);
  }
  swapIndexEntries(installation.database, 'c_n');
  const damaged = await run('check');
  expect(damaged.code, damaged.stdout).toBe(3);
  expect(damaged.logLines).toContainEqual(sharing);
  expect(damaged.stdout).toContain('index c_n');
}, 60_000);
