/**
 * What a crash, a full disk or a failing one has left behind: read from the files themselves, without any code of the program. Used by the
 * tests and by stress/, so it is plain JavaScript.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import Database from 'better-sqlite3';

const named = /^(?<stem>.+-\d{8}T\d{6}Z-[A-Za-z0-9][A-Za-z0-9_-]*)\.(?<kind>db|db\.gz|delta|delta2|json|keep)$/;
const kinds = ['db', 'db.gz', 'delta', 'delta2'];
const lockFile = /^\.[^/]+\.lock$/;

/** @type {typeof import('./aftermath.mjs').examineBackups} */
export function examineBackups(directory) {
  const names = fs.existsSync(directory) ? fs.readdirSync(directory).sort() : [];
  /** @type {string[]} */
  const whole = [];
  /** @type {string[]} */
  const half = [];
  /** @type {string[]} */
  const debris = [];
  for (const name of names.filter((candidate) => !lockFile.test(candidate))) {
    const { stem, kind } = named.exec(name)?.groups ?? {};
    if (stem === undefined) debris.push(name);
    else if (kind === 'json' || kind === 'keep') {
      if (!kinds.some((each) => names.includes(`${stem}.${each}`))) debris.push(name);
    } else if (isSuperfluous(directory, stem, name)) {
      debris.push(name);
    } else {
      const problem = problemOf(directory, stem, name);
      if (problem === undefined) whole.push(stem);
      else half.push(`${name}: ${problem}`);
    }
  }
  return { whole, half, debris };
}

/**
 * Why a file that bears a backup's name is not one.
 * @param {string} directory
 * @param {string} stem
 * @param {string} name
 */
function problemOf(directory, stem, name) {
  const manifestFile = path.join(directory, `${stem}.json`);
  if (!fs.existsSync(manifestFile)) return 'it has no manifest';
  try {
    const manifest = JSON.parse(fs.readFileSync(manifestFile, 'utf8'));
    const stored = fs.readFileSync(path.join(directory, name));
    if (manifest.file !== name) return `its manifest speaks of ${manifest.file}`;
    if (sha256(stored) !== manifest.stored_sha256) return 'its content is not what the manifest says';
    const content = databaseIn(directory, manifest);
    if (sha256(content) !== manifest.sha256) return 'unpacked, it is not what the manifest says';
    return problemOfDatabase(content, manifest.tables);
  } catch (error) {
    return String(error);
  }
}

/**
 * One of two forms of a backup, whole and delta: the one that the manifest does not name, beside the one it names.
 * @param {string} directory
 * @param {string} stem
 * @param {string} name
 */
function isSuperfluous(directory, stem, name) {
  try {
    const { file } = JSON.parse(fs.readFileSync(path.join(directory, `${stem}.json`), 'utf8'));
    const isChanging = file.includes('.delta') || name.includes('.delta');
    return isChanging && file !== name && fs.existsSync(path.join(directory, file));
  } catch {
    return false;
  }
}

/**
 * As docs/delta-format.md describes it, and in another way than the program does it: the whole newer database in memory.
 * @param {string} directory
 * @param {{ file: string, delta?: { base: string, base_sha256: string } }} manifest
 * @returns {Buffer}
 */
function databaseIn(directory, { file, delta }) {
  const stored = fs.readFileSync(path.join(directory, file));
  if (delta === undefined) return file.endsWith('.gz') ? zlib.gunzipSync(stored) : stored;
  const newer = databaseIn(directory, JSON.parse(fs.readFileSync(path.join(directory, `${delta.base}.json`), 'utf8')));
  if (sha256(newer) !== delta.base_sha256) throw new Error(`it is built on ${delta.base}, which is another by now`);
  const pageSize = stored.readUInt32BE(16);
  const older = Buffer.alloc(pageSize * stored.readUInt32BE(20));
  newer.copy(older);
  for (let at = 88; stored.readUInt32BE(at) !== 0; ) {
    const count = stored.readUInt32BE(at);
    const end = at + 8 + stored.readUInt32BE(at + 4);
    const block = zlib.inflateSync(stored.subarray(at + 8, end));
    for (let index = 0; index < count; index += 1) {
      const start = (block.readUInt32BE(index * 4) - 1) * pageSize;
      const page = block.subarray(count * 5 + index * pageSize, count * 5 + (index + 1) * pageSize);
      if (block[count * 4 + index] === 0) page.copy(older, start);
      else page.forEach((byte, offset) => void (older[start + offset] = (older[start + offset] ?? 0) ^ byte));
    }
    at = end;
  }
  return older;
}

/**
 * @param {Buffer} content
 * @param {Record<string, number>} tables
 */
function problemOfDatabase(content, tables) {
  const database = new Database(content, { readonly: true });
  try {
    const answer = database.pragma('integrity_check', { simple: true });
    if (answer !== 'ok') return String(answer);
    if (Object.keys(tables).length === 0) return 'it has no table';
    for (const [table, rows] of Object.entries(tables)) {
      const found = database.prepare(`SELECT count(*) FROM "${table}"`).pluck().get();
      if (found !== rows) return `${table} has ${found} rows where the manifest says ${rows}`;
    }
    return undefined;
  } finally {
    database.close();
  }
}

/** @param {Buffer} content */
function sha256(content) {
  return createHash('sha256').update(content).digest('hex');
}

/** @type {typeof import('./aftermath.mjs').runsOf} */
export function runsOf(stateDirectory) {
  const database = new Database(path.join(stateDirectory, 'history.db'), { readonly: true, fileMustExist: true });
  try {
    return database.prepare('SELECT run_id, schedule, trigger, outcome FROM run ORDER BY id').all();
  } finally {
    database.close();
  }
}

/** @type {typeof import('./aftermath.mjs').findingsOf} */
export function findingsOf(file) {
  const database = new Database(file, { fileMustExist: true });
  try {
    const rows = database.pragma('integrity_check');
    return rows
      .map((/** @type {{ integrity_check: string }} */ row) => row.integrity_check)
      .filter((row) => row !== 'ok');
  } finally {
    database.close();
  }
}
