/**
 * When a restore is right: the table of docs/guarded-runs.md as one pure function. VACUUM and REINDEX are transactions, and a failed one has
 * changed nothing; a restore, on the other hand, loses all that applications committed since the backup. So a restore is decided only
 * when damage is confirmed, was not there before, and restoring loses nothing, or the operator has said beforehand that it may.
 */
import type { RunOutcome } from '../jobs/outcome.js';

/** Why an operation failed, as far as it matters here. */
export type OperationFailure =
  | 'busy' // locked by others, or its deadline came
  | 'no-means' // no space, no memory, not allowed, cannot be opened
  | 'io' // the storage answered with an error
  | 'constraint' // REINDEX met rows that break a UNIQUE constraint
  | 'foreign' // it needs functions, collations or modules this program lacks
  | 'other'; // anything else: its process died, SQLite spoke of damage, …

export type Operation = { readonly ended: 'done' } | { readonly ended: 'failed'; readonly cause: OperationFailure };

/** What was found on the live file. What is not sound has been confirmed: `contradictory` is what could not be. */
export type Check =
  | { readonly found: 'sound' }
  | { readonly found: 'unreadable'; readonly because: 'busy' | 'no-means' }
  | { readonly found: 'io' }
  | { readonly found: 'foreign' }
  /** Another file stands there, or none, or an empty one. */
  | { readonly found: 'elsewhere' }
  /** The same file, without the header of a database. */
  | { readonly found: 'not-a-database'; readonly sameLength: boolean }
  /** Not sound once and sound again, or two copies disagree. */
  | { readonly found: 'contradictory' }
  /** Only indexes differ from their tables. `agreed`: for every row in question the newest verified backup says what the table says. */
  | { readonly found: 'indexes-only'; readonly agreed: boolean }
  | { readonly found: 'damaged' };

/** Also before anything was changed: the indexes of a copy cannot be rebuilt, for rows that they forbid. */
export type CheckBefore = Exclude<Check, { readonly found: 'sound' }> | { readonly found: 'duplicates' };

/** What is known from before the operation. `sealed`: as a backup that can be restored. */
export type Baseline =
  | { readonly known: 'sound'; readonly sealed: boolean }
  | { readonly known: 'not-sound' }
  | { readonly known: 'nothing' };

/** What the operator has said. `saved`: whether the damaged files are in quarantine and what can be salvaged is. */
export type Policy =
  | { readonly onDamage: 'restore' }
  | { readonly onDamage: 'restore_lossy'; readonly saved: 'not-yet' | 'yes' | 'failed' }
  | { readonly onDamage: 'report' };

export type Evidence =
  /** Before anything was changed: what the baseline showed. Sound: there is nothing to decide. */
  | { readonly stage: 'before'; readonly check: CheckBefore }
  | {
      readonly stage: 'after';
      readonly operation: Operation;
      readonly check: Check;
      readonly baseline: Baseline;
      /** Whether anybody else has committed since before the backup was taken. */
      readonly committed: 'none' | 'some' | 'not-provable';
      /** Whether a monitor lives that can be asked once more under the lock of a restore. */
      readonly witness: boolean;
      readonly policy: Policy;
      /** Whether this database was restored by the guard in the last seven days. */
      readonly restoredLately: boolean;
    }
  /** After a restore was attempted. */
  | {
      readonly stage: 'restored';
      readonly row: 'R11' | 'R12';
      /** The last three are of one that was cut off: restored, and a check says nothing; half-way; and nobody can say. */
      readonly result:
        | 'sound'
        | 'not-sound'
        | 'no-lock'
        | 'moved'
        | 'not-done'
        | 'unchecked'
        | 'half-way'
        | 'not-known';
    }
  /**
   * Damage was confirmed, and the run was cut off before it was restored: what a check says by now. It compares no rows, so it may well
   * call sound what had lost some.
   */
  | {
      readonly stage: 'cut-off';
      readonly check: Check;
      readonly policy: Policy;
      /** From before the operation; null: there is none. */
      readonly backup: string | null;
    };

export type Row = 'R1' | 'R2' | 'R3' | 'R4' | 'R5' | 'R6' | 'R7' | 'R8' | 'R9' | 'R10' | 'R10a' | 'R11' | 'R12' | 'R13';

export type Deed =
  | 'nothing'
  | 'retry-later'
  | 'free-and-block'
  | 'stop-writing'
  | 'report-rows'
  | 'disable'
  | 'alert'
  | 'repair'
  /** Quarantine and salvage, then decide again. */
  | 'save'
  | 'restore'
  | 'hold'
  | 'stop';

