/**
 * A guarded run that was cut off after its intent: the database is settled and checked, and what follows is decided by the same table.
 * Nothing is restored or repaired: what others committed since cannot be known any more. One that had confirmed damage leaves an
 * incident, whatever is found: rows that are missing no check sees. Whether its restore was carried out says what is recorded of that
 * (unfinished-restore.ts). One that was cut off before its intent has changed nothing, and is only ended.
 */
import { readBackups } from '../engine/backups.js';
import type { JobContext, JobResult } from '../jobs/job.js';
import type { Facts } from '../jobs/outcome.js';
import { type After, carryOut, resultOf } from './carry-out.js';
import { settleAndCheck } from './check.js';
import type { Check, Evidence, Policy } from './decide.js';
import { decideAndRecord, type Guarded } from './run.js';
import { type RestoreState, stateOf } from './unfinished-restore.js';

export interface UnfinishedGuard {
  readonly id: number;
  readonly runId: string;
  readonly operation: string;
  readonly intent: Facts | null;
  readonly decisions: readonly { readonly row: string; readonly deed: string }[];
}

/** Null: it had not come to its intent. @throws JobError for what was found damaged, or could not be checked */
export async function settleUnfinished(
  found: JobContext<unknown>,
  { id, runId, operation, intent, decisions }: UnfinishedGuard,
): Promise<JobResult | null> {
  // What is recorded is that run's, also when a later one finds it.
  const context = { ...found, runId };
  const { target, record, session, past, now } = context;
  const known = intent === null ? undefined : readIntent(intent);
  if (known === undefined) {
    record.guardEnded(id, now());
    return null;
  }
  const guarded: Guarded = { context, located: known.file, operation, id };
  const checked = await settleAndCheck(guarded, known.expected, null);
  const usual: After = {
    stage: 'after',
    operation: { ended: 'failed', cause: 'other' },
    check: checked.check,
    baseline: { known: 'sound', sealed: known.backup !== null },
    committed: 'not-provable',
    witness: false,
    policy: { onDamage: 'report' },
    restoredLately: past.lastAutomaticRestore(target.name) !== undefined,
  };
  const restore = past.restoreOf(target.name, runId);
  const last = decisions.at(-1);
  const evidence = evidenceOf({ usual, last, restore, backup: known.backup, policy: known.policy });
  const decision = decideAndRecord(guarded, evidence, {
    findings: checked.findings.slice(0, 10),
    unfinished: true,
    backup: known.backup,
    restore: restore === undefined ? null : (restore.ended ?? 'no end is recorded'),
  });
  const { backups } = await readBackups(session, { directory: target.backupDirectory, database: target.name });
  const sealed = backups.find(({ stem }) => stem === known.backup) ?? null;
  try {
    // The operation was cut off and the database is sound: that is no failure of this look.
    if (decision.row === 'R1' && decision.do === 'nothing')
      return { outcome: 'succeeded', summary: `${operation} was cut off; ${target.path} is sound`, facts: {} };
    const facing = {
      evidence: usual,
      checked,
      sealed,
      failure: undefined,
      work: {},
      monitors: null,
      located: null,
      unfinished: [],
    };
    // What a restore has left is not touched again.
    return evidence.stage === 'restored'
      ? resultOf(guarded, decision, facing)
      : await carryOut(guarded, decision, facing);
  } finally {
    record.guardEnded(id, now());
  }
}

interface CutOff {
  /** Of a run that had not confirmed any damage. */
  readonly usual: After;
  readonly last: UnfinishedGuard['decisions'][number] | undefined;
  readonly restore: ReturnType<JobContext<unknown>['past']['restoreOf']>;
  readonly backup: string | null;
  readonly policy: Policy;
}

/** What is to be decided upon: where a restore had been decided, what became of that comes first. */
function evidenceOf({ usual, last, restore, backup, policy }: CutOff): Evidence {
  if (last?.deed !== 'restore' && last?.deed !== 'save') return usual;
  const { check } = usual;
  const state = restore === undefined ? 'as-it-was' : stateOf(restore.ended);
  if (state === 'as-it-was') return { stage: 'cut-off', check, policy, backup };
  return { stage: 'restored', row: last.row === 'R12' ? 'R12' : 'R11', result: resultOfRestore(state, check) };
}

type Restored = Extract<Evidence, { readonly stage: 'restored' }>;

function resultOfRestore(state: Exclude<RestoreState, 'as-it-was'>, { found }: Check): Restored['result'] {
  switch (state) {
    case 'neither':
      return 'half-way';
    case 'unknown':
      return 'not-known';
    case 'not-sound':
      return 'not-sound';
    case 'restored':
      if (found === 'sound') return 'sound';
      return ['damaged', 'not-a-database', 'indexes-only'].includes(found) ? 'not-sound' : 'unchecked';
  }
}

interface Known {
  readonly file: Guarded['located'];
  readonly backup: string | null;
  readonly policy: Policy;
  readonly expected: {
    readonly schemaSha256: string;
    readonly tables: Readonly<Record<string, number>>;
    readonly tableNames: readonly string[];
    readonly sizes: readonly number[];
  };
}

/** What we wrote ourselves; undefined when it is not that. Rows are not compared: others may have committed. */
function readIntent({ path, device, inode, backup, schemaSha256, sizes, tables, onDamage }: Facts): Known | undefined {
  if (typeof path !== 'string' || typeof device !== 'number' || typeof inode !== 'number') return undefined;
  if (typeof schemaSha256 !== 'string' || !Array.isArray(sizes)) return undefined;
  const lengths = sizes.filter((size) => typeof size === 'number');
  return {
    file: { path, device, inode, sizeBytes: lengths[0] ?? 0 },
    backup: typeof backup === 'string' ? backup : null,
    policy: policyOf(onDamage),
    expected: { schemaSha256, tables: {}, tableNames: namesOf(tables), sizes: lengths },
  };
}

const namesOf = (tables: Facts[string] | undefined): string[] =>
  typeof tables === 'object' && tables !== null && !Array.isArray(tables) ? Object.keys(tables) : [];

/** Only said: whatever it is, a run that was cut off restores nothing. */
function policyOf(onDamage: Facts[string] | undefined): Policy {
  if (onDamage === 'restore') return { onDamage };
  return onDamage === 'restore_lossy' ? { onDamage, saved: 'not-yet' } : { onDamage: 'report' };
}
