/**
 * A guarded run that was cut off after its intent: the database is settled and checked, and what follows is decided by the same table.
 * Nothing is restored or repaired: what others committed since cannot be known any more; one that had set out to restore leaves an
 * incident, whatever is found. One that was cut off before its intent has
 * changed nothing, and is only ended.
 */
import { readBackups } from '../engine/backups.js';
import type { JobContext, JobResult } from '../jobs/job.js';
import type { Facts } from '../jobs/outcome.js';
import { type After, carryOut, resultOf } from './carry-out.js';
import { settleAndCheck } from './check.js';
import { decideAndRecord, type Guarded } from './run.js';

export interface UnfinishedGuard {
  readonly id: number;
  readonly operation: string;
  readonly intent: Facts | null;
  readonly decisions: readonly { readonly row: string; readonly deed: string }[];
}

/** Null: it had not come to its intent. @throws JobError for what was found damaged, or could not be checked */
export async function settleUnfinished(
  context: JobContext<unknown>,
  { id, operation, intent, decisions }: UnfinishedGuard,
): Promise<JobResult | null> {
  const { target, record, session, past, now } = context;
  const known = intent === null ? undefined : readIntent(intent);
  if (known === undefined) {
    record.guardEnded(id, now());
    return null;
  }
  const guarded: Guarded = { context, located: known.file, operation, id };
  const checked = await settleAndCheck(guarded, known.expected, null);
  const evidence: After = {
    stage: 'after',
    operation: { ended: 'failed', cause: 'other' },
    check: checked.check,
    baseline: { known: 'sound', sealed: known.backup !== null },
    committed: 'not-provable',
    witness: false,
    policy: { onDamage: 'report' },
    restoredLately: past.lastAutomaticRestore(target.name) !== undefined,
  };
  const found = { findings: checked.findings.slice(0, 10), unfinished: true, backup: known.backup };
  const last = decisions.at(-1);
  // It had set out to restore: even when all is well now, somebody must hear of it.
  const restoring = last?.deed === 'restore';
  const decision = decideAndRecord(
    guarded,
    restoring
      ? {
          stage: 'restored',
          row: last.row === 'R12' ? 'R12' : 'R11',
          result: checked.check.found === 'sound' ? 'sound' : 'not-sound',
        }
      : evidence,
    found,
  );
  const { backups } = await readBackups(session, { directory: target.backupDirectory, database: target.name });
  const sealed = backups.find(({ stem }) => stem === known.backup) ?? null;
  try {
    // The operation was cut off and the database is sound: that is no failure of this look.
    if (decision.row === 'R1')
      return { outcome: 'succeeded', summary: `${operation} was cut off; ${target.path} is sound`, facts: {} };
    const facing = {
      evidence,
      checked,
      sealed,
      failure: undefined,
      work: {},
      monitors: null,
      located: null,
      unfinished: [],
    };
    return restoring ? resultOf(guarded, decision, facing) : await carryOut(guarded, decision, facing);
  } finally {
    record.guardEnded(id, now());
  }
}

interface Known {
  readonly file: Guarded['located'];
  readonly backup: string | null;
  readonly expected: {
    readonly schemaSha256: string;
    readonly tables: Readonly<Record<string, number>>;
    readonly tableNames: readonly string[];
    readonly sizes: readonly number[];
  };
}

/** What we wrote ourselves; undefined when it is not that. Rows are not compared: others may have committed. */
function readIntent({ path, device, inode, backup, schemaSha256, sizes, tables }: Facts): Known | undefined {
  if (typeof path !== 'string' || typeof device !== 'number' || typeof inode !== 'number') return undefined;
  if (typeof schemaSha256 !== 'string' || !Array.isArray(sizes)) return undefined;
  const lengths = sizes.filter((size) => typeof size === 'number');
  return {
    file: { path, device, inode, sizeBytes: lengths[0] ?? 0 },
    backup: typeof backup === 'string' ? backup : null,
    expected: { schemaSha256, tables: {}, tableNames: namesOf(tables), sizes: lengths },
  };
}

const namesOf = (tables: Facts[string] | undefined): string[] =>
  typeof tables === 'object' && tables !== null && !Array.isArray(tables) ? Object.keys(tables) : [];
