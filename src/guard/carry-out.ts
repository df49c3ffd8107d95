/**
 * Carries a decision out, and says what came of it. Nothing here decides: where what happens next depends on how a deed ended, the table
 * is asked again. Whatever overwrites the live database has its own intent (restore-in-place.ts, repair.ts) and leaves old or new.
 */
import { JobError, type JobErrorCode } from '../errors.js';
import type { Backup } from '../files/backups.js';
import { backup as backupJob } from '../jobs/backup.js';
import { damageError } from '../jobs/confirm.js';
import { discardQuietly } from '../jobs/copy.js';
import type { JobResult } from '../jobs/job.js';
import type { Located } from '../jobs/locate.js';
import type { Facts } from '../jobs/outcome.js';
import { damagedIndexes } from '../sqlite/findings.js';
import { endBefore } from './before.js';
import type { Checked } from './check.js';
import type { Decision, Evidence, Policy } from './decide.js';
import { failureOf } from './execute.js';
import { noHooks } from './hooks.js';
import { closeMonitors, type Monitors } from './monitors.js';
import { unpackProven } from './proven-backup.js';
import { quarantineOf } from './quarantine-place.js';
import { leftAsItWas, repairIndexes } from './repair.js';
import { restoreInPlace } from './restore-in-place.js';
import { decideAndRecord, type Guarded, refuseToGoOn } from './run.js';
import { type SetAside, salvagedRows, setAside } from './set-aside.js';

export type After = Extract<Evidence, { readonly stage: 'after' }>;

export interface Case {
  readonly evidence: After;
  readonly checked: Checked;
  /** Null: there is none, or it is an unfinished run of long ago. */
  readonly sealed: Backup | null;
  readonly failure: JobError | undefined;
  /** What the operation and its rehearsal said. */
  readonly work: Facts;
  readonly monitors: Monitors | null;
  /** Null where nothing may be repaired (a run found unfinished). */
  readonly located: Located | null;
  readonly unfinished: string[];
  /** Filled once the files are in quarantine. */
  readonly saved?: SetAside;
}

/** How long a restore waits for applications that hold the database locked. */
const restorePatienceMs = 60_000;

/** @throws JobError when the outcome is `failed` or `damaged` */
export async function carryOut(guarded: Guarded, decision: Decision, facing: Case): Promise<JobResult> {
  switch (decision.do) {
    case 'nothing':
      if (decision.outcome === 'succeeded') return resultOf(guarded, decision, facing);
      throw errorOf(guarded, decision, facing);
    case 'retry-later':
    case 'free-and-block':
    case 'stop-writing':
    case 'report-rows':
    case 'disable':
      throw errorOf(guarded, decision, facing);
    case 'alert':
      throw await damageError(guarded.context, facing.checked.findings);
    case 'repair':
      return await repair(guarded, decision, facing);
    case 'save':
      return await saveAndDecideAgain(guarded, facing);
    case 'restore':
      return await restore(guarded, decision, facing);
    case 'hold':
    case 'stop':
      return await hold(guarded, decision, facing);
  }
}

async function hold(guarded: Guarded, decision: Decision, facing: Case): Promise<JobResult> {
  const worthKeeping = ['R11', 'R12', 'R13'].includes(decision.row) && facing.saved === undefined;
  const saved = worthKeeping ? await saveQuietly(guarded, facing) : facing.saved;
  return resultOf(guarded, decision, saved === undefined ? facing : { ...facing, saved });
}

async function saveAndDecideAgain(guarded: Guarded, facing: Case): Promise<JobResult> {
  const saved = await saveQuietly(guarded, facing);
  const policy: Policy = {
    onDamage: 'restore_lossy',
    saved: saved === undefined || salvagedRows(saved) === null ? 'failed' : 'yes',
  };
  const again = { ...facing, evidence: { ...facing.evidence, policy }, ...(saved === undefined ? {} : { saved }) };
  const found = { findings: facing.checked.findings.slice(0, 10), quarantine: saved?.directory ?? null };
  return await carryOut(guarded, decideAndRecord(guarded, again.evidence, found), again);
}

