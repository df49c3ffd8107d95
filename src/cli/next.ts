/** `next`: when the schedules run next, in the configured time zone. */
import type { Config } from '../config/config.js';
import { delayOf } from '../schedule/jitter.js';
import { createSlots } from '../schedule/slots.js';
import { type GlobalOptions, readConfig } from './open.js';
import { print, printJson, table } from './terminal.js';

export interface NextRun {
  readonly schedule: string;
  /** ISO 8601, UTC; delay included. */
  readonly at: string;
  /** In the configured zone, for people. */
  readonly local: string;
  readonly jobs: readonly string[];
}

export function next(options: GlobalOptions & { n: number }): number {
  const config = readConfig(options);
  const runs = nextRuns(config, new Date(), options.n);
  if (options.json === true) printJson(runs);
  else
    print(
      ...table(
        ['when', 'schedule', 'jobs'],
        runs.map(({ local, schedule, jobs }) => [local, schedule, jobs.join(', ')]),
      ),
    );
  return 0;
}

/** The next `count` runs of all schedules together, by time. */
export function nextRuns(config: Config, now: Date, count: number): NextRun[] {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: config.timezone,
    dateStyle: 'short',
    timeStyle: 'short',
  });
  const weekday = new Intl.DateTimeFormat('en', { timeZone: config.timezone, weekday: 'short' });
  const runs = config.schedules.flatMap((schedule) => {
    const slots = createSlots(schedule.cron, config.timezone);
    const delayMs = delayOf(config, schedule);
    const times: Date[] = [];
    for (
      let slot = slots.next(new Date(now.getTime() - delayMs));
      slot !== null && times.length < count;
      slot = slots.next(slot)
    )
      times.push(new Date(slot.getTime() + delayMs));
    return times.map((at) => ({
      schedule: schedule.name,
      at: at.toISOString(),
      local: `${weekday.format(at)} ${format.format(at)} ${config.timezone}`,
      jobs: schedule.jobs,
    }));
  });
  return runs.sort((one, other) => one.at.localeCompare(other.at)).slice(0, count);
}
