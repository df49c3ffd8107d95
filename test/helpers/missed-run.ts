/** The past of an installation, edited: the program was down when a run was due, so that the daemon owes one at its next start. */
import path from 'node:path';
import Database from 'better-sqlite3';

const dayMs = 86_400_000;

/** A pattern that runs once a day, twelve hours from now: a missed run is made up for unless the next one is near. */
export function dailyFarFromNow(now = new Date()): string {
  return `${now.getUTCMinutes()} ${(now.getUTCHours() + 12) % 24} * * *`;
}

/** As if this schedule, which the history knows already, had last run three days ago. While no program is running. */
export function missRun(stateDirectory: string, schedule: string): void {
  const database = new Database(path.join(stateDirectory, 'history.db'), { fileMustExist: true });
  try {
    const at = new Date(Date.now() - 3 * dayMs).toISOString();
    const { changes } = database
      .prepare('UPDATE schedule SET first_seen = ?, last_slot = ? WHERE name = ?')
      .run(at, at, schedule);
    if (changes !== 1) throw new Error(`the history does not know ${schedule}`);
  } finally {
    database.close();
  }
}
