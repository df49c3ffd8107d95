/** Whether the databases and schedules that notifications name are there. Of a glob, whether its files could have such a name. */
import { z } from 'zod';
import { isGlob } from '../jobs/target-names.js';
import { suggestion } from './suggest.js';

interface NameFinding {
  readonly path: readonly PropertyKey[];
  readonly part: 'value';
  readonly message: string;
}

/** What of a document, mistakes and all, can be looked at here. */
const documentIn = z.object({
  databases: z.record(z.string(), z.object({ path: z.string().catch('') }).catch({ path: '' })),
  schedules: z.record(z.string(), z.unknown()),
  notify: z.object({
    channels: z.record(
      z.string(),
      z
        .object({
          databases: z.array(z.unknown()).catch([]).default([]),
          ping: z
            .object({ schedule: z.string().optional().catch(undefined) })
            .optional()
            .catch(undefined),
        })
        .catch({ databases: [] }),
    ),
  }),
});

/** `raw` is the document before it is checked, so that this is said together with everything else. */
export function notifyFindings(raw: unknown): NameFinding[] {
  const document = documentIn.safeParse(raw);
  if (!document.success) return [];
  const { databases, schedules, notify } = document.data;
  const isDatabase = (name: string): boolean =>
    Object.entries(databases).some(
      ([listed, { path }]) => listed === name || (isGlob(path) && name.startsWith(`${listed}--`)),
    );
  return Object.entries(notify.channels).flatMap(([channel, { databases: named, ping }]) => {
    const at = ['notify', 'channels', channel];
    const found = named.flatMap((name, index): NameFinding[] => {
      if (typeof name !== 'string' || isDatabase(name)) return [];
      const message = `there is no database \`${name}\`${suggestion(name, Object.keys(databases))}`;
      return [{ path: [...at, 'databases', index], part: 'value', message }];
    });
    const schedule = ping?.schedule;
    if (schedule === undefined || Object.hasOwn(schedules, schedule)) return found;
    const message = `there is no schedule \`${schedule}\`${suggestion(schedule, Object.keys(schedules))}`;
    return [...found, { path: [...at, 'ping', 'schedule'], part: 'value', message }];
  });
}
