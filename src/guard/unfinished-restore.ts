/**
 * What became of a restore that was cut off: SQLite itself has left the old database or the new one; this says which, and records it. The
 * database is not changed; a crash leaves a copy in scratch, which the next run sweeps.
 */
import { basename } from 'node:path';
import { z } from 'zod';
import { toJobError } from '../errors.js';
import { partialPath, unfinishedJournal } from '../files/names.js';
import type { FoundQuarantine } from '../files/restore-marks.js';
import type { JobContext, Past, Recorder } from '../jobs/job.js';
import type { Facts } from '../jobs/outcome.js';
import { appendAskedRestore } from './audit.js';
import { quarantineOf } from './quarantine-place.js';
import { reportOfFound } from './restore-report.js';

export interface Aftermath {
  readonly state: 'as-it-was' | 'restored' | 'neither' | 'unknown';
  /** A sentence, with what to do. */
  readonly message: string;
  /** Where the files from before are; null: it had not come to that. */
  readonly quarantine: string | null;
}

/** `not-sound`: so it was checked itself, before it was cut off. */
export type RestoreState = Aftermath['state'] | 'not-sound';

/** What the recorded end of a restore says: restore-in-place.ts's own words, or what was found out later. Null: no end is recorded. */
export function stateOf(outcome: string | null): RestoreState {
  if (outcome === null) return 'unknown';
  if (outcome === 'restored, and not sound') return 'not-sound';
  // Its first page may have been written anew: what it says is as it was.
  if (outcome.startsWith('unchanged') || outcome.startsWith('nothing was changed')) return 'as-it-was';
  const states: readonly RestoreState[] = ['as-it-was', 'restored', 'neither', 'unknown'];
  return states.find((state) => state === outcome) ?? 'unknown';
}

/** What restore-in-place.ts has recorded. */
const intentSchema = z.object({ backup: z.string(), runId: z.string(), schemaSha256: z.string() });

type Context = Pick<JobContext<unknown>, 'target' | 'session' | 'secondOpinion'>;

export interface SettleContext extends Context, Pick<JobContext<unknown>, 'stateDirectory' | 'log' | 'now'> {
  readonly past: Pick<Past, 'openIncident'>;
  readonly record: Pick<Recorder, 'incident' | 'intent' | 'finishRun'>;
}

/**
 * With the database's lock held: whoever was at it is gone. Found out, logged, and recorded as its end; with an incident where somebody
 * must look.
 *
 * @param intent the facts that were recorded before it began
 */
export async function settleUnfinishedRestore(context: SettleContext, intent: Facts): Promise<void> {
  const { target, past, record, log, now } = context;
  const startedAt = now();
  const { runId, backup } = intentSchema.parse(intent);
  const aftermath = await examineAftermath(context, intent, quarantineOf(context));
  const { state, message } = aftermath;
  log.error(
    { database: target.name, restore: state, run_id: runId, summary: message },
    'a restore was found unfinished',
  );
  if (needsSomebody(state, intent) && past.openIncident(target.name) === undefined)
    record.incident({ database: target.name, runId, row: 'R13', at: now(), message });
  // A guarded run tells its own story. Before the end is recorded: a crash in between has it told again.
  if (intent['by'] === 'operator') {
    const { name: database, path } = target;
    const hooks = target.hooks?.afterRestore == null ? '' : '; its hook after_restore was not run';
    const found = { runId, state, message: `${message}${hooks}` };
    record.finishRun(reportOfFound(found, { startedAt, finishedAt: now() }, target));
    const { quarantine } = aftermath;
    const asked = { at: now(), runId, database, path, backup, outcome: state, why: message, quarantine };
    appendAskedRestore(context.stateDirectory, asked);
  }
  record.intent(target.name, { at: now(), deed: 'restore ended', facts: { runId, outcome: state } });
}

/** One that the operator asked for, and that was carried out, is what was asked for. All else is looked at before anything rewrites it. */
function needsSomebody(state: Aftermath['state'], intent: Facts): boolean {
  if (state === 'restored') return intent['by'] !== 'operator';
  return state === 'neither' || state === 'unknown';
}

async function examineAftermath(context: Context, intent: Facts, quarantineDirectory: string): Promise<Aftermath> {
  const { target, session } = context;
  const { backup, runId, schemaSha256 } = intentSchema.parse(intent);
  const quarantine = await session.call('findQuarantine', {
    directory: quarantineDirectory,
    database: target.name,
    runId,
    backup,
  });
  if (quarantine === null) {
    const message = `the restore of ${target.path} to ${backup} was cut off before anything was changed: the database is as it was`;
    return { state: 'as-it-was', message, quarantine: null };
  }
  return { ...(await compare(context, { backup, schemaSha256, quarantine })), quarantine: quarantine.directory };
}

