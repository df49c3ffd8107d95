/**
 * After the operation, whatever became of it: the live file is settled, examined, and what speaks of damage is confirmed before it is
 * believed. Each look is a fresh process; nothing is written.
 */
import { type JobErrorCode, toJobError } from '../errors.js';
import { partialPath } from '../files/names.js';
import { discardQuietly, requireSpace } from '../jobs/copy.js';
import { damagedIndexes } from '../sqlite/findings.js';
import type { Examination } from '../sqlite/operations/examine.js';
import { agreementOf } from './agreement.js';
import type { Check } from './decide.js';
import { type Committed, type Monitors, readCommitted } from './monitors.js';
import { sameRows } from './proven-backup.js';
import { type Guarded, refuseToGoOn } from './run.js';

/** What the database was before. Null: not known (a run that was cut off long ago). */
export interface Expected {
  readonly schemaSha256: string;
  readonly tables: Readonly<Record<string, number>>;
  /** Where only their names are to be compared. */
  readonly tableNames?: readonly string[];
  /** Lengths that the file has had since: any of them is no sign of another file. */
  readonly sizes: readonly number[];
}

export interface Checked {
  readonly check: Check;
  readonly committed: Committed;
  /** What was found, one line each; for people. */
  readonly findings: readonly string[];
}

/** One look, before it is confirmed. */
type Look =
  | { readonly kind: 'sound' }
  | { readonly kind: 'bad'; readonly as: 'damaged' | 'not-a-database'; readonly findings: readonly string[] }
  | { readonly kind: 'else'; readonly check: Check; readonly findings: readonly string[] };

/**
 * @param monitors null: there are none, and what others committed cannot be known
 * @param storageFails then it is not settled either: that would write
 */
export async function settleAndCheck(
  guarded: Guarded,
  expected: Expected,
  monitors: Monitors | null,
  storageFails = false,
): Promise<Checked> {
  if (!storageFails) await settleFile(guarded);
  const first = await lookAfresh(guarded);
  // Read after the look: when nobody has committed by now, nobody had when the rows were counted.
  const committed = await committedBy(guarded, monitors);
  const suspicion = judge(first, expected, committed);
  if (suspicion.kind === 'sound') return { check: { found: 'sound' }, committed, findings: [] };
  if (suspicion.kind === 'else') return { check: suspicion.check, committed, findings: suspicion.findings };
  const confirmed = await confirm(guarded, expected, monitors, suspicion.findings);
  return { ...confirmed, committed: await committedBy(guarded, monitors) };
}

const committedBy = async (guarded: Guarded, monitors: Monitors | null): Promise<Committed> =>
  monitors === null ? { committed: 'not-provable', witness: null } : await readCommitted(guarded, monitors);

/** What fails here is for the check to judge. */
async function settleFile(guarded: Guarded): Promise<void> {
  const { context, located } = guarded;
  const fresh = context.secondOpinion();
  try {
    const seen = await fresh.call('look', { path: located.path });
    // Another file is not ours to recover.
    if (seen?.inode === located.inode && seen.device === located.device && seen.sizeBytes > 0)
      await fresh.call('settle', { path: located.path, identity: located });
  } catch (error) {
    context.log.warn({ reason: refuseToGoOn(error, context).message }, 'the database could not be settled');
  } finally {
    await fresh.close();
  }
}

type Seen =
  | { readonly examined: Examination }
  | { readonly elsewhere: string }
  | { readonly failed: JobErrorCode; readonly message: string; readonly sizeBytes: number | null };

async function lookAfresh({ context, located }: Guarded): Promise<Seen> {
  const fresh = context.secondOpinion();
  const { path } = located;
  let sizeBytes: number | null = null;
  try {
    await fresh.renew();
    const seen = await fresh.call('look', { path });
    if (seen === null) return { elsewhere: `nothing is at ${path} any more` };
    if (seen.inode !== located.inode || seen.device !== located.device)
      return { elsewhere: `another file is at ${path}` };
    if (seen.sizeBytes === 0) return { elsewhere: `${path} is empty` };
    sizeBytes = seen.sizeBytes;
    return { examined: await fresh.call('examine', { path, identity: located }) };
  } catch (error) {
    const { code, message } = refuseToGoOn(error, context);
    return { failed: code, message, sizeBytes };
  } finally {
    await fresh.close();
  }
}

function judge(seen: Seen, expected: Expected, { committed }: Pick<Committed, 'committed'>): Look {
  if ('elsewhere' in seen) return { kind: 'else', check: { found: 'elsewhere' }, findings: [seen.elsewhere] };
  if ('failed' in seen) return judgeFailure(seen.failed, seen.message);
  const { findings, schemaSha256, tables } = seen.examined;
  const bad = [
    ...findings.damage,
    // Whoever else has committed may have changed the schema, as an application does when it is upgraded.
    ...(committed !== 'none' || schemaSha256 === expected.schemaSha256
      ? []
      : ['its schema is not the one it had before, though nobody has committed']),
    ...(committed !== 'none' || tables === null || sameRows(tables, expected.tables)
      ? []
      : [lostRows(tables, expected.tables)]),
    // No upgrade takes every table away.
    ...(committed === 'none' || tables === null || keepsAnyTable(tables, expected)
      ? []
      : ['none of the tables it had before is there any more']),
  ];
  if (bad.length > 0) return { kind: 'bad', as: 'damaged', findings: bad };
  if (findings.unreadable.length > 0) return { kind: 'else', check: { found: 'io' }, findings: findings.unreadable };
  return { kind: 'sound' };
}