/** Undefined: it could not be done, and the log says why. */
async function saveQuietly(guarded: Guarded, { sealed, checked }: Case): Promise<SetAside | undefined> {
  const { context, located } = guarded;
  const { target, runId, log } = context;
  const unfinished: string[] = [];
  try {
    // Without it nothing can be salvaged; what is damaged is put into quarantine all the same.
    const backup =
      sealed === null
        ? null
        : await unpackProven(context, sealed).catch((error: unknown) => {
            log.error({ err: refuseToGoOn(error, context) }, 'nothing can be salvaged: the backup cannot be unpacked');
            return null;
          });
    if (backup !== null) unfinished.push(backup.unpacked);
    return await setAside(context, {
      path: located.path,
      identity: located,
      backup,
      quarantineDirectory: quarantineOf(context),
      facts: {
        database: target.name,
        run_id: runId,
        because: checked.findings[0] ?? 'damaged',
        backup: sealed?.stem ?? null,
      },
    });
  } catch (error) {
    log.error({ err: refuseToGoOn(error, context) }, 'the damaged files could not be put into quarantine');
    return undefined;
  } finally {
    await discardQuietly(context, unfinished);
  }
}

async function restore(guarded: Guarded, decision: Decision, facing: Case): Promise<JobResult> {
  const { context, located, operation } = guarded;
  const { sealed, checked } = facing;
  const row = decision.row === 'R12' ? 'R12' : 'R11';
  const { witness } = checked.committed;
  // The table restores only what is sealed, and only with a witness: this is for the compiler, and for a defect.
  if (sealed === null || witness === null)
    throw new JobError('internal', 'a restore was decided without a backup or a monitor');
  let result: Extract<Evidence, { readonly stage: 'restored' }>['result'];
  let saved: SetAside | undefined = facing.saved;
  let notes: readonly string[];
  try {
    const done = await restoreInPlace(context, {
      backup: sealed,
      into: { path: located.path, identity: located },
      unless: {
        session: witness.monitor === 'executor' ? context.session : context.beside,
        dataVersion: witness.dataVersion,
        mayWrite: witness.monitor === 'executor',
      },
      quarantineDirectory: quarantineOf(context),
      salvage: true,
      hooks: context.target.hooks ?? noHooks,
      ...(saved === undefined ? {} : { saved }),
      onSaved: (kept) => {
        saved = kept;
      },
      patienceMs: restorePatienceMs,
      facts: { by: operation, row, why: decision.why },
    });
    result = done.ended;
    saved = done.saved;
    notes = 'notes' in done ? [...done.findings.slice(0, 10), ...done.notes] : [done.why];
  } catch (error) {
    result = 'not-done';
    notes = [refuseToGoOn(error, context).message];
  }
  const found = { backup: sealed.stem, quarantine: saved?.directory ?? null, notes: [...notes] };
  const after = decideAndRecord(guarded, { stage: 'restored', row, result }, found);
  const told = { ...facing, ...(saved === undefined ? {} : { saved }), work: { ...facing.work, notes: [...notes] } };
  const fresh = result === 'sound' ? await backUpAtOnce(guarded) : null;
  const ended = resultOf(guarded, after, { ...told, work: { ...told.work, freshBackup: fresh } });
  const [note] = notes;
  return result === 'sound' || note === undefined ? ended : { ...ended, summary: `${ended.summary}; ${note}` };
}

/** The restored state is what there is now; null: no backup of it could be made, and the log says why. */
async function backUpAtOnce(guarded: Guarded): Promise<string | null> {
  const { context } = guarded;
  // It opens the file without SQLite: in the process of a monitor that would drop the monitor's locks.
  await closeMonitors(guarded, true);
  try {
    const { facts } = await backupJob.run({ ...context, options: context.allOptions.backup });
    return typeof facts['backup'] === 'string' ? facts['backup'] : null;
  } catch (error) {
    context.log.error({ err: refuseToGoOn(error, context) }, 'no backup of the restored database could be made');
    return null;
  }
}

