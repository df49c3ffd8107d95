/** What grows old in the history is dropped, a little at a time, so that no other process waits long for its turn to write. */
import type { OwnDatabase } from '../sqlite/own.js';
import { hourOf, newestUnsound } from './knowledge.js';

const keptMs = 400 * 86_400_000;
const rowsAtOnce = 200;

/**
 * Drops what is older than 400 days, and says how many rows. Kept whatever their age: each schedule's newest run, what is known to be a
 * bad backup, and each database's last proven restore.
 */
export function dropOld(db: OwnDatabase, now: Date): number {
  const before = new Date(now.getTime() - keptMs);
  const time = before.toISOString();
  return (
    drop(
      db,
      `run WHERE id IN (SELECT id FROM run WHERE started_at < ? AND id NOT IN (SELECT max(id) FROM run GROUP BY schedule)`,
      time,
    ) +
    drop(
      db,
      `verification WHERE id IN (SELECT id FROM verification WHERE at < ? AND id NOT IN (SELECT id ${newestUnsound})
         AND id NOT IN (SELECT max(id) FROM verification WHERE sound = 1 AND restore_ms IS NOT NULL GROUP BY database)`,
      time,
    ) +
    drop(db, `guarded_run WHERE id IN (SELECT id FROM guarded_run WHERE at < ?`, time) +
    drop(db, `incident WHERE id IN (SELECT id FROM incident WHERE at < ? AND closed_at IS NOT NULL`, time) +
    drop(db, `intent WHERE id IN (SELECT id FROM intent WHERE at < ?`, time) +
    drop(db, `sample WHERE (database, hour) IN (SELECT database, hour FROM sample WHERE hour < ?`, hourOf(before))
  );
}

function drop(db: OwnDatabase, what: string, before: string): number {
  const statement = db.prepare(`DELETE FROM ${what} LIMIT ${rowsAtOnce})`);
  let total = 0;
  for (;;) {
    const { changes } = statement.run(before);
    total += changes;
    if (changes < rowsAtOnce) return total;
  }
}
