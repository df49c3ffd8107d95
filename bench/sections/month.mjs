/**
 * A month of dailies of a database that gains a twentieth of its rows each day and loses the oldest: what all thirty take together, how long
 * a day takes, and how long it takes to get the oldest back. Ours, and beside it in the same run restic and gzip, each with a copy of the
 * day of its own. Every one of ours is restored and compared with the database of its day; one that is another is no measurement.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { median, megabytes, printTable, seconds, times } from '../numbers.mjs';
import { run } from '../processes.mjs';
import { program, runNow, writeConfig } from '../program.mjs';

const days = 30;
const dayMs = 86_400_000;
/** Of the rows; so the database holds twenty days. */
const share = 20;
const firstDay = Date.parse('2026-01-01T00:00:00Z');

/** @typedef {{ sha256: string, sizeBytes: number, rows: number }} Content */
/**
 * @typedef {object} Way
 * @property {string} name
 * @property {() => Promise<number>} keep the database of today; milliseconds
 * @property {() => number} keptBytes
 * @property {(day: number, to: string) => Promise<number>} restore the database of that day, from 0, to a file; milliseconds
 */

/** @param {import('../run.mjs').Options} options */
export async function benchMonth(options) {
  const directory = path.join(options.directory, 'month');
  fs.mkdirSync(path.join(directory, 'data'), { recursive: true, mode: 0o700 });
  const database = path.join(directory, 'data', 'logs.db');
  createDebuggleDatabase(database, { sizeBytes: options.sizeBytes, until: new Date(firstDay), days: share });
  const ours = oursIn(directory, database);
  const ways = [ours, ...(await peersIn(directory, database))];

  /** @type {Content[]} */
  const was = [];
  const kept = ways.map(() => /** @type {{ ms: number, bytes: number }[]} */ ([]));
  for (let day = 0; day < days; day++) {
    if (day > 0) liveADay(database, day);
    was.push(contentOf(database));
    for (const [index, way] of ways.entries()) {
      options.progress(`month, day ${day + 1} of ${days}: ${way.name}`);
      kept[index].push({ ms: await way.keep(), bytes: way.keptBytes() });
    }
  }
  const restored = path.join(directory, 'restored.db');
  for (let day = days - 1; day > 0; day--) {
    options.progress(`month: every one of ours is restored, day ${day + 1}`);
    await restore(ours, day, restored, was[day]);
  }
  const newestBytes = ours.newestBytes();
  const results = [];
  for (const [index, way] of ways.entries()) {
    options.progress(`month: the oldest is restored: ${way.name}`);
    const restoreMs = await restore(way, 0, restored, was[0]);
    results.push({
      name: way.name,
      bytes: way.keptBytes(),
      ratio: way.keptBytes() / newestBytes,
      dayMs: median(kept[index].map(({ ms }) => ms)),
      restoreMs,
      days: kept[index],
    });
  }
  print(results, newestBytes, was);
  fs.rmSync(directory, { recursive: true });
  return { newestBytes, results };
}

/**
 * Throws when it is not the database of that day.
 * @param {Way} way
 * @param {number} day
 * @param {string} to
 * @param {Content} content
 */
async function restore(way, day, to, content) {
  const ms = await way.restore(day, to);
  const found = contentOf(to);
  if (JSON.stringify(found) !== JSON.stringify(content))
    throw new Error(
      `${way.name}: day ${day + 1} is restored as ${JSON.stringify(found)}, and was ${JSON.stringify(content)}`,
    );
  fs.rmSync(to);
  return ms;
}

/**
 * Everything but the header of the first page: a copy and a restore set counters and the journal mode there.
 * @param {string} file closed, without a log
 * @returns {Content}
 */
function contentOf(file) {
  const connection = new Database(file, { fileMustExist: true });
  const rows = Number(connection.prepare('SELECT count(*) FROM logs').pluck().get());
  connection.close();
  const content = fs.readFileSync(file);
  return {
    sha256: createHash('sha256').update(content.subarray(100)).digest('hex'),
    sizeBytes: content.length,
    rows,
  };
}

/**
 * As an application does: rows come a hundred in a transaction, and at night those that are too old go.
 * @param {string} database
 * @param {number} day
 */
function liveADay(database, day) {
  const connection = new Database(database, { fileMustExist: true });
  const feed = `${database}.feed`;
  try {
    const count = Math.round(Number(connection.prepare('SELECT count(*) FROM logs').pluck().get()) / share);
    createDebuggleDatabase(feed, {
      rows: count,
      seed: 1000 + day,
      until: new Date(firstDay + day * dayMs),
      days: 1,
      journalMode: 'delete',
    });
    connection.prepare('ATTACH ? AS feed').run(feed);
    const insert = connection.prepare('INSERT INTO logs SELECT * FROM feed.logs WHERE rowid BETWEEN ? AND ?');
    for (let from = 1; from <= count; from += 100) insert.run(from, from + 99);
    connection
      .prepare('DELETE FROM logs WHERE rowid IN (SELECT rowid FROM logs ORDER BY timestamp LIMIT ?)')
      .run(count);
  } finally {
    connection.close();
    fs.rmSync(feed, { force: true });
  }
}

/**
 * @param {string} directory
 * @param {string} database
 * @returns {Way & { newestBytes: () => number }}
 */