async function repair(guarded: Guarded, decision: Decision, facing: Case): Promise<JobResult> {
  const { context } = guarded;
  const { located, monitors, unfinished, checked } = facing;
  const indexes = damagedIndexes(checked.findings.filter((finding) => damagedIndexes([finding]) !== undefined));
  if (located === null || monitors === null || indexes === undefined)
    throw await damageError(context, checked.findings);
  const repaired = await repairIndexes(guarded, located, { indexes, monitors, unfinished, onIntent: () => undefined });
  const left = leftAsItWas(repaired);
  if (left !== undefined) return endBefore(guarded, left);
  if (repaired.failure === undefined && repaired.checked.check.found === 'sound') {
    const work = { ...facing.work, repaired: [...indexes], backup: repaired.backup, quarantine: repaired.quarantine };
    return resultOf(guarded, decision, { ...facing, work });
  }
  const evidence: After = {
    ...facing.evidence,
    ...(repaired.failure === undefined
      ? {}
      : { operation: { ended: 'failed', cause: failureOf(repaired.failure.code) } as const }),
    check: repaired.checked.check,
    committed: repaired.checked.committed.committed,
    witness: repaired.checked.committed.witness !== null,
  };
  const found = { findings: repaired.checked.findings.slice(0, 10), repaired: [...indexes] };
  // Not a second time: what REINDEX did not mend is damage.
  const check = evidence.check.found === 'indexes-only' ? ({ found: 'damaged' } as const) : evidence.check;
  const again = decideAndRecord(guarded, { ...evidence, check }, found);
  const failure = repaired.failure ?? facing.failure;
  const { checked: seen } = repaired;
  return await carryOut(guarded, again, { ...facing, failure, checked: seen, evidence: { ...evidence, check } });
}

/** The error of a run that failed and changed nothing for the worse: the operation's own words, and what follows. */
function errorOf({ located }: Guarded, decision: Decision, { failure, checked }: Case): JobError {
  const code: JobErrorCode = codeOf(decision, failure);
  const what = failure?.message ?? checked.findings[0] ?? located.path;
  return new JobError(
    code,
    `${what}; ${decision.why} (${decision.row})`,
    failure === undefined ? {} : { cause: failure },
  );
}

function codeOf(decision: Decision, failure: JobError | undefined): JobErrorCode {
  if (decision.row === 'R4') return 'io';
  // The database is sound: whatever the operation met, it is no damage to it.
  if (failure !== undefined && !['damaged', 'not-a-database'].includes(failure.code)) return failure.code;
  if (decision.row === 'R2') return 'busy';
  if (decision.row === 'R6') return 'unverifiable';
  return decision.row === 'R3' ? 'permission' : 'refused';
}

export function resultOf({ context, operation }: Guarded, decision: Decision, facing: Case): JobResult {
  const { sealed, checked, saved, work } = facing;
  const { row, outcome, why } = decision;
  const guard: Facts = {
    row,
    do: decision.do,
    why,
    committed: checked.committed.committed,
    findings: checked.findings.slice(0, 10),
    backup: sealed?.stem ?? null,
    // What was written after this moment is not in the backup.
    backupTakenAt: sealed?.manifest.created_at ?? null,
    quarantine: saved?.directory ?? null,
    salvagedRows: saved === undefined ? null : salvagedRows(saved),
  };
  return {
    outcome: outcome === 'failed' || outcome === 'damaged' ? 'held' : outcome,
    summary: summaryOf(context.target.name, operation, { decision, facing }),
    facts: { ...work, guard },
  };
}

function summaryOf(
  database: string,
  operation: string,
  { decision, facing }: { decision: Decision; facing: Case },
): string {
  const { checked, saved, sealed } = facing;
  const found = checked.findings[0] ?? '';
  const where = saved === undefined ? '' : `; the damaged files are in ${saved.directory}`;
  const then = `look at it, then run \`debuggle-maintenance ack ${database}\``;
  switch (decision.outcome) {
    case 'restored':
      return `${operation}: ${decision.why} (${decision.row}): ${found}; restored from ${sealed?.stem ?? ''}${where}; ${then}`;
    case 'held': {
      const way =
        sealed === null
          ? ''
          : `; newest sound backup: ${sealed.stem}; to restore it: debuggle-maintenance restore --database ${database} --from ${sealed.stem} --in-place`;
      return `${operation}: ${decision.why} (${decision.row}): ${found}${where}${way}; ${then}`;
    }
    case 'repaired':
      return `${operation}: ${decision.why} (${decision.row})`;
    default:
      return `${operation} done; ${decision.why}`;
  }
}