function keepsAnyTable(found: Readonly<Record<string, number>>, { tables, tableNames }: Expected): boolean {
  const before = (tableNames ?? Object.keys(tables)).filter((name) => !name.startsWith('sqlite_'));
  return before.length === 0 || before.some((name) => Object.hasOwn(found, name));
}

function judgeFailure(code: JobErrorCode, message: string): Look {
  const other = (check: Check): Look => ({ kind: 'else', check, findings: [message] });
  switch (code) {
    case 'damaged':
    case 'not-a-database':
      return { kind: 'bad', as: code, findings: [message] };
    case 'io':
      return other({ found: 'io' });
    case 'unverifiable':
      return other({ found: 'foreign' });
    case 'identity-changed':
    case 'missing':
      return other({ found: 'elsewhere' });
    case 'busy':
    case 'timed-out':
      return other({ found: 'unreadable', because: 'busy' });
    default:
      return other({ found: 'unreadable', because: 'no-means' });
  }
}

function lostRows(found: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): string {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(found)])].filter(
    (table) => before[table] !== found[table],
  );
  const told = changed.map((table) => `${table}: ${found[table] ?? 'gone'}, was ${before[table] ?? 'not there'}`);
  return `rows have changed though nobody has committed (${told.join('; ')})`;
}

/** Reads the file without SQLite, waits, looks again, and looks at a page-faithful copy: only what all of them show is believed. */
async function confirm(
  guarded: Guarded,
  expected: Expected,
  monitors: Monitors | null,
  suspicion: readonly string[],
): Promise<Pick<Checked, 'check' | 'findings'>> {
  const { context } = guarded;
  context.log.warn({ findings: suspicion.slice(0, 10) }, 'damage is suspected and will be confirmed');
  const raw = await readRaw(guarded);
  if (raw !== undefined) return { check: { found: raw.io ? 'io' : 'contradictory' }, findings: [raw.message] };
  await context.pause(context.allOptions.integrity.confirm_after);
  const seen = await lookAfresh(guarded);
  const again = judge(seen, expected, await committedBy(guarded, monitors));
  if (again.kind === 'else') return { check: again.check, findings: again.findings };
  if (again.kind === 'sound')
    return { check: { found: 'contradictory' }, findings: [...suspicion, 'sound at the second look'] };
  const copied = await confirmOnCopy(guarded, expected, again.findings, await committedBy(guarded, monitors));
  if (copied !== undefined) return copied;
  if (again.as === 'damaged') return { check: { found: 'damaged' }, findings: again.findings };
  const sizeBytes = 'sizeBytes' in seen ? seen.sizeBytes : null;
  const sameLength = sizeBytes !== null && expected.sizes.includes(sizeBytes);
  return { check: { found: 'not-a-database', sameLength }, findings: again.findings };
}

/** Every byte of the file and its log, by a process without SQLite. Undefined: they can be read. */
async function readRaw({
  context,
  located,
}: Guarded): Promise<{ readonly io: boolean; readonly message: string } | undefined> {
  const fresh = context.secondOpinion();
  try {
    await fresh.renew();
    await fresh.call('digest', { path: located.path });
    await fresh.call('digest', { path: `${located.path}-wal` }).catch((error: unknown) => {
      if (toJobError(error).code !== 'missing') throw error;
    });
    return undefined;
  } catch (error) {
    const { code, message } = refuseToGoOn(error, context);
    return { io: code === 'io', message };
  } finally {
    await fresh.close();
  }
}

/** Undefined: the copy shows the same, or none can be made for the very damage. Otherwise what the matter is instead. */
async function confirmOnCopy(
  guarded: Guarded,
  expected: Expected,
  findings: readonly string[],
  { committed }: Committed,
): Promise<Pick<Checked, 'check' | 'findings'> | undefined> {
  const { context, located } = guarded;
  const { target, allOptions, log } = context;
  const fresh = context.secondOpinion();
  const copy = partialPath(target.scratchDirectory, target.name);
  try {
    await fresh.renew();
    await requireSpace(context, target.scratchDirectory, located.sizeBytes);
    const request = { path: located.path, identity: located, destination: copy };
    await fresh.call('snapshot', { ...request, maxWalGrowthBytes: allOptions.backup.max_wal_growth });
    const proof = await fresh.call('prove', { path: copy, mode: 'full' });
    const look = judge({ examined: proof }, expected, { committed });
    if (look.kind === 'sound')
      return { check: { found: 'contradictory' }, findings: [...findings, 'a copy of it is sound'] };
    const indexes = damagedIndexes(findings);
    if (indexes === undefined || !sameRows(proof.tables, expected.tables)) return undefined;
    const { agreed, why } = await agreementOf(context, copy, indexes);
    return { check: { found: 'indexes-only', agreed }, findings: [...findings, why] };
  } catch (error) {
    const { code, message } = refuseToGoOn(error, context);
    if (code === 'damaged' || code === 'not-a-database') return undefined;
    log.warn({ reason: message }, 'the damage could not be confirmed on a copy');
    const check: Check = { found: code === 'io' ? 'io' : 'contradictory' };
    return { check, findings: [...findings, `it could not be confirmed on a copy: ${message}`] };
  } finally {
    await fresh.close();
    await discardQuietly(context, [copy]);
  }
}
