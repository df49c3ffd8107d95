/**
 * Copies of a database's files while one process writes as fast as it can and another checkpoints in every way there is, each copy
 * checked in full and its invariant added up. First the same without the pin, until a copy is bad: that this proof can fail. Every third copy
 * is made where it shares the database's extents, when such a disk can be made.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { Engine } from '../dist/engine/engine.js';
import { pinnedCopy } from '../dist/jobs/pinned-copy.js';
import { mountReflinkDisk } from '../test/helpers/reflink-disk.mjs';

const accounts = 20_000;
const sum = accounts * 100;
const modes = /** @type {const} */ (['wal', 'delete']);
/** Of sixty, thirty-eight are in WAL mode. */
const unpinnedAtMost = 300;
/** Without a number on the command line, whatever the seconds. */
const atLeast = 200;

/** @typedef {{ engine: Engine, session: import('../dist/engine/engine.js').Session, third: import('../dist/engine/engine.js').Session }} Hands */

/** @typedef {{ shares: boolean, databases: Record<string, string> }} Place where there are databases, and whether copies beside them share their extents */

/** @param {import('./run.mjs').Options} options */
export async function proveSnapshot(options) {
  const disk = mountReflinkDisk('xfs', 320, options.directory);
  if ('why' in disk) {
    console.log(`  without copies that share extents: ${disk.why}`);
    return proveIn([makePlace(options.directory, false)], options);
  }
  // Before the directory is removed that it lies in.
  process.prependListener('exit', disk.unmount);
  try {
    return await proveIn([makePlace(options.directory, false), makePlace(disk.directory, true)], options);
  } finally {
    process.off('exit', disk.unmount);
    disk.unmount();
  }
}

/**
 * @param {readonly Place[]} places
 * @param {import('./run.mjs').Options} options
 */
async function proveIn(places, { timeIsUp, say, trials }) {
  const [plain, sharing = plain] = places;
  const engine = new Engine({ memoryBytes: 1024 ** 3 });
  const hands = { engine, session: engine.session('a'), third: engine.session('c') };
  const crowd = places.flatMap(({ databases }) => [
    ...modes.map((mode) => start('transfers.mjs', databases[mode], '10', '1')),
    start('checkpoints.mjs', databases.wal),
  ]);
  try {
    await Promise.all(crowd.map((child) => once(child, 'message')));
    const without = {
      wal: await firstBad(hands, plain.databases.wal, unpinned, say),
      delete: await firstBad(
        hands,
        plain.databases.delete,
        (source, destination) => aheadOnly(hands, source, destination),
        say,
      ),
    };
    /** @type {Record<string, number>} */
    const done = {};
    const reasons = new Map();
    let busy = 0;
    for (let trial = 1; trials === 0 ? trial <= atLeast || !timeIsUp() : trial <= trials; trial++) {
      const mode = trial % 4 === 0 ? 'delete' : 'wal';
      const { shares, databases } = trial % 3 === 0 ? sharing : plain;
      say(`copy ${trial}`);
      const problem = await badCopy(hands, databases[mode], async (source, destination) => {
        const copied = await pinned(hands, source, destination);
        if (copied === 'busy') {
          busy += 1;
          return false;
        }
        if (shares && !copied.sharesExtents) throw new Error('it shares no extents');
        reasons.set(copied.methodReason, (reasons.get(copied.methodReason) ?? 0) + 1);
        return true;
      });
      if (problem !== undefined)
        throw new Error(`copy ${trial}, ${mode}${shares ? ', extents shared' : ''}: ${problem}`);
      done[mode] = (done[mode] ?? 0) + 1;
    }
    const how = [...reasons].map(([reason, count]) => `${count} times ${reason}`).join('; ');
    return `${modes.map((mode) => `${done[mode] ?? 0} copies in ${mode} mode`).join(', ')}, none bad (${how}; ${busy} given up as busy); without the pin the first bad one was number ${without.wal}, and in delete mode, of those made ahead of it, ${without.delete}`;
  } finally {
    for (const child of crowd) child.kill('SIGKILL');
    await engine.close();
  }
}

/**
 * @param {string} directory
 * @param {boolean} shares
 * @returns {Place}
 */
function makePlace(directory, shares) {
  const databases = modes.map((mode) => [mode, makeAccounts(path.join(directory, mode), mode)]);
  return { shares, databases: Object.fromEntries(databases) };
}

