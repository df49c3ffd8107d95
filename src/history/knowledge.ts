/** What jobs leave for later runs: which files and directories were seen, how large they were, which backups proved good. */
import type { Facts } from '../jobs/outcome.js';
import type { OwnDatabase } from '../sqlite/own.js';

export interface Identity {
  readonly device: number;
  readonly inode: number;
}

export interface Sample {
  readonly at: Date;
  readonly sizeBytes: number;
}

export interface Verification {
  readonly backup: string;
  readonly at: Date;
  readonly sound: boolean;
  readonly restoreMs: number | null;
  readonly message: string;
}

export interface Intent {
  readonly at: Date;
  readonly deed: string;
  readonly facts: Facts;
}

export function writeDirectory(db: OwnDatabase, path: string, device: number): void {
  db.prepare('INSERT OR REPLACE INTO directory (path, device) VALUES (?, ?)').run(path, device);
}

export function deviceOf(db: OwnDatabase, path: string): number | undefined {
  return db.prepare<[string], { device: number }>('SELECT device FROM directory WHERE path = ?').get(path)?.device;
}

export function writeIdentity(db: OwnDatabase, database: string, { device, inode }: Identity): void {
  db.prepare('INSERT OR REPLACE INTO identity (database, device, inode) VALUES (?, ?, ?)').run(database, device, inode);
}

export function identityOf(db: OwnDatabase, database: string): Identity | undefined {
  return db.prepare<[string], Identity>('SELECT device, inode FROM identity WHERE database = ?').get(database);
}

/** One a database and hour is kept: the last. */
export function writeSample(db: OwnDatabase, database: string, { at, sizeBytes }: Sample): void {
  db.prepare('INSERT OR REPLACE INTO sample (database, hour, at, size_bytes) VALUES (?, ?, ?, ?)').run(
    database,
    hourOf(at),
    at.toISOString(),
    sizeBytes,
  );
}

/** Oldest first. */
export function samples(db: OwnDatabase, database: string, since: Date): readonly Sample[] {
  return db
    .prepare<unknown[], { at: string; size_bytes: number }>(
      'SELECT at, size_bytes FROM sample WHERE database = ? AND hour >= ? AND at >= ? ORDER BY hour',
    )
    .all(database, hourOf(since), since.toISOString())
    .map((row) => ({ at: new Date(row.at), sizeBytes: row.size_bytes }));
}

export function hourOf(time: Date): string {
  return time.toISOString().slice(0, 13);
}

export function writeVerification(db: OwnDatabase, database: string, verification: Verification): void {
  db.prepare(
    'INSERT INTO verification (database, backup, at, sound, restore_ms, message) VALUES (?, ?, ?, ?, ?, ?)',
  ).run(
    database,
    verification.backup,
    verification.at.toISOString(),
    verification.sound ? 1 : 0,
    verification.restoreMs,
    verification.message,
  );
}

/** Those verifications that found a backup unsound and are the newest of it. */
export const newestUnsound = `FROM verification AS newest WHERE sound = 0 AND NOT EXISTS (
  SELECT 1 FROM verification AS later
  WHERE later.database = newest.database AND later.backup = newest.backup AND later.id > newest.id)`;

export function badBackups(db: OwnDatabase, database: string): ReadonlySet<string> {
  const rows = db
    .prepare<[string], { backup: string }>(`SELECT backup ${newestUnsound} AND database = ?`)
    .all(database);
  return new Set(rows.map(({ backup }) => backup));
}

/** When each backup was last restored to scratch and found sound, by file stem. */
export function provenAt(db: OwnDatabase, database: string): ReadonlyMap<string, Date> {
  const rows = db
    .prepare<[string], { backup: string; at: string }>(
      'SELECT backup, at FROM verification WHERE database = ? AND sound = 1 AND restore_ms IS NOT NULL ORDER BY id',
    )
    .all(database);
  return new Map(rows.map(({ backup, at }) => [backup, new Date(at)]));
}

/** The newest restore that was carried out and found sound. */
export function lastVerified(
  db: OwnDatabase,
  database: string,
): { readonly backup: string; readonly at: Date; readonly restoreMs: number } | undefined {
  const row = db
    .prepare<[string], { backup: string; at: string; restore_ms: number }>(
      `SELECT backup, at, restore_ms FROM verification WHERE database = ? AND sound = 1 AND restore_ms IS NOT NULL
       ORDER BY id DESC LIMIT 1`,
    )
    .get(database);
  return row && { backup: row.backup, at: new Date(row.at), restoreMs: row.restore_ms };
}

export function writeIntent(db: OwnDatabase, database: string, { at, deed, facts }: Intent): void {
  db.prepare('INSERT INTO intent (database, at, deed, facts) VALUES (?, ?, ?, ?)').run(
    database,
    at.toISOString(),
    deed,
    JSON.stringify(facts),
  );
}

/** Restores of which no end is recorded: begun, and cut off (or still going: then their process has the database's lock). */
export function unfinishedRestores(db: OwnDatabase): readonly (Intent & { readonly database: string })[] {
  return db
    .prepare<[], { database: string; at: string; deed: string; facts: string }>(
      `SELECT database, at, deed, facts FROM intent AS begun WHERE deed = 'restore' AND NOT EXISTS (
         SELECT 1 FROM intent AS ended WHERE ended.id > begun.id AND ended.database = begun.database
         AND ended.deed = 'restore ended' AND ended.facts ->> 'runId' = begun.facts ->> 'runId')
       ORDER BY id`,
    )
    .all()
    .map(({ at, facts, ...intent }) => ({ ...intent, at: new Date(at), facts: toFacts(facts) }));
}

/** The newest restore of this database by this run, and how it ended, as whoever found out recorded it; null: no end is recorded. */
export function restoreOf(
  db: OwnDatabase,
  database: string,
  runId: string,
): { readonly ended: string | null } | undefined {
  return db
    .prepare<[string, string], { ended: string | null }>(
      `SELECT (SELECT ended.facts ->> 'outcome' FROM intent AS ended WHERE ended.id > begun.id AND ended.database = begun.database
         AND ended.deed = 'restore ended' AND ended.facts ->> 'runId' = begun.facts ->> 'runId' ORDER BY ended.id LIMIT 1) AS ended
       FROM intent AS begun WHERE deed = 'restore' AND database = ? AND facts ->> 'runId' = ? ORDER BY id DESC LIMIT 1`,
    )
    .get(database, runId);
}

/** We wrote it with JSON.stringify from Facts; anything that is not an object is another program's doing. */
function toFacts(text: string): Facts {
  const value: unknown = JSON.parse(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Facts) : {};
}

/** A replaced file was meant: which one it is, is remembered anew. */
export function writeAcknowledgement(db: OwnDatabase, database: string, at: Date): void {
  db.prepare('INSERT OR REPLACE INTO acknowledgement (database, at) VALUES (?, ?)').run(database, at.toISOString());
  db.prepare('DELETE FROM identity WHERE database = ?').run(database);
}

/** They are taken for new when they are next used, on whatever device they then are. */
export function forgetDirectories(db: OwnDatabase, paths: readonly string[]): void {
  for (const path of paths) db.prepare('DELETE FROM directory WHERE path = ?').run(path);
}
