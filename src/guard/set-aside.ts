/**
 * What a restore will overwrite is put into safety first: byte for byte, as a page-faithful copy where SQLite can still read it, with what
 * the check says of that, and with the rows that the backup has not. All of it in one directory of the quarantine, which nobody prunes.
 *
 * The live database is only read. A crash leaves the database as it was, and perhaps an unfinished directory.
 */
import { join } from 'node:path';
import { toJobError } from '../errors.js';
import { partialPath } from '../files/names.js';
import type { QuarantinedFile } from '../files/quarantine.js';
import type { JobContext } from '../jobs/job.js';
import type { Facts } from '../jobs/outcome.js';
import type { Identity } from '../sqlite/open.js';
import type { Salvaged } from '../sqlite/operations/salvage.js';
import { compactUtc } from '../units.js';
import type { ProvenBackup } from './proven-backup.js';

export interface SetAside {
  readonly directory: string;
  readonly files: readonly QuarantinedFile[];
  /** A page-faithful copy is there, too; else why not. */
  readonly copy: { readonly path: string; readonly findings: readonly string[] } | { readonly missing: string };
  /** Null: it was not asked for. */
  readonly salvage: Salvaged | { readonly impossible: string } | null;
}

type Context = Pick<JobContext<unknown>, 'target' | 'runId' | 'secondOpinion' | 'log' | 'now'>;

export interface SetAsideRequest {
  readonly path: string;
  /** Null: no file is there, perhaps a log. */
  readonly identity: Identity | null;
  /** What salvage compares with; null: nothing is salvaged. */
  readonly backup: ProvenBackup | null;
  readonly quarantineDirectory: string;
  /** Goes into `quarantine.json`: why this was done. */
  readonly facts: Facts;
  /** See files/quarantine.ts. */
  readonly replacesUnused?: boolean;
}

/** @throws JobError `full` when there is no space; then nothing was changed, and nothing must be. */
export async function setAside(context: Context, request: SetAsideRequest): Promise<SetAside> {
  const { target, runId, secondOpinion, log, now } = context;
  const { path, identity, backup, quarantineDirectory, facts } = request;
  // In two processes: the one that reads the files has no connection to them, the other has.
  const files = secondOpinion();
  const reader = secondOpinion();
  try {
    const { directory, files: kept } = await files.call('quarantine', {
      path,
      directory: join(quarantineDirectory, `${target.name}-${compactUtc(now())}`),
      facts: { ...facts, database: target.name, runId },
      replacesUnused: request.replacesUnused === true,
    });
    log.info({ quarantine: directory, files: kept }, 'the files are in quarantine');
    const copy = await takeFaithfulCopy(reader, { path, identity, directory });
    const schemaVersion = identity === null ? null : await reader.call('schemaVersion', { path, identity });
    await files.call('noteInQuarantine', { directory, name: 'check.json', document: { ...copy, schemaVersion } });
    const salvage = backup === null ? null : await salvageInto(context, files, { directory, path, copy, backup });
    return { directory, files: kept, copy, salvage };
  } finally {
    await reader.close();
    await files.close();
  }
}

type Session = ReturnType<Context['secondOpinion']>;

async function takeFaithfulCopy(
  reader: Session,
  { path, identity, directory }: { path: string; identity: Identity | null; directory: string },
): Promise<SetAside['copy']> {
  if (identity === null) return { missing: 'there was no file' };
  const destination = join(directory, 'copy.db');
  try {
    await reader.call('snapshot', { path, identity, destination, maxWalGrowthBytes: Number.MAX_SAFE_INTEGER });
  } catch (error) {
    const failure = toJobError(error);
    if (failure.code === 'full') throw error;
    return { missing: failure.message };
  }
  try {
    const { findings } = await reader.call('prove', { path: destination, mode: 'full' });
    return { path: destination, findings: [...findings.damage, ...findings.unreadable] };
  } catch (error) {
    return { path: destination, findings: [toJobError(error).message] };
  }
}

/** A bonus: what fails here stops nothing, and is told. */
async function salvageInto(
  { target, log }: Context,
  session: Session,
  { directory, path, copy, backup }: { directory: string; path: string; copy: SetAside['copy']; backup: ProvenBackup },
): Promise<Salvaged | { impossible: string }> {
  const thawed = partialPath(target.scratchDirectory, target.name);
  try {
    if (!('path' in copy)) await session.call('thaw', { directory, path, to: thawed, backup: backup.unpacked });
    const salvaged = await session.call('salvage', {
      damaged: 'path' in copy ? copy.path : thawed,
      backup: backup.unpacked,
      to: join(directory, 'salvage.db'),
    });
    await session.call('noteInQuarantine', { directory, name: 'salvage.json', document: salvaged });
    return salvaged;
  } catch (error) {
    const { code, message } = toJobError(error);
    if (code === 'interrupted' || code === 'timed-out') throw error;
    log.warn({ reason: message }, 'nothing could be salvaged');
    return { impossible: message };
  } finally {
    await session.call('discard', { paths: [thawed] }).catch(() => undefined);
  }
}

/** How many rows the backup has not; null: that is not known. */
export function salvagedRows({ salvage }: SetAside): number | null {
  if (salvage === null || 'impossible' in salvage) return null;
  return Object.values(salvage.tables).reduce((sum, { rows }) => sum + rows, 0);
}