/**
 * @param {string} directory
 * @param {string} mode
 */
function makeAccounts(directory, mode) {
  fs.mkdirSync(directory, { mode: 0o700 });
  const file = path.join(directory, 'live.db');
  const database = new Database(file);
  database.pragma(`journal_mode = ${mode}`);
  database.exec(
    `CREATE TABLE account (id INTEGER PRIMARY KEY, amount INTEGER, note TEXT); CREATE INDEX by_amount ON account (amount);
     INSERT INTO account WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${accounts})
     SELECT i, 100, substr(hex(zeroblob(200)), 1, 300) FROM n;`,
  );
  database.close();
  return file;
}

/**
 * @param {string} script
 * @param {readonly string[]} args
 */
function start(script, ...args) {
  return fork(path.join(import.meta.dirname, '..', 'test', 'helpers', 'children', script), args, {
    execArgv: [],
  });
}

/**
 * @param {Hands} hands
 * @param {string} source
 * @param {(source: string, destination: string) => Promise<boolean>} copy whether there is one
 * @returns {Promise<string | undefined>} what is wrong with it
 */
async function badCopy({ third }, source, copy) {
  const destination = path.join(path.dirname(source), 'copy.db');
  try {
    if (!(await copy(source, destination))) return undefined;
    const proof = await third.call('prove', { path: destination, mode: 'full' });
    const findings = Object.values(proof.findings).flat();
    if (findings.length > 0) return String(findings[0]);
    const database = new Database(destination, { readonly: true });
    try {
      const found = database.prepare('SELECT sum(amount) FROM account').pluck().get();
      return found === sum ? undefined : `the accounts add up to ${found}, not ${sum}`;
    } finally {
      database.close();
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) fs.rmSync(`${destination}${end}`, { force: true });
  }
}

/**
 * @param {Hands} hands
 * @param {string} source
 * @param {string} destination
 * @returns {Promise<'busy' | { methodReason: string, sharesExtents: boolean }>}
 */
async function pinned({ engine, session }, source, destination) {
  const located = { path: source, sizeBytes: fs.statSync(source).size, ...identityOf(source) };
  const context = {
    session,
    secondOpinion: () => engine.session('b'),
    target: { name: 'live' },
    progress: () => undefined,
  };
  try {
    const snapshot = await pinnedCopy(
      /** @type {any} */ (context),
      /** @type {any} */ (located),
      destination,
      /** @type {any} */ ({ maxWalGrowthBytes: Number.MAX_SAFE_INTEGER, pace: 'quick' }),
    );
    if ('refused' in snapshot) throw new Error(`not copied: ${snapshot.refused}`);
    return snapshot;
  } catch (error) {
    // The writers leave no gap: jobs try again, too.
    if (error instanceof Error && 'code' in error && error.code === 'busy') return 'busy';
    throw error;
  }
}

/**
 * That the proof can fail.
 * @param {Hands} hands
 * @param {string} source
 * @param {(source: string, destination: string) => Promise<boolean>} copy
 * @param {(what: string) => void} say
 */
async function firstBad(hands, source, copy, say) {
  for (let without = 1; without <= unpinnedAtMost; without += 1) {
    say(`copy ${without} without the pin`);
    if ((await badCopy(hands, source, copy)) !== undefined) return without;
  }
  throw new Error(`${unpinnedAtMost} copies of ${source} without the pin were sound: nothing is shown`);
}

/**
 * What is copied before a database in rollback-journal mode is pinned, taken for the copy.
 * @param {Hands} hands
 * @param {string} source
 * @param {string} destination
 */
function aheadOnly({ third }, source, destination) {
  return third.call('copyAhead', { path: source, identity: identityOf(source), destination, pace: 'quick' });
}

/**
 * What `cp` would give: the file, then the log, with nobody holding anything still.
 * @param {string} source
 * @param {string} destination
 */
async function unpinned(source, destination) {
  fs.copyFileSync(source, destination);
  fs.copyFileSync(`${source}-wal`, `${destination}-wal`);
  const database = new Database(destination);
  database.pragma('journal_mode = DELETE');
  database.close();
  return true;
}

/** @param {string} file */
function identityOf(file) {
  const { dev, ino } = fs.statSync(file);
  return { device: dev, inode: ino };
}
