/** What a history consists of, read from the manifests: in which form each backup is stored, on what, and what it holds. */
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { expectWhole } from './site.mjs';

/** @typedef {{ stem: string, form: string, base: string | undefined, sha256: string, storedSha256: string }} Stored */

/**
 * Every one can be rebuilt, or it throws; by the moment they hold. `form`: `db` or `delta`; which of its two names that has is no matter.
 * @param {import('./site.mjs').Site} site
 * @param {string} where
 * @returns {Stored[]}
 */
export function storedIn(site, where) {
  return expectWhole(site, where).map((stem) => {
    const manifest = JSON.parse(fs.readFileSync(path.join(site.backups, `${stem}.json`), 'utf8'));
    const { file, delta, sha256, stored_sha256: storedSha256 } = manifest;
    return { stem, form: path.extname(file).replace(/[^a-z]/g, ''), base: delta?.base, sha256, storedSha256 };
  });
}

/**
 * Each of these is still there, and holds what it held.
 * @param {readonly Stored[]} stored
 * @param {readonly Stored[]} wanted
 * @param {string} where
 */
export function expectKept(stored, wanted, where) {
  for (const { stem, sha256 } of wanted) {
    const found = stored.find((other) => other.stem === stem);
    if (found === undefined) throw new Error(`${where}: ${stem} is gone`);
    if (found.sha256 !== sha256) throw new Error(`${where}: ${stem} is another than when it was made`);
  }
}

/**
 * A day of the application: the oldest twentieth goes, as much comes, under keys that lie anywhere.
 * @param {string} database
 */
export function changeRows(database) {
  const connection = new Database(database, { fileMustExist: true });
  try {
    const { n } = connection.prepare('SELECT max(1, count(*) / 20) AS n FROM logs').get();
    connection.exec(`
      DELETE FROM logs WHERE rowid IN (SELECT rowid FROM logs ORDER BY rowid LIMIT ${n});
      INSERT INTO logs SELECT hex(randomblob(16)), timestamp, hex(randomblob(200)), processed_log, summary, tags, severity, language, metadata,
        project_name, file_path, source, created_at FROM logs ORDER BY random() LIMIT ${n}`);
  } finally {
    connection.close();
  }
}
