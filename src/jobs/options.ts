/** The options of each kind of job that need no code of the job to be understood. Every key has its meaning, unit and default here. */
import { z } from 'zod';
import { duration, size, timerDuration } from '../units.js';

export const backupOptions = z.strictObject({
  compress: z
    .enum(['none', 'gzip', 'zstd'])
    .default('none')
    .describe('How backups are stored. zstd needs Node.js 22.15 or newer.'),
  integrity: z
    .enum(['full', 'quick'])
    .default('full')
    .describe(
      'The check each copy must pass before it counts: integrity_check, or quick_check, which misses index entries that no longer match.',
    ),
  method: z
    .enum(['auto', 'copy', 'api'])
    .default('auto')
    .describe(
      "How the live database is copied: `copy`, its files, while a read transaction keeps them consistent (Linux, local file systems); `api`, SQLite's backup API, page by page, several times as slow; `auto`, the first where it is seen to hold.",
    ),
  max_wal_growth: size()
    .default(1024 ** 3)
    .describe('The backup is given up when the write-ahead log grows by more than this while it is copied.'),
  attempts: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe('How often a copy is tried when the database is locked or the log grows too far.'),
});

export const integrityOptions = z.strictObject({
  mode: z
    .enum(['full', 'quick'])
    .default('full')
    .describe('integrity_check, or quick_check, which is faster and misses index entries that no longer match.'),
  confirm_after: timerDuration()
    .default(30_000)
    .describe('A finding is checked again in another process after this time, before it is believed.'),
});

const withLitestream = z
  .boolean()
  .default(false)
  .describe(
    'Whether a database that Litestream replicates is written to as well: it then copies what was written, after a VACUUM all of it.',
  );

export const analyzeOptions = z.strictObject({
  analysis_limit: z
    .int()
    .min(0)
    .default(0)
    .describe(
      'Rows looked at per index, as in PRAGMA analysis_limit; 0 reads them all. The work is done on a copy either way.',
    ),
  with_litestream: withLitestream,
});

const rehearse = z
  .boolean()
  .optional()
  .describe(
    'Whether the work is first done on a scratch copy: what fails there never touches the database. Default: for databases under 2GB.',
  );

const maxWriterStall = (what: string) => duration().default(30_000).describe(what);

export const vacuumOptions = z.strictObject({
  mode: z
    .enum(['auto', 'full', 'incremental'])
    .default('auto')
    .describe(
      'full: VACUUM, for which writers wait; incremental: in small steps, for databases with auto_vacuum=INCREMENTAL only; auto: incremental where that is possible.',
    ),
  min_freelist_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Skipped when a smaller share of the pages is free.'),
  min_reclaimable: size()
    .default(1000 ** 2)
    .describe('Skipped when less than this would be reclaimed.'),
  max_writer_stall: maxWriterStall('Skipped when a full VACUUM is expected to make writers wait longer than this.'),
  convert_to_incremental: z
    .boolean()
    .default(false)
    .describe('Whether a database without auto_vacuum=INCREMENTAL gets it, once, with a full VACUUM.'),
  vacuum_allow_rowid_change: z
    .boolean()
    .default(false)
    .describe(
      'Whether VACUUM may number rows anew that a full-text table finds by number; you rebuild its index afterwards.',
    ),
  rehearse,
  with_litestream: withLitestream,
});

export const reindexOptions = z.strictObject({
  when: z
    .enum(['needed', 'always'])
    .default('needed')
    .describe(
      'needed: an index that is damaged, whose pages are largely unused, or that was built by another version of SQLite; always: every index.',
    ),
  min_unused_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.35)
    .describe(
      'The share of unused bytes from which an index is rebuilt. About 0.31 is normal where keys come in no order.',
    ),
  min_reclaimable: size()
    .default(1000 ** 2)
    .describe('An index with fewer unused bytes is left alone.'),
  max_writer_stall: maxWriterStall('An index whose rebuild is expected to make writers wait longer is left alone.'),
  pause: timerDuration().default(250).describe('Between two indexes, so that writers come in between.'),
  rehearse,
  with_litestream: withLitestream,
});

