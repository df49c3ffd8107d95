/** The facts of the health job, as history gives them back, read as what was measured. */
import { z } from 'zod';
import type { HealthEvidence } from '../jobs/health-verdict.js';
import type { Facts } from '../jobs/outcome.js';
import type { Measured } from './overview.js';

const count = z.number().nonnegative();
const known = count.nullable().catch(null);

/** What an earlier version did not write yet is unknown. */
const factsSchema = z.object({
  sizeBytes: count,
  walBytes: count,
  freelistRatio: count,
  probeMs: count,
  totalRows: known,
  recentRows: known,
  freeDiskBytes: known,
  freeBackupDiskBytes: known,
  growthBytesPerDay: z.number().nullable().catch(null),
  holders: z.array(z.unknown()).nullable().catch(null),
  journalMode: z.string(),
  missingTables: z.array(z.string()).catch([]),
  mode: z
    .string()
    .regex(/^[0-7]+$/)
    .catch('0600'),
  replaced: z.string().nullable().catch(null),
});

/** What a verdict needs, but for the age of the newest backup, which the time of asking decides. */
export type TimelessEvidence = Omit<HealthEvidence, 'newestBackupAgeMs'>;

/** Undefined when the facts are not those of a measurement. */
export function measuredFrom(
  facts: Facts,
  at: Date,
): { readonly measured: Measured; readonly evidence: TimelessEvidence } | undefined {
  const parsed = factsSchema.safeParse(facts);
  if (!parsed.success) return undefined;
  const { holders, probeMs, mode, missingTables, replaced, ...figures } = parsed.data;
  return {
    measured: { at, ...figures, queryMs: probeMs, connections: holders?.length ?? null },
    evidence: {
      ...figures,
      probeMs,
      missingTables,
      mode: Number.parseInt(mode, 8),
      // Only an unknown disk is none: a database is always on one.
      freeDiskBytes: figures.freeDiskBytes ?? Number.POSITIVE_INFINITY,
      replaced: replaced ?? undefined,
    },
  };
}
