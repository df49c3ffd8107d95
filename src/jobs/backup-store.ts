/** What is done with a copy beside its proof: statistics, hash, compression; and where a damaged database's copy goes. */
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import { JobError } from '../errors.js';
import { partialPath, suspectDirectory } from '../files/names.js';
import type { Stored } from '../files/store.js';
import type { Statistics } from '../sqlite/operations/analyze.js';
import { suspectManifestOf } from './backup-manifest.js';
import type { Copy } from './copy.js';
import type { JobContext } from './job.js';
import type { Located } from './locate.js';
import type { backupOptions } from './options.js';

type Context = JobContext<z.output<typeof backupOptions>>;

interface StoredFile {
  readonly stored: Stored;
  /** The file to publish: the copy itself, or what it was compressed into. */
  readonly file: string;
  /** Until a copy was durable that is published as it is; null: what it is compressed into is synced on the way. */
  readonly syncMs: number | null;
}

export interface StoredCopy extends StoredFile {
  /** Where a later job of the run publishes them; or why there are none. */
  readonly statistics: Statistics | JobError | undefined;
}

/** In the second process, one after the other: ANALYZE leaves the copy as it was, and only then is it hashed. */
export async function storeBeside(context: Context, copy: Copy, unfinished: string[]): Promise<StoredCopy> {
  const statistics = context.planned.includes('analyze') ? await gather(context, copy) : undefined;
  return { ...(await store(context, copy, unfinished)), statistics };
}

async function store(context: Context, copy: Copy, unfinished: string[]): Promise<StoredFile> {
  const { options, beside } = context;
  if (options.compress !== 'none') return await compressCopy(context, copy, options.compress, unfinished);
  // Synced while it is proven: publishing it then finds little left to do.
  const { syncMs, ...digest } = await beside.call('digest', { path: copy.path, sync: true });
  return { stored: { plain: digest, stored: digest }, file: copy.path, syncMs };
}

/**
 * A schema that needs what this program lacks is told by the job analyze: the backup is no worse for it. Whether the copy is damaged is
 * for its proof to say; a copy that passes it and cannot be read here is a matter of the storage.
 */
async function gather({ beside, allOptions }: Context, copy: Copy): Promise<Statistics | JobError> {
  try {
    return await beside.call('gatherStatistics', { path: copy.path, limit: allOptions.analyze.analysis_limit });
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    if (error.code === 'unverifiable') return error;
    if (error.code !== 'damaged') throw error;
    throw new JobError('io', `${error.message}, which its check does not find: memory or storage is failing`);
  }
}

/** What is compressed is read back before it counts. */
async function compressCopy(
  { target, beside }: Context,
  copy: Copy,
  compression: 'gzip' | 'zstd',
  unfinished: string[],
): Promise<StoredFile> {
  const file = partialPath(target.backupDirectory, target.name);
  unfinished.push(file);
  const stored = await beside.call('compress', { from: copy.path, to: file, compression });
  const back = await beside.call('unpack', { from: file, to: null, compression });
  if (back.plain.sha256 !== stored.plain.sha256 || back.stored.sha256 !== stored.stored.sha256) {
    throw new JobError(
      'io',
      `the compressed backup of ${target.name} does not decompress to what was compressed: memory or storage is failing; it was thrown away`,
    );
  }
  return { stored, file, syncMs: null };
}

/**
 * A copy of a damaged database may be all there is left one day: kept apart, newest two, never counted as a backup.
 *
 * @param begun what storeBeside has made of it; undefined: it failed, on the way to the statistics for example
 */
export async function keepSuspect(
  context: Context,
  located: Located,
  copy: Copy,
  { findings, begun, unfinished }: { findings: readonly string[]; begun: StoredFile | undefined; unfinished: string[] },
): Promise<void> {
  const { target, session, log } = context;
  const directory = suspectDirectory(target.backupDirectory);
  try {
    await session.call('claimDirectory', { path: directory, rememberedDevice: null });
    const { stored, file } = begun ?? (await store(context, copy, unfinished));
    const manifest = suspectManifestOf(context, located, copy, stored, findings);
    const { path } = await session.call('publish', { temporary: file, directory, manifest });
    const { backups: all } = await readBackups(session, { directory, database: target.name });
    await session.call('prune', {
      directory,
      backups: all.slice(0, -2).map(({ stem, manifest }) => ({ stem, manifest })),
    });
    log.warn({ suspect: path }, 'a copy of the damaged database is kept');
  } catch (error) {
    log.error({ err: error }, 'no copy of the damaged database could be kept');
  }
}
