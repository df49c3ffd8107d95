/** The application that writes while we work: the tests' writer, and whether it has lost anything. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';

const script = path.join(import.meta.dirname, '..', 'test', 'helpers', 'children', 'writer.mjs');

/**
 * Resolves once it writes.
 * @param {string} database
 * @param {string} ackFile gets the id of each row whose commit has returned
 * @param {number} [rate] commits a second
 */
export async function startWriter(database, ackFile, rate = 100) {
  const options = { path: database, rate, ackFile, busyTimeoutMs: 10_000, rowBytes: 1400 };
  const child = fork(script, [JSON.stringify(options)], { execArgv: [] });
  const ended = once(child, 'exit');
  const answer = async () =>
    await Promise.race([
      once(child, 'message').then(([message]) => message),
      ended.then(() => Promise.reject(new Error('the writer ended by itself'))),
    ]);
  await answer();
  return {
    /** Ends it, or kills it; answers its errors, as far as it can tell. @returns {Promise<string[]>} */
    end: async (/** @type {boolean} */ asCrash) => {
      if (asCrash) child.kill('SIGKILL');
      else child.send('stop');
      const errors = asCrash ? [] : (await answer()).errors;
      await ended;
      return errors;
    },
  };
}

/**
 * Throws when a row is gone that the application was promised; answers how many there are.
 * @param {string} database
 * @param {string} ackFile
 */
export function expectAcknowledgedRows(database, ackFile) {
  const acknowledged = fs.readFileSync(ackFile, 'utf8').split('\n').slice(0, -1);
  const connection = new Database(database, { fileMustExist: true });
  try {
    const find = connection.prepare('SELECT 1 FROM logs WHERE log_id = ?');
    const missing = acknowledged.filter((id) => find.get(id) === undefined);
    if (missing.length > 0) throw new Error(`${missing.length} acknowledged rows are gone, ${missing[0]} is the first`);
    return acknowledged.length;
  } finally {
    connection.close();
  }
}
