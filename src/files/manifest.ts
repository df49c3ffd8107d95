/**
 * The manifest beside each backup: what it holds and how that was proven. One module knows its format. Child processes, which read and write
 * these files, do without it: loading what checks them takes as long as loading the rest of a child.
 */
import { z } from 'zod';
import { saysWhatWasWritten } from './manifest-file.js';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const manifestSchema = z.object({
  format: z.literal(1),
  database: z.string().min(1),
  /** The path of the database it was copied from. */
  source: z.string(),
  source_device: z.number(),
  source_inode: z.number(),
  /** The moment whose state the backup holds: ISO 8601, UTC. */
  created_at: z.iso.datetime(),
  schedule: z.string(),
  run_id: z.string(),
  /** The stored file's name. */
  file: z.string(),
  /** Of a stored file that is a whole database. */
  compression: z.enum(['none', 'gzip', 'zstd']),
  /** Set when the stored file has only the pages that differ from a newer backup (docs/delta-format.md). */
  delta: z
    .object({
      /** The newer backup: what its files share, and the hash of its database. */
      base: z.string(),
      base_sha256: sha256,
      /** How many pages it has. */
      pages: z.int().nonnegative(),
    })
    .optional(),
  /** Of the database itself, uncompressed. */
  size_bytes: z.int().positive(),
  sha256,
  /** Of the stored file; the same where nothing is compressed. */
  stored_bytes: z.int().positive(),
  stored_sha256: sha256,
  page_count: z.int().positive(),
  page_size: z.int().positive(),
  /** Of the source: a restore sets it again. The backup itself always has `delete`. */
  journal_mode: z.string(),
  /** How it was copied, and why so. */
  snapshot_method: z.enum(['copy', 'api']).optional(),
  snapshot_reason: z.string().optional(),
  application_id: z.int(),
  sqlite_version: z.string(),
  program_version: z.string(),
  /** Rows per table. */
  tables: z.record(z.string(), z.int().nonnegative()),
  schema_sha256: sha256,
  verified_at: z.iso.datetime(),
  verification: z.object({
    /** Which of SQLite's checks the copy passed; `none` where the schema needs functions this program lacks. */
    integrity: z.enum(['full', 'quick', 'none']),
    /** What was proven, in order. */
    checks: z.array(z.string()),
    /** Why a lesser check had to do. */
    limited: z.string().optional(),
    /** What the check said of a damaged database; only in suspect/. */
    findings: z.array(z.string()).optional(),
  }),
  /** Set when this backup is suddenly much smaller than the one before: kept, marked, and retention waits. */
  anomaly: z.string().optional(),
  /** Tables that the profile requires and the database lacked, right before it was restored: kept, and never taken for a good backup. */
  lacks: z.array(z.string()).optional(),
  /** Taken right before an operation that rewrites the database: the guard keeps the newest two, retention leaves them alone. */
  pre_operation: z.boolean().optional(),
  /** Indexes that differ from their tables in the database, and were rebuilt in this copy of it. */
  mended: z.array(z.string()).optional(),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** What a file holds: a manifest; undefined when it is somebody else's JSON; `illegible` when it was one of ours and is damaged. */
export function parseManifest(text: string): Manifest | 'illegible' | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return 'illegible';
  }
  // Whatever it says: also whose it is may be what has changed.
  if (typeof document === 'object' && document !== null && !saysWhatWasWritten(document)) return 'illegible';
  const manifest = manifestSchema.safeParse(document);
  if (manifest.success) return manifest.data;
  return ours.safeParse(document).success ? 'illegible' : undefined;
}

/** What a manifest of ours has, whatever else of it is damaged. */
const ours = z.object({ format: z.literal(1), database: z.string() });
