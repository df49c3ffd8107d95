import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Engine as EngineType, longOperations } from '../../src/engine/engine.js';
import { rawOperations } from '../../src/engine/operations.js';
import { faultEnvironment } from '../helpers/fault.js';
import { descendantsOf, isAlive } from '../helpers/processes.js';
import { killIfAlive } from '../helpers/program.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase } from '../sqlite/database.js';
import { Engine, holderOf, JobError, takeLock } from './compiled.js';

const MB = 1024 ** 2;

/** Closed at the end of the test. */
function startEngine(memoryBytes = 1024 * MB, more: { shortOperationMs?: number } = {}): EngineType {
  const engine = new Engine({ memoryBytes, ...more });
  onTestFinished(() => engine.close());
  return engine;
}

/** What never ends by itself: in SQLite, where a child hears nothing; and in reading, where it does. */
const endless = {
  insideSqlite(copy: string) {
    const sql = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n';
    return { path: copy, foreignKeys: false, assertions: [{ sql, expect: 0 }] };
  },
  reading: { path: '/dev/zero' },
};

function copy(): string {
  const path = workspace().path('copy.db');
  createDatabase(path, 'CREATE TABLE t (x)', { journalMode: 'delete' });
  return path;
}

const children = (): number[] => descendantsOf(process.pid).filter((pid) => isWorker(pid) && isAlive(pid));

function isWorker(pid: number): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('debuggle-maintenance worker');
  } catch {
    return false;
  }
}

/** The one child there is; with a path: once it has that file open, and so is at work. */
async function theChild(atWorkOn?: string): Promise<number> {
  return vi.waitFor(
    () => {
      const [pid = 0, ...more] = children();
      expect([pid > 0, more]).toEqual([true, []]);
      if (atWorkOn !== undefined) expect(openFilesOf(pid)).toContain(atWorkOn);
      return pid;
    },
    { timeout: 10_000, interval: 10 },
  );
}

const openFilesOf = (pid: number): string[] =>
  fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });

/** The kernel has ended every child, and the engine knows. */
const gone = (engine: EngineType): Promise<void> =>
  vi.waitFor(() => expect(engine.size).toBe(0), { timeout: 10_000, interval: 10 });

test('an operation’s answer comes back from a child', async () => {
  const { path, directory } = workspace();
  fs.writeFileSync(path('a.db'), '');
  const engine = startEngine();
  expect(await engine.call('expand', { pattern: path('*.db'), base: directory })).toMatchObject({
    files: [path('a.db')],
  });
  expect(await engine.call('identify', { paths: [directory] })).toMatchObject([{ realPath: directory }]);
});

test('an operation’s error comes back with its code, its words and its cause', async () => {
  const { path } = workspace();
  const error: unknown = await startEngine()
    .call('probe', { path: path('gone.db') })
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    name: 'JobError',
    code: 'missing',
    message: `database ${path('gone.db')}: no such file or directory`,
    cause: { message: expect.stringContaining('ENOENT') as unknown },
  });
});

test('an unknown operation is a defect, said by name, also one that every object has', async () => {
  const session = startEngine().session('logs');
  for (const name of ['noSuchThing', 'constructor', '__proto__', 'toString']) {
    await expect(session.call(name as 'expand', { pattern: '', base: '' })).rejects.toMatchObject({
      code: 'internal',
      message: `no operation ${name}`,
    });
  }
});

test('bytes and large answers come through as they are', async () => {
  const path = workspace().path('copy.db');
  createDatabase(
    path,
    `CREATE TABLE t (x); CREATE INDEX i ON t (x);
     INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT randomblob(2000) FROM n`,
    { journalMode: 'delete' },
  );
  const { stat4 } = await startEngine().call('gatherStatistics', { path, limit: 0 });
  expect(stat4.length).toBeGreaterThan(10);
  for (const row of stat4) expect(row[5]).toBeInstanceOf(Uint8Array);
});