export const verifyOptions = z.strictObject({
  older: z
    .int()
    .min(0)
    .default(1)
    .describe('How many older backups, chosen at random, are verified beside the newest.'),
  foreign_keys: z
    .boolean()
    .default(true)
    .describe(
      'Whether foreign keys are checked; violations already in the database are reported, not counted as damage.',
    ),
  assertions: z
    .array(
      z.strictObject({
        sql: z.string().min(1).describe('A SELECT that answers one value.'),
        expect: z.union([z.string(), z.number()]).describe('The value it must answer.'),
      }),
    )
    .default([])
    .describe('Statements of yours that a restored backup must satisfy.'),
});

export const retentionOptions = z.strictObject({
  keep_last: z.int().min(1).default(3).describe('The newest this many are kept, whatever their age.'),
  keep_days: z.int().min(0).default(30).describe('Everything younger than this many days is kept.'),
  keep_daily: z.int().min(0).default(0).describe('The newest of each of the last this many days that have one.'),
  keep_weekly: z
    .int()
    .min(0)
    .default(0)
    .describe('The newest of each of the last this many weeks (Monday to Sunday) that have one.'),
  keep_monthly: z.int().min(0).default(0).describe('The newest of each of the last this many months that have one.'),
  keep_as: z
    .enum(['auto', 'full', 'delta'])
    .default('auto')
    .describe(
      'What becomes of a backup when a newer one is there: `full`, it stays as it is; `delta`, only the pages that differ from the newer one are kept; `auto`, the second, except where a backup shares its extents with the database (XFS, btrfs), or backups are compressed.',
    ),
});

export const healthOptions = z.strictObject({
  probe: z
    .string()
    .min(1)
    .optional()
    .describe('A SELECT that stands for what the application does; default: one row of each table.'),
  max_query_time: duration().default(1000).describe('A slower probe makes the database degraded.'),
  max_size: size()
    .default(10 * 1000 ** 3)
    .describe('A larger database is worth a warning.'),
  warn_size: size()
    .default(1000 ** 3)
    .describe('Above this, growth is reported.'),
  max_growth_per_day: size()
    .default(1000 ** 3)
    .describe('Faster growth is worth a warning.'),
  max_wal: size()
    .default(1000 ** 3)
    .describe('A larger write-ahead log is worth a warning: something keeps it from being checkpointed.'),
  max_freelist_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.25)
    .describe('A larger share of unused pages is worth a warning.'),
  min_free_disk: size()
    .default(1000 ** 3)
    .describe('Less free space on the disk of the database, or of its backups, makes it degraded.'),
  max_backup_age: duration()
    .default(26 * 3_600_000)
    .describe('An older newest backup makes the database degraded.'),
  probe_timeout: timerDuration().default(30_000).describe('A probe that takes longer counts as unreachable.'),
  count_timeout: timerDuration()
    .default(5000)
    .describe("Counting the rows of the profile's main table is given up after this: their number is then unknown."),
});

export const reportOptions = z.strictObject({});

/** The options of every kind, defaults filled in. */
export interface JobOptions {
  readonly backup: z.output<typeof backupOptions>;
  readonly integrity: z.output<typeof integrityOptions>;
  readonly analyze: z.output<typeof analyzeOptions>;
  readonly vacuum: z.output<typeof vacuumOptions>;
  readonly reindex: z.output<typeof reindexOptions>;
  readonly verify: z.output<typeof verifyOptions>;
  readonly retention: z.output<typeof retentionOptions>;
  readonly health: z.output<typeof healthOptions>;
  readonly report: z.output<typeof reportOptions>;
}

export type HealthOptions = z.output<typeof healthOptions>;
