/** What is written down about a backup. Pure but for the clock it is handed. */
import type { z } from 'zod';
import type { Manifest } from '../files/manifest.js';
import type { Stored } from '../files/store.js';
import type { Proof } from '../sqlite/operations/prove.js';
import { programVersion, sqliteVersion } from '../version.js';
import type { Copy } from './copy.js';
import type { JobContext } from './job.js';
import type { Located } from './locate.js';
import type { backupOptions } from './options.js';

type Context = JobContext<z.output<typeof backupOptions>>;

/** Of a proven copy. */
export function manifestOf(
  context: Context,
  located: Located,
  copy: Copy,
  stored: Stored,
  proof: Proof,
  anomaly: string | undefined,
): Omit<Manifest, 'file'> {
  const { compress } = context.options;
  return {
    ...common(context, located, copy, stored),
    compression: compress,
    tables: proof.tables,
    verification: {
      integrity: proof.integrity,
      checks: [
        'size',
        'schema',
        ...checkNames[proof.integrity],
        'rows',
        'sha256',
        ...(compress === 'none' ? [] : ['decompressed']),
      ],
      ...(proof.limited === undefined ? {} : { limited: proof.limited }),
    },
    ...(anomaly === undefined ? {} : { anomaly }),
  };
}

/** Of a copy of a damaged database: nothing is claimed but its bytes. */
export function suspectManifestOf(
  context: Context,
  located: Located,
  copy: Copy,
  stored: Stored,
  findings: readonly string[],
): Omit<Manifest, 'file'> {
  return {
    ...common(context, located, copy, stored),
    compression: context.options.compress,
    tables: {},
    verification: { integrity: 'none', checks: ['sha256'], findings: findings.slice(0, 100) },
  };
}

const checkNames = { full: ['integrity_check'], quick: ['quick_check'], none: [] } as const;

function common(
  { target, schedule, runId, now }: Context,
  located: Located,
  { snapshot }: Copy,
  { plain, stored }: Stored,
) {
  return {
    format: 1,
    database: target.name,
    source: target.path,
    source_device: located.device,
    source_inode: located.inode,
    created_at: snapshot.takenAt,
    schedule,
    run_id: runId,
    size_bytes: plain.sizeBytes,
    sha256: plain.sha256,
    stored_bytes: stored.sizeBytes,
    stored_sha256: stored.sha256,
    page_count: snapshot.pageCount,
    page_size: snapshot.pageSize,
    journal_mode: snapshot.journalMode,
    snapshot_method: snapshot.method,
    snapshot_reason: snapshot.methodReason,
    application_id: snapshot.applicationId,
    sqlite_version: sqliteVersion,
    program_version: programVersion,
    schema_sha256: snapshot.schemaSha256,
    verified_at: now().toISOString(),
  } as const;
}