test('progress is told, and ends at the whole', async () => {
  const { path } = workspace();
  createDatabase(path('live.db'), 'CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(80000000))');
  const { dev, ino } = fs.statSync(path('live.db'));
  const steps: [number, number][] = [];
  const request = {
    path: path('live.db'),
    identity: { device: dev, inode: ino },
    destination: path('c'),
    maxWalGrowthBytes: 1e9,
  };
  const { pageCount } = await startEngine().call('snapshot', request, { progress: (...step) => steps.push(step) });
  expect(steps.length).toBeGreaterThan(0);
  expect(steps.every(([done, total]) => done >= 0 && done <= total && total === pageCount)).toBe(true);
});

describe('a child that dies', () => {
  test.each(['SIGKILL', 'SIGSEGV', 'SIGABRT'] as const)(
    'by %s is told as crashed, and the next call has another',
    async (signal) => {
      const session = startEngine().session('logs');
      const lost = session.call('digest', endless.reading);
      const pid = await theChild('/dev/zero');
      process.kill(pid, signal);
      await expect(lost).rejects.toMatchObject({
        code: 'crashed',
        message: expect.stringContaining(signal) as unknown,
      });
      const { path } = workspace();
      fs.writeFileSync(path('file'), 'abc');
      expect(await session.call('digest', { path: path('file') })).toMatchObject({ sizeBytes: 3 });
      expect(await theChild()).not.toBe(pid);
    },
  );

  test('between two calls is not noticed', async () => {
    const engine = startEngine();
    const session = engine.session('logs');
    await session.call('freeBytes', { path: '/' });
    process.kill(await theChild(), 'SIGKILL');
    await gone(engine);
    expect(await session.call('freeBytes', { path: '/' })).toBeGreaterThan(0);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'does not die by %s, which is meant for its parent',
    async (signal) => {
      const session = startEngine().session('logs');
      await session.call('freeBytes', { path: '/' });
      const pid = await theChild();
      process.kill(pid, signal);
      await session.call('freeBytes', { path: '/' });
      expect(await theChild()).toBe(pid);
    },
  );
});

describe('a call that does not end', () => {
  test.each(['reading', 'inside SQLite'])('is stopped at its deadline (%s), and the next call works', async (where) => {
    const session = startEngine().session('logs');
    await session.call('freeBytes', { path: '/' });
    const late =
      where === 'reading'
        ? session.call('digest', endless.reading, { timeoutMs: 300 })
        : session.call('drill', endless.insideSqlite(copy()), { timeoutMs: 300 });
    await expect(late).rejects.toMatchObject({ code: 'timed-out', message: 'stopped after 300 ms, its deadline' });
    expect(await session.call('freeBytes', { path: '/' })).toBeGreaterThan(0);
  });

  test('and has no deadline of its own is stopped after that of all short operations; a long one goes on', async () => {
    const engine = startEngine(1024 * MB, { shortOperationMs: 300 });
    const stop = new AbortController();
    const long = engine.call('digest', endless.reading, { signal: stop.signal });
    const working = await theChild('/dev/zero');
    const short = engine.call('freeBytes', { path: '/' });
    // Not yet ready: it will never answer.
    const started = descendantsOf(process.pid).filter((pid) => pid !== working && isAlive(pid));
    for (const pid of started) process.kill(pid, 'SIGSTOP');
    await expect(short).rejects.toMatchObject({ code: 'timed-out' });
    stop.abort(new JobError('interrupted', 'the test is over'));
    await expect(long).rejects.toMatchObject({ message: 'the test is over' });
  });

  test('what reads or writes whole files is long: it has no deadline of its own', () => {
    // These open files, and look at headers only; the last removes them, and bounds what it does besides.
    const short = ['probe', 'lookAtDestination', 'healHeader', 'replaceSet', 'discard'];
    expect([...rawOperations].filter((name) => !longOperations.has(name))).toEqual(short);
  });

  test('because its child never starts ends all the same, at its deadline and at its signal', async () => {
    const engine = startEngine();
    const stop = new AbortController();
    const late = engine.call('freeBytes', { path: '/' }, { timeoutMs: 300 });
    const stopped = engine.call('freeBytes', { path: '/' }, { signal: stop.signal });
    for (const pid of descendantsOf(process.pid)) process.kill(pid, 'SIGSTOP');
    stop.abort(new JobError('interrupted', 'stopped by the operator'));
    // Either may be the first to end.
    await Promise.all([
      expect(stopped).rejects.toMatchObject({ code: 'interrupted', message: 'stopped by the operator' }),
      expect(late).rejects.toMatchObject({ code: 'timed-out', message: 'stopped after 300 ms, its deadline' }),
    ]);
  });

  test('is stopped when its signal is aborted, with the signal’s reason, and so is every later call', async () => {
    const stop = new AbortController();
    const session = startEngine().session('logs', stop.signal);
    const path = copy();
    const stopped = session.call('drill', endless.insideSqlite(path));
    const pid = await theChild(path);
    stop.abort(new JobError('timed-out', 'the run took too long'));
    const reason = { code: 'timed-out', message: 'the run took too long' };
    await expect(stopped).rejects.toMatchObject(reason);
    expect(isAlive(pid)).toBe(false);
    await expect(session.call('freeBytes', { path: '/' })).rejects.toMatchObject(reason);
    await session.close();
  });

  test('aborted without a reason of ours is interrupted', async () => {
    const stop = new AbortController();
    const stopped = startEngine().call('digest', endless.reading, { signal: stop.signal });
    await theChild('/dev/zero');
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
  });

  test('is stopped when the engine closes', async () => {
    const engine = startEngine();
    const path = copy();
    const stopped = engine.call('drill', endless.insideSqlite(path));
    const expected = expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
    await theChild(path);
    await engine.close();
    await expected;
  });
});

test('a child that uses more memory than allowed by now is ended, alone, and the message says how much', async () => {
  const engine = startEngine();
  engine.limit({ memoryBytes: 200 * MB });
  const other = engine.session('users');
  await other.call('freeBytes', { path: '/' });
  const sql =
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT max(hex(zeroblob(1000)) || i) FROM n GROUP BY i ORDER BY 1';
  const request = { path: copy(), foreignKeys: false, assertions: [{ sql, expect: 0 }] };
  await expect(engine.call('drill', request)).rejects.toMatchObject({
    code: 'out-of-memory',
    message: expect.stringMatching(/used \d+ MB, more than child_memory allows$/) as unknown,
  });
  expect(await other.call('freeBytes', { path: '/' })).toBeGreaterThan(0);
});

describe('the lock of a database', () => {
  async function locked(engine = startEngine()) {
    const path = workspace().path('.logs.lock');
    const session = engine.session('logs');
    await session.lock(path, 0);
    return { engine, session, path, pid: await theChild() };
  }

  test('is held by the child that works', async () => {
    const { path, pid } = await locked();
    expect(holderOf(path)).toBe(pid);
  });

  test('held by another process is not taken, which is said with its pid at the end of the wait', async () => {
    const path = workspace().path('.logs.lock');
    const other = takeLock(path);
    onTestFinished(() => other.release());
    const session = startEngine().session('logs');
    const began = performance.now();
    await expect(session.lock(path, 300)).rejects.toMatchObject({
      code: 'lock-held',
      message: `${path} is held by process ${process.pid}`,
    });
    expect(performance.now() - began).toBeGreaterThanOrEqual(300);
    // Without the lock it may still look.
    expect(await session.call('freeBytes', { path: '/' })).toBeGreaterThan(0);
  });

  test('freed by another process is taken while waiting', async () => {
    const path = workspace().path('.logs.lock');
    const other = takeLock(path);
    const session = startEngine().session('logs');
    const taken = session.lock(path, 30_000);
    const pid = await theChild();
    other.release();
    await taken;
    expect(holderOf(path)).toBe(pid);
  });

  test('waiting for it ends when the run is stopped', async () => {
    const path = workspace().path('.logs.lock');
    const other = takeLock(path);
    onTestFinished(() => other.release());
    const stop = new AbortController();
    const waiting = startEngine().session('logs', stop.signal).lock(path, 600_000);
    await theChild();
    stop.abort(new JobError('interrupted', 'stopped by the operator'));
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted', message: 'stopped by the operator' });
  });

  test('is taken again by the process that replaces the child, on purpose or after a crash', async () => {
    const { engine, session, path, pid } = await locked();
    await session.renew();
    const second = await theChild();
    expect(second).not.toBe(pid);
    expect(holderOf(path)).toBe(second);
    process.kill(second, 'SIGKILL');
    await gone(engine);
    expect(holderOf(path)).toBeUndefined();
    await session.call('freeBytes', { path: '/' });
    expect(holderOf(path)).toBe(await theChild());
  });

  test('lost with a crash and taken by somebody else meanwhile is not worked without', async () => {
    const { engine, session, path, pid } = await locked();
    process.kill(pid, 'SIGKILL');
    await gone(engine);
    const other = takeLock(path);
    await expect(session.call('freeBytes', { path: '/' })).rejects.toMatchObject({ code: 'lock-held' });
    other.release();
    expect(await session.call('freeBytes', { path: '/' })).toBeGreaterThan(0);
    expect(holderOf(path)).toBe(await theChild());
  });

  test('is free when the session is closed, and its child goes on to the next session without it', async () => {
    const { engine, session, path, pid } = await locked();
    await session.close();
    expect(holderOf(path)).toBeUndefined();
    takeLock(path).release();
    await engine.session('users').call('freeBytes', { path: '/' });
    expect(await theChild()).toBe(pid);
  });

  test('is free when the engine is closed', async () => {
    const { engine, path } = await locked();
    await engine.close();
    expect(holderOf(path)).toBeUndefined();
  });
});

describe('children', () => {
  test('are none before the first call, and end when nobody has used them for a while', async () => {
    const engine = startEngine();
    const session = engine.session('logs');
    expect([engine.size, children()]).toEqual([0, []]);
    await session.call('freeBytes', { path: '/' });
    expect(engine.size).toBe(1);
    await session.close();
    await gone(engine);
    expect(engine.size).toBe(0);
  });

  test('are handed on: a hundred sessions, one after the other, need one', async () => {
    const engine = startEngine();
    const pids = new Set<number>();
    for (let count = 0; count < 100; count += 1) {
      await engine.call('freeBytes', { path: '/' });
      for (const pid of children()) pids.add(pid);
    }
    expect(pids.size).toBe(1);
  });

  test('are not handed on when a part of the program could not be loaded; the next call works', async (context) => {
    const engine = startEngine();
    const before = { ...process.env };
    const fault = { match: 'dist/files/disk-space.js', operations: ['open'] as const, action: 5 };
    Object.assign(process.env, faultEnvironment(context, fault));
    const first = engine.session('logs');
    // The child is forked at once, and takes the environment with it.
    const failed = first.call('freeBytes', { path: '/' });
    for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
    await expect(failed).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('was the program replaced or moved') as unknown,
    });
    await first.close();
    await engine.call('freeBytes', { path: '/' });
    expect(children()).toHaveLength(1);
  });

  test('of two sessions at once are two', async () => {
    const engine = startEngine();
    const sessions = [engine.session('logs'), engine.session('users')];
    await Promise.all(sessions.map((session) => session.call('freeBytes', { path: '/' })));
    expect(engine.size).toBe(2);
    expect(children()).toHaveLength(2);
  });

  test('are all gone when close() has returned, whatever they were doing; then no call is taken', async () => {
    const engine = startEngine();
    const path = copy();
    const working = [engine.call('digest', endless.reading), engine.call('drill', endless.insideSqlite(path))];
    const stopped = Promise.all(working.map((call) => expect(call).rejects.toMatchObject({ code: 'interrupted' })));
    await engine.call('freeBytes', { path: '/' });
    await vi.waitFor(() => expect(children().length).toBeGreaterThan(1), { timeout: 10_000 });
    await engine.close();
    expect([engine.size, children()]).toEqual([0, []]);
    await stopped;
    await expect(engine.call('freeBytes', { path: '/' })).rejects.toMatchObject({ code: 'interrupted' });
    await engine.close();
  });

  test('are the first that the kernel ends when memory runs out', async () => {
    await startEngine().session('logs').call('freeBytes', { path: '/' });
    expect(fs.readFileSync(`/proc/${await theChild()}/oom_score_adj`, 'utf8').trim()).toBe('500');
  });
});

