/** The past of an installation, edited: the program was down when a run was due, so that the daemon owes one at its next start. */
import fs from 'node:fs';
import { History } from '../../src/history/history.js';

const dayMs = 86_400_000;

/** A pattern that runs once a day, twelve hours from now: a missed run is made up for unless the next one is near. */
export function dailyFarFromNow(now = new Date()): string {
  return `${now.getUTCMinutes()} ${(now.getUTCHours() + 12) % 24} * * *`;
}

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** As if a daemon had been here and had last run this schedule three days ago. While no program is running. */
export function missRun(stateDirectory: string, schedule: string): void {
  const at = new Date(Date.now() - 3 * dayMs);
  fs.mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const history = History.open(stateDirectory, { now: () => at, log: quiet });
  try {
    history.seeSchedule(schedule, at);
    history.markSlot(schedule, at);
  } finally {
    history.close();
  }
}