interface Traces {
  readonly backup: string;
  readonly schemaSha256: string;
  readonly quarantine: FoundQuarantine;
}

/** What stands there now, with what is in quarantine. */
async function compare(
  { target, session, secondOpinion }: Context,
  { backup, schemaSha256, quarantine }: Traces,
): Promise<Omit<Aftermath, 'quarantine'>> {
  const files = secondOpinion();
  const leftovers = [partialPath(target.scratchDirectory, target.name)];
  const [copy = ''] = leftovers;
  try {
    const wasCut = `the restore of ${target.path} to ${backup} was cut off`;
    const { path, file } = await files.call('lookAtDestination', { path: target.path });
    leftovers.push(unfinishedJournal(path));
    const kept = `; the files from before are in ${quarantine.directory}`;
    const again = `run it again: debuggle-maintenance restore --database ${target.name} --from ${backup} --in-place`;
    if (file === null || file.sizeBytes === 0) {
      const before = quarantine.files.some(({ name, sizeBytes }) => name === basename(target.path) && sizeBytes > 0);
      return before
        ? { state: 'neither', message: `${wasCut}, and the file is gone or empty now; ${again}${kept}` }
        : { state: 'as-it-was', message: `${wasCut}: there is no database, as before; ${again}` };
    }
    const identity = { device: file.device, inode: file.inode };
    try {
      await session.call('snapshot', {
        path: target.path,
        identity,
        destination: copy,
        maxWalGrowthBytes: Number.MAX_SAFE_INTEGER,
      });
    } catch (error) {
      const { code, message } = toJobError(error);
      if (code !== 'damaged' && code !== 'not-a-database')
        return {
          state: 'unknown',
          message: `${wasCut}, and what became of it cannot be seen (${message}); ${again}${kept}`,
        };
      return (await isUntouched(files, target.path, quarantine))
        ? { state: 'as-it-was', message: `${wasCut}: the file is as it was, and cannot be read; ${again}${kept}` }
        : {
            state: 'neither',
            message: `${wasCut} half-way: the file is neither the old nor the new one; ${again}${kept}`,
          };
    }
    const version = await session.call('schemaVersion', { path: target.path, identity });
    if (quarantine.schemaVersion !== null && quarantine.schemaVersion === version)
      return { state: 'as-it-was', message: `${wasCut}, and rolled back: the database is as it was; ${again}${kept}` };
    const damage = await session.call('prove', { path: copy, mode: 'full' }).then(
      ({ findings, schemaSha256: found }) =>
        findings.damage[0] ?? (found === schemaSha256 ? undefined : 'its schema is another one'),
      (error: unknown) => toJobError(error).message,
    );
    // Its header may have been mended, and nothing restored under it: that can be a sound database, too.
    if (damage === undefined && quarantine.schemaVersion === null)
      return {
        state: 'unknown',
        message: `${wasCut}: the database is sound, and could not be read before, so nothing says whether it holds the backup or what it held; ${again}${kept}`,
      };
    // One restore counts one: whatever has counted more has not restored it, or has rewritten it since.
    if (damage === undefined && quarantine.schemaVersion !== null && version !== next(quarantine.schemaVersion))
      return {
        state: 'unknown',
        message: `${wasCut}: the database is sound and has been rewritten since, so nothing says whether it holds the backup or what it held; ${again}${kept}`,
      };
    return damage === undefined
      ? { state: 'restored', message: `${wasCut} after it was carried out: the database holds ${backup}${kept}` }
      : { state: 'neither', message: `${wasCut}, and the database is not sound (${damage}); ${again}${kept}` };
  } finally {
    await session.call('discard', { paths: leftovers }).catch(() => undefined);
    await files.close();
  }
}

/** It is a number of 32 bits, with a sign. */
const next = (version: number): number => (version + 1) | 0;

/** Byte for byte what was put into quarantine. */
async function isUntouched(
  files: Context['session'],
  path: string,
  { files: kept }: FoundQuarantine,
): Promise<boolean> {
  const { sha256 } = await files.call('digest', { path });
  return kept.some((file) => file.name === basename(path) && file.sha256 === sha256);
}