describe('a child that the kernel does not end', () => {
  // A frozen process stays, SIGKILL or not, as one that waits for hung storage does.
  test('makes its database stuck: the call ends, no second child is started for it, and other databases go on', async (context) => {
    const thaw = freezerOr((why) => context.skip(why));
    const engine = startEngine();
    const session = engine.session('logs');
    await session.call('freeBytes', { path: '/' });
    const lost = session.call('digest', endless.reading, { timeoutMs: 1000 });
    const failed = expect(lost).rejects.toMatchObject({
      code: 'timed-out',
      message: expect.stringMatching(/its process \d+ does not end: the kernel waits for the storage$/) as unknown,
    });
    const pid = await theChild('/dev/zero');
    thaw.freeze(pid);
    await failed;
    expect(isAlive(pid)).toBe(true);
    await expect(session.call('freeBytes', { path: '/' })).rejects.toMatchObject({ code: 'timed-out' });
    await session.close();
    expect(await engine.session('users').call('freeBytes', { path: '/' })).toBeGreaterThan(0);
    await expect(engine.session('logs').call('freeBytes', { path: '/' })).rejects.toMatchObject({
      code: 'io',
      message: expect.stringContaining(`process ${pid} is still stuck`) as unknown,
    });
    expect(await engine.call('freeBytes', { path: '/' })).toBeGreaterThan(0);
    thaw.thaw();
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000 });
    const again = () => engine.session('logs').call('freeBytes', { path: '/' });
    await vi.waitFor(async () => expect(await again()).toBeGreaterThan(0), { timeout: 10_000 });
  }, 30_000);

  test('is not waited for when a second opinion is asked for: that fails, and says why', async (context) => {
    const freezer = freezerOr((why) => context.skip(why));
    const session = startEngine().session('logs');
    await session.call('freeBytes', { path: '/' });
    const pid = await theChild();
    freezer.freeze(pid);
    await expect(session.renew()).rejects.toMatchObject({
      code: 'io',
      message: expect.stringContaining(`process ${pid} is still stuck`) as unknown,
    });
  }, 30_000);

  test('does not keep the program alive', async (context) => {
    const freezer = freezerOr((why) => context.skip(why));
    const script = `
      const { Engine } = await import(process.argv[1]);
      const engine = new Engine({ memoryBytes: ${1024 * MB} });
      process.once('SIGTERM', () => engine.close());
      await engine.call('digest', { path: '/dev/zero' }).catch((error) => console.log(error.code, error.message));
    `;
    const compiled = new URL('../../dist/engine/engine.js', import.meta.url).href;
    const program = spawn(process.execPath, ['--input-type=module', '-e', script, compiled], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void program.kill('SIGKILL'));
    let said = '';
    program.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const exited = once(program, 'close');
    const pid = await theChild('/dev/zero');
    freezer.freeze(pid);
    program.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(isAlive(pid)).toBe(true);
    expect(said).toMatch(/^interrupted stopped: the program is ending; its process \d+ does not end/);
  }, 15_000);
});

/** A cgroup (version 1) that freezes what is put into it; needs root. */
function freezerOr(skip: (why: string) => never) {
  const group = `/sys/fs/cgroup/freezer/debuggle-maintenance-${process.pid}`;
  try {
    fs.mkdirSync(group);
    fs.writeFileSync(`${group}/freezer.state`, 'THAWED');
  } catch (error) {
    skip(`processes cannot be frozen here: ${String(error)}`);
  }
  const thaw = (): void => fs.writeFileSync(`${group}/freezer.state`, 'THAWED');
  const pids: number[] = [];
  onTestFinished(async () => {
    thaw();
    for (const pid of pids) killIfAlive(pid, 'SIGKILL');
    await vi.waitFor(() => fs.rmdirSync(group), { timeout: 5000 });
  });
  const freeze = (pid: number): void => {
    pids.push(pid);
    fs.writeFileSync(`${group}/cgroup.procs`, String(pid));
    fs.writeFileSync(`${group}/freezer.state`, 'FROZEN');
  };
  return { freeze, thaw };
}
