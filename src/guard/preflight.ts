/** What must hold before a guarded run begins. Reads only. */
import { dirname } from 'node:path';
import { JobError } from '../errors.js';
import type { JobContext } from '../jobs/job.js';
import { type Located, refuseReplaced } from '../jobs/locate.js';
import { formatBytes } from '../units.js';
import type { GuardRules, Rewrite } from './rewrite.js';

const marginBytes = 16 * 1024 * 1024;

/** @throws JobError `identity-changed`, `refused` (an incident is open), `full` (naming the directory and both figures) */
export async function preflight(
  context: JobContext<unknown>,
  located: Located,
  rewrite: Rewrite,
  rules: GuardRules,
): Promise<void> {
  const { target, past } = context;
  const incident = past.openIncident(target.name);
  if (incident !== undefined) throw new JobError('refused', describeIncident(target.name, incident));
  refuseReplaced(located);
  await requireWorkSpace(context, located, rewrite, rules);
}

/** Also right before the work: the backup and the rehearsal take room of their own, and others do not stand still. @throws JobError `full` */
export async function requireWorkSpace(
  context: JobContext<unknown>,
  located: Pick<Located, 'path'>,
  rewrite: Rewrite,
  rules: GuardRules,
): Promise<void> {
  await requireAll(context, rewrite.operation, [
    { directory: dirname(located.path), bytes: rewrite.space.besideBytes, purpose: 'its write-ahead log' },
    { directory: rules.tempDirectory, bytes: rewrite.space.tempBytes, purpose: "SQLite's temporary files" },
  ]);
}

function describeIncident(database: string, { row, at, message }: { row: string; at: Date; message: string }): string {
  return `${database} waits since ${at.toISOString()} for somebody to look at it (${row}: ${message}); then run \`debuggle-maintenance ack ${database}\``;
}

interface Need {
  readonly directory: string;
  readonly bytes: number;
  readonly purpose: string;
}

async function requireAll(
  { target, session }: JobContext<unknown>,
  operation: string,
  needs: readonly Need[],
): Promise<void> {
  for (const { directory, bytes, purpose } of needs) {
    if (bytes === 0) continue;
    const free = await session.call('freeBytes', { path: directory });
    if (free >= bytes + marginBytes) continue;
    throw new JobError(
      'full',
      `cannot ${operation} ${target.name}: ${formatBytes(free)} free in ${directory}, ${formatBytes(bytes + marginBytes)} needed for ${purpose}: free some`,
    );
  }
}
