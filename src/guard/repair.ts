/**
 * Rebuilds indexes that differ from their tables, when it is proven that the tables are right. Those of a copy are rebuilt first; only when
 * that is sound and has every row is it sealed as a backup, what the database holds put into quarantine, and the live one treated alike.
 * Each REINDEX is a transaction: killed in the middle, the indexes are as they were or rebuilt.
 *
 * One that fails every day does not fill the disk: a copy that cannot be mended leaves nothing, and of the attempts that failed on the live
 * database one backup and one quarantine stay.
 */
import { JobError } from '../errors.js';
import { partialPath, unusedNote } from '../files/names.js';
import { takeCopy } from '../jobs/copy.js';
import type { Located } from '../jobs/locate.js';
import { damagedIndexes } from '../sqlite/findings.js';
import { seal } from './baseline.js';
import { type Checked, settleAndCheck } from './check.js';
import { stoppedByItsDeadline } from './execute.js';
import type { Monitors } from './monitors.js';
import { sameRows } from './proven-backup.js';
import { quarantineOf } from './quarantine-place.js';
import { type Guarded, refuseToGoOn } from './run.js';
import { setAside } from './set-aside.js';

export interface Repaired {
  /** Why the live REINDEX failed, if it did: then the indexes that it had not come to are as they were. */
  readonly failure: JobError | undefined;
  readonly checked: Checked;
  readonly backup: string;
  readonly quarantine: string;
}

export interface RepairRequest {
  readonly indexes: readonly string[];
  readonly monitors: Monitors;
  readonly unfinished: string[];
  /** Called right before the live database is changed. */
  readonly onIntent: () => void;
}

/** @throws JobError `damaged` when the copy cannot be repaired: then the live database was not touched */
export async function repairIndexes(
  guarded: Guarded,
  located: Located,
  { indexes, monitors, unfinished, onIntent }: RepairRequest,
): Promise<Repaired> {
  const { context, id } = guarded;
  const { target, session, allOptions, record } = context;
  const copy = await takeCopy(context, located, target.backupDirectory, {
    attempts: 3,
    maxWalGrowthBytes: allOptions.backup.max_wal_growth,
    pace: 'gentle',
  });
  const mended = partialPath(target.backupDirectory, target.name);
  unfinished.push(copy.path, mended);
  const before = await session.call('prove', { path: copy.path, mode: 'full' });
  await session.call('unpack', { from: copy.path, to: mended, compression: 'none' });
  await session.call('rebuildIndexes', { copy: mended, indexes });
  const proof = await session.call('prove', { path: mended, mode: 'full' });
  const [finding] = proof.findings.damage;
  if (finding !== undefined || !sameRows(proof.tables, before.tables) || proof.schemaSha256 !== before.schemaSha256) {
    throw new JobError(
      'damaged',
      `rebuilding ${indexes.join(', ')} does not repair a copy of ${target.path} (${finding ?? 'its rows change'}): the database was not touched`,
    );
  }
  const snapshot = { ...copy.snapshot, pageCount: proof.pageCount };
  const { stem } = await seal(guarded, located, { path: mended, snapshot }, { proof, mended: indexes });
  const { directory } = await setAside(context, {
    path: located.path,
    identity: located,
    backup: null,
    quarantineDirectory: quarantineOf(context),
    facts: { database: target.name, because: `${indexes.join(', ')} differ from their tables`, run_id: context.runId },
    // A copy has just been proven to have every row.
    replacesUnused: true,
  });
  record.guardIntent(id, {
    deed: `repair of ${indexes.join(', ')}`,
    facts: {
      path: located.path,
      device: located.device,
      inode: located.inode,
      backup: stem,
      schemaSha256: proof.schemaSha256,
      tables: proof.tables,
      sizes: [located.sizeBytes],
      repair: [...indexes],
    },
  });
  onIntent();
  const failure = await rebuildLive(guarded, indexes);
  const expected = { schemaSha256: proof.schemaSha256, tables: proof.tables, sizes: [located.sizeBytes] };
  const checked = await settleAndCheck(guarded, expected, monitors, failure?.code === 'io');
  if (failure !== undefined && isUntouched(checked, indexes)) await noteUnused(context, directory, failure.message);
  return { failure, checked, backup: stem, quarantine: directory };
}

/** Whether each of the indexes differs from its table still: then none was rebuilt. */
function isUntouched({ check, findings }: Checked, indexes: readonly string[]): boolean {
  if (check.found !== 'indexes-only') return false;
  const differing = damagedIndexes(findings.filter((finding) => damagedIndexes([finding]) !== undefined)) ?? [];
  return indexes.every((index) => differing.includes(index));
}

/** What is in quarantine still stands in the database: the next quarantine of it takes its place. */
async function noteUnused(
  { secondOpinion, log }: Guarded['context'],
  directory: string,
  because: string,
): Promise<void> {
  const files = secondOpinion();
  try {
    await files.call('noteInQuarantine', { directory, name: unusedNote, document: { because } });
  } catch (error) {
    log.warn({ err: refuseToGoOn(error), quarantine: directory }, 'it could not be noted that a quarantine is unused');
  } finally {
    await files.close();
  }
}

/** Whatever becomes of it, the database is settled and checked. @throws JobError only when the run is being stopped */
async function rebuildLive({ context }: Guarded, indexes: readonly string[]): Promise<JobError | undefined> {
  try {
    await context.session.call('rebuildIndexes', { copy: null, indexes });
    return undefined;
  } catch (error) {
    return stoppedByItsDeadline(error) ?? refuseToGoOn(error, context);
  }
}

/** The failure to end with: the indexes could not be rebuilt, and are all that is wrong, as before. That is no reason for a restore. */
export function leftAsItWas({ failure, checked }: Repaired): JobError | undefined {
  return checked.check.found === 'indexes-only' ? failure : undefined;
}
