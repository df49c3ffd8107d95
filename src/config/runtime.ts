/**
 * What a configuration asks for and the Node.js that runs this program does not have: said when the configuration is read, not at night
 * by the job that needs it. files/store.ts, in the child, asks again before it compresses.
 */
import zlib from 'node:zlib';
import { z } from 'zod';

/** A mistake about the value at `path`. */
export interface RuntimeFinding {
  readonly path: readonly string[];
  readonly part: 'value';
  readonly message: string;
}

/** What of a document, mistakes and all, can be looked at here. */
const jobsIn = z
  .object({ backup: z.object({ compress: z.unknown() }).optional().catch(undefined) })
  .optional()
  .catch(undefined);
const compressSchema = z.object({
  jobs: jobsIn,
  databases: z.record(z.string(), z.object({ jobs: jobsIn }).catch({})).catch({}),
});

/** By name: the types of Node.js 20, the oldest supported, do not have it. */
const zstdHere = 'createZstdCompress' in zlib;

/** `raw` is the document before it is checked, so that this is said together with everything else. */
export function runtimeFindings(raw: unknown, hasZstd = zstdHere): RuntimeFinding[] {
  const document = compressSchema.safeParse(raw);
  if (hasZstd || !document.success) return [];
  const { jobs, databases } = document.data;
  const places = [
    { path: ['jobs'], jobs },
    ...Object.entries(databases).map(([name, database]) => ({
      path: ['databases', name, 'jobs'],
      jobs: database.jobs,
    })),
  ];
  return places
    .filter((place) => place.jobs?.backup?.compress === 'zstd')
    .map((place) => ({
      path: [...place.path, 'backup', 'compress'],
      part: 'value',
      message: `zstd needs Node.js 22.15 or newer, and this is ${process.version}: use gzip, or upgrade`,
    }));
}
