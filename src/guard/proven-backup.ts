/** A stored backup becomes one that may be restored: unpacked to scratch, and there proven to be what its manifest says. */
import { JobError } from '../errors.js';
import { partialPath } from '../files/names.js';
import type { JobContext } from '../jobs/job.js';
import { type Unpackable, unpackBackup } from '../jobs/unpack-backup.js';
import { formatBytes } from '../units.js';

export type StoredBackup = Unpackable;

/** Only `unpackProven` makes one. */
export interface ProvenBackup extends StoredBackup {
  /** The database, under a temporary name in scratch; whoever asked for it discards it. */
  readonly unpacked: string;
}

type Context = Pick<JobContext<unknown>, 'target' | 'session'>;

/** @throws JobError `backup-damaged`; `full` before anything is written; `io`, … */
export async function unpackProven({ target, session }: Context, backup: StoredBackup): Promise<ProvenBackup> {
  const { stem, manifest } = backup;
  const directory = target.scratchDirectory;
  const free = await session.call('freeBytes', { path: directory });
  if (free < manifest.size_bytes) {
    throw new JobError(
      'full',
      `cannot unpack ${stem}: ${formatBytes(free)} free in ${directory}, ${formatBytes(manifest.size_bytes)} needed: free some, or move scratch_directory; nothing was changed`,
    );
  }
  const unpacked = partialPath(directory, target.name);
  const damaged = (what: string): JobError =>
    new JobError('backup-damaged', `backup ${stem} is damaged: ${what}; choose another one`);
  try {
    const wrong = await unpackBackup(session, backup, unpacked);
    if (wrong !== undefined) throw damaged(wrong.sentence);
    const proof = await session.call('prove', { path: unpacked, mode: 'full' });
    const [finding] = [...proof.findings.damage, ...proof.findings.unreadable];
    if (finding !== undefined) throw damaged(finding);
    if (proof.schemaSha256 !== manifest.schema_sha256) throw damaged('its schema is not the one in its manifest');
    if (!sameRows(proof.tables, manifest.tables)) throw damaged('its rows are not as many as in its manifest');
    return { ...backup, unpacked };
  } catch (error) {
    await session.call('discard', { paths: [unpacked] }).catch(() => undefined);
    throw error;
  }
}

export function sameRows(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