function oursIn(directory, database) {
  const backups = path.join(directory, 'backups');
  const config = writeConfig(directory, {
    database,
    backups,
    jobs: ['backup', 'retention', 'report'],
    options: { retention: { keep_days: 99, keep_as: 'delta' } },
  });
  /** By day. @type {{ stem: string, sha256: string }[]} */
  const made = [];
  const manifestOf = (/** @type {string} */ stem) =>
    JSON.parse(fs.readFileSync(path.join(backups, `${stem}.json`), 'utf8'));
  return {
    name: 'ours: backup, retention',
    keep: async () => {
      const { ms, report } = await runNow(config);
      const facts = report.databases[0].jobs.find(({ job }) => job === 'backup')?.facts;
      made.push({ stem: String(facts?.backup), sha256: String(facts?.sha256) });
      return ms;
    },
    keptBytes: () => bytesIn(backups),
    newestBytes: () => {
      const { file, stored_bytes: bytes } = manifestOf(made[made.length - 1].stem);
      if (!file.endsWith('.db')) throw new Error(`the newest backup is no plain file but ${file}`);
      return Number(bytes);
    },
    restore: async (day, to) => {
      const { stem, sha256 } = made[day];
      if (manifestOf(stem).sha256 !== sha256) throw new Error(`${stem} is to hold something else than was backed up`);
      const args = ['--config', config, 'restore', '--database', 'logs', '--from', stem, '--to', to];
      return await timed(process.execPath, [program, ...args]);
    },
  };
}

/**
 * The copy that each begins with counts as a part of its day. Nobody writes meanwhile, so `cp` is enough.
 * @param {string} directory
 * @param {string} database
 * @returns {Promise<Way[]>}
 */
async function peersIn(directory, database) {
  const gzip = gzipIn(path.join(directory, 'gzip'), database);
  const restic = await run('restic', ['version']).catch(() => undefined);
  if (restic === undefined) {
    console.log('restic is not installed: its row is left out');
    return [gzip];
  }
  return [await resticIn(path.join(directory, 'restic'), database, restic.stdout.split(' compiled')[0]), gzip];
}

/**
 * @param {string} directory
 * @param {string} database
 * @param {string} name
 * @returns {Promise<Way>}
 */
async function resticIn(directory, database, name) {
  fs.mkdirSync(directory);
  const repository = path.join(directory, 'repository');
  const passwordFile = path.join(directory, 'password');
  fs.writeFileSync(passwordFile, 'month', { mode: 0o600 });
  const copy = path.join(directory, 'logs.db');
  const common = ['--repo', repository, '--password-file', passwordFile, '--no-cache'];
  await timed('restic', [...common, 'init']);
  return {
    name: `cp, ${name} backup`,
    keep: async () =>
      (await timed('cp', [database, copy])) + (await timed('restic', [...common, '--quiet', 'backup', copy])),
    keptBytes: () => bytesIn(repository),
    restore: async (day, to) => {
      const { stdout } = await run('restic', [...common, '--json', 'snapshots']);
      const { id } = JSON.parse(stdout)[day];
      const target = `${to}.d`;
      const ms = await timed('restic', [...common, 'restore', id, '--target', target]);
      fs.renameSync(path.join(target, copy), to);
      fs.rmSync(target, { recursive: true });
      return ms;
    },
  };
}

/**
 * @param {string} directory
 * @param {string} database
 * @returns {Way}
 */
function gzipIn(directory, database) {
  fs.mkdirSync(directory);
  const copy = path.join(directory, 'logs.db');
  const fileOf = (/** @type {number} */ day) => path.join(directory, `${day}.gz`);
  let day = 0;
  return {
    name: 'cp, gzip -6',
    keep: async () => {
      const ms =
        (await timed('cp', [database, copy])) +
        (await timed('sh', ['-c', 'gzip -6 -c "$1" > "$2"', 'gzip', copy, fileOf(day)]));
      fs.rmSync(copy);
      day += 1;
      return ms;
    },
    keptBytes: () => bytesIn(directory),
    restore: async (wanted, to) => await timed('sh', ['-c', 'gzip -dc "$1" > "$2"', 'gzip', fileOf(wanted), to]),
  };
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 */
async function timed(command, args) {
  const { ms, code, stdout, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${(stdout + stderr).slice(-2000)}`);
  return ms;
}

/** @param {string} directory */
function bytesIn(directory) {
  const entries = fs.readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + fs.statSync(path.join(parentPath, name)).size, 0);
}

/**
 * @param {readonly { name: string, bytes: number, ratio: number, dayMs: number, restoreMs: number }[]} results
 * @param {number} newestBytes
 * @param {readonly Content[]} was
 */
function print(results, newestBytes, was) {
  printTable(
    `${days} dailies of a database of ${megabytes(newestBytes)} (${was[0].rows} rows), each day a twentieth of them new and the oldest twentieth gone; all ${days} of ours restored, and as they were`,
    ['method', 'kept', 'to the newest as a plain file', 'a day, median', 'the oldest restored'],
    results.map(({ name, bytes, ratio, dayMs: ms, restoreMs }) => [
      name,
      megabytes(bytes),
      times(ratio),
      seconds(ms),
      seconds(restoreMs),
    ]),
  );
}