export interface Decision {
  readonly row: Row;
  readonly do: Deed;
  readonly outcome: Exclude<RunOutcome, 'interrupted' | 'timed-out'>;
  /** One sentence for people. */
  readonly why: string;
}

export function decide(evidence: Evidence): Decision {
  switch (evidence.stage) {
    case 'before':
      return decideBefore(evidence.check);
    case 'after':
      return decideAfter(evidence);
    case 'restored':
      return decideRestored(evidence);
    case 'cut-off':
      return decideCutOff(evidence);
  }
}

/** Whether the database waits for somebody's `ack` afterwards. */
export function opensIncident(decision: Decision): boolean {
  return (
    ['hold', 'stop', 'stop-writing'].includes(decision.do) ||
    (decision.outcome === 'restored' && decision.do !== 'restore')
  );
}

function decideBefore(check: CheckBefore): Decision {
  switch (check.found) {
    case 'duplicates':
      return duplicates;
    case 'io':
      return storageFails;
    case 'elsewhere':
      return movedAway;
    case 'foreign':
      return unverifiable;
    case 'unreadable':
      return check.because === 'busy' ? notNow : withoutMeans;
    case 'contradictory':
      return contradictory;
    case 'indexes-only':
      return check.agreed ? repairable : oldDamage;
    case 'not-a-database':
    case 'damaged':
      return oldDamage;
  }
}

type After = Extract<Evidence, { readonly stage: 'after' }>;

function decideAfter(evidence: After): Decision {
  const { operation, check } = evidence;
  const cause = operation.ended === 'failed' ? operation.cause : undefined;
  if (cause === 'io' || check.found === 'io') return storageFails;
  if (check.found === 'elsewhere') return movedAway;
  if (check.found === 'contradictory') return contradictory;
  if (cause === 'constraint') return check.found === 'sound' ? duplicates : duplicatesUnderSuspicion;
  switch (check.found) {
    case 'foreign':
      return unverifiable;
    case 'unreadable':
      return check.because === 'busy' ? notNow : withoutMeans;
    case 'sound':
      return decideSound(cause);
    default:
      return decideDamaged(evidence, check);
  }
}

/** Whatever the operation did, the database is as it should be. */
function decideSound(cause: OperationFailure | undefined): Decision {
  switch (cause) {
    case undefined:
      return { row: 'R1', do: 'nothing', outcome: 'succeeded', why: 'the database is sound' };
    case 'busy':
      return notNow;
    case 'no-means':
      return withoutMeans;
    case 'foreign':
      return unverifiable;
    default:
      return {
        row: 'R1',
        do: 'nothing',
        outcome: 'failed',
        why: 'the operation failed and left a sound database: nothing is restored',
      };
  }
}

type Damage = Extract<Check, { readonly found: 'not-a-database' | 'indexes-only' | 'damaged' }>;

function decideDamaged({ baseline, committed, witness, policy, restoredLately }: After, check: Damage): Decision {
  if (check.found === 'indexes-only' && check.agreed) return repairable;
  if (baseline.known !== 'sound') return oldDamage;
  if (check.found === 'not-a-database' && !check.sameLength) return encrypted;
  const row = committed === 'none' ? 'R11' : 'R12';
  const lost = committed === 'none' ? 'nothing was committed since the backup' : lossOf(committed);
  const hold = (because: string): Decision => ({
    row,
    do: 'hold',
    outcome: 'held',
    why: `damaged since the backup was taken, and ${lost}; not restored: ${because}`,
  });
  if (policy.onDamage === 'report') return hold('on_damage is report');
  if (row === 'R12' && policy.onDamage === 'restore') return hold('on_damage does not allow losing anything');
  if (!baseline.sealed) return hold('there is no backup from before the operation (pre_backup is off)');
  if (restoredLately) {
    const why = 'damaged again within 7 days of an automatic restore: somebody must look at the storage first';
    return { row: 'R13', do: 'stop', outcome: 'held', why };
  }
  if (!witness) return { ...hold('no monitor is left to ask once more under its lock'), row: 'R12' };
  if (row === 'R12' && policy.onDamage === 'restore_lossy' && policy.saved !== 'yes') {
    if (policy.saved === 'failed') return hold('what would be lost could not be put in safety first');
    return { row, do: 'save', outcome: 'held', why: `damaged, and ${lost}: put in safety before it is restored` };
  }
  const allowed = row === 'R11' ? '' : '; on_damage is restore_lossy, and what could be saved is saved';
  return { row, do: 'restore', outcome: 'restored', why: `damaged since the backup was taken, and ${lost}${allowed}` };
}

const lossOf = (committed: 'some' | 'not-provable'): string =>
  committed === 'some' ? 'others have committed since' : 'it cannot be proven that nobody else has committed since';

