/**
 * One way people copy a live database, timed from the opening to the fsync of the copy and of its directory. argv: method, source,
 * destination. Prints `{"ms": …}`.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';

const [, , method, source, destination] = process.argv;
const quoted = `'${destination.replaceAll("'", "''")}'`;

/** @type {Record<string, () => void | Promise<unknown>>} */
const methods = {
  cp: () => runProgram('cp', [source, destination]),
  'vacuum-into': () => withDatabase((database) => database.exec(`VACUUM INTO ${quoted}`)),
  'sqlite3-vacuum-into': () => runProgram('sqlite3', ['-cmd', '.timeout 30000', source, `VACUUM INTO ${quoted}`]),
  'db-backup': () => withDatabase((database) => database.backup(destination)),
  // All of it in one read transaction: beside a writer it would begin anew at each commit.
  'pinned-backup': () =>
    withDatabase((database) => {
      database.exec('BEGIN; SELECT count(*) FROM sqlite_schema');
      return database.backup(destination);
    }),
  'sqlite3-backup': () => runProgram('sqlite3', ['-cmd', '.timeout 30000', source, `.backup ${quoted}`]),
};

const started = performance.now();
await methods[method]();
sync(destination);
sync(path.dirname(destination));
console.log(JSON.stringify({ ms: performance.now() - started }));

/** @param {(database: import('better-sqlite3').Database) => unknown} use */
async function withDatabase(use) {
  const database = new Database(source, { fileMustExist: true, timeout: 30_000 });
  await use(database);
  database.close();
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function runProgram(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`${command} ended with ${status}: ${stderr}`);
}

/** @param {string} file */
function sync(file) {
  const descriptor = fs.openSync(file, 'r');
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
}