function decideRestored({ row, result }: Extract<Evidence, { readonly stage: 'restored' }>): Decision {
  const stopped = (why: string): Decision => ({ row: 'R13', do: 'stop', outcome: 'held', why });
  switch (result) {
    case 'sound':
      return { row, do: 'nothing', outcome: 'restored', why: 'restored, and sound as its backup was' };
    case 'not-sound':
      return stopped('restored, and not as its backup was: nothing more is done on top of it');
    case 'no-lock':
      return stopped('not restored: others held the database locked until the deadline');
    case 'not-done':
      return stopped('not restored: the restore failed, and nothing more is done on top of it');
    case 'moved':
      return {
        row: 'R12',
        do: 'hold',
        outcome: 'held',
        why: 'not restored: somebody committed between the decision and the restore',
      };
    case 'unchecked':
      return stopped(
        'restored, and whether it is as its backup was cannot be checked: nothing more is done on top of it',
      );
    case 'half-way':
      return stopped(
        'cut off in a restore, and neither as it was nor as its backup was: nothing more is done on top of it',
      );
    case 'not-known':
      return stopped(
        'cut off in a restore, and nothing says whether it was restored: nothing more is done on top of it',
      );
  }
}

/** Anew, and never restored; but what was confirmed once waits for somebody, also when a check without the rows finds nothing. */
function decideCutOff({ check, policy, backup }: Extract<Evidence, { readonly stage: 'cut-off' }>): Decision {
  const anew = decideAfter({
    stage: 'after',
    operation: { ended: 'failed', cause: 'other' },
    check,
    baseline: { known: 'sound', sealed: backup !== null },
    committed: 'not-provable',
    witness: false,
    policy,
    restoredLately: false,
  });
  const now =
    check.found === 'sound'
      ? 'a check finds nothing, but what the operation made of the rows could not be compared any more'
      : anew.why;
  const before = backup === null ? 'there is no backup from before it' : `the backup from before it is ${backup}`;
  const why = `damage was confirmed, and the run was cut off before anything was restored; ${now}; ${before}`;
  return opensIncident(anew) ? { ...anew, why } : { row: anew.row, do: 'hold', outcome: 'held', why };
}

const notNow: Decision = {
  row: 'R2',
  do: 'retry-later',
  outcome: 'failed',
  why: 'locked by others, or out of time: nothing is restored, the next run tries again',
};
const withoutMeans: Decision = {
  row: 'R3',
  do: 'free-and-block',
  outcome: 'failed',
  why: 'no space, memory or permission: that is no damage, nothing is restored; free some, or give it',
};
const storageFails: Decision = {
  row: 'R4',
  do: 'stop-writing',
  outcome: 'failed',
  why: 'the storage answers with I/O errors: nothing is restored onto it, and nothing more is written; look at the kernel log',
};
const duplicates: Decision = {
  row: 'R5',
  do: 'report-rows',
  outcome: 'failed',
  why: 'rows break a UNIQUE constraint: duplicates are data, nothing is restored; remove those that are wrong',
};
/** Never restored either; but a database that is not sound is not left to the next job. */
const duplicatesUnderSuspicion: Decision = {
  row: 'R5',
  do: 'hold',
  outcome: 'held',
  why: 'rows break a UNIQUE constraint, and the database could not be found sound: nothing is restored; look at the rows',
};
const unverifiable: Decision = {
  row: 'R6',
  do: 'disable',
  outcome: 'failed',
  why: 'it needs functions, collations or modules that this program lacks: not verifiable is not damaged; it is not tried again before somebody has acknowledged it',
};
const oldDamage: Decision = {
  row: 'R7',
  do: 'alert',
  outcome: 'damaged',
  why: 'damaged before the operation, or it is not known that it was not: its backups may be, too; nothing is restored by itself',
};
const encrypted: Decision = {
  row: 'R8',
  do: 'hold',
  outcome: 'held',
  why: 'no longer a database, and of another length: somebody encrypted or replaced it',
};
const movedAway: Decision = {
  row: 'R9',
  do: 'hold',
  outcome: 'held',
  why: 'another file, an empty one or none stands in its place: somebody moved it; it is never made anew',
};
const contradictory: Decision = {
  row: 'R10',
  do: 'hold',
  outcome: 'held',
  why: 'not sound once and sound again, or two copies disagree: memory or storage is failing',
};
const repairable: Decision = {
  row: 'R10a',
  do: 'repair',
  outcome: 'repaired',
  why: 'only indexes differ from their tables, and the newest backup agrees with the tables: the indexes are rebuilt',
};
