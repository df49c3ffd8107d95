/**
 * `verify`: the restore drill. The newest backup and some older ones, chosen at random, are unpacked to scratch as a restore would,
 * and must be what their manifests say. Nothing else proves a backup. A verification that checked nothing is a failure.
 *
 * It only reads backups; a crash leaves a copy in scratch, which the next run sweeps.
 */
import { randomInt } from 'node:crypto';
import type { z } from 'zod';
import { readBackups } from '../engine/backups.js';
import { JobError, toJobError } from '../errors.js';
import type { Backup, Backups } from '../files/backups.js';
import { partialPath } from '../files/names.js';
import { formatBytes, formatDuration } from '../units.js';
import { refuseUnreadable } from './confirm.js';
import { requireSpace } from './copy.js';
import { costOf, lacksTables, newestAtAll } from './good-backups.js';
import type { JobContext, JobKind, JobResult } from './job.js';
import { verifyOptions } from './options.js';
import { changedBytes, changedFile, hasItsFiles, imageOf, unpackBackup, type Wrong } from './unpack-backup.js';

type Context = JobContext<z.output<typeof verifyOptions>>;

export const verify = {
  kind: 'verify',
  description: 'Restores the newest backup and some older ones to scratch and compares them with their manifests.',
  touches: 'backups',
  needsSoundBackup: false,
  catchUp: true,
  options: verifyOptions,

  async plan(context: Context): Promise<string> {
    const { backups } = await listed(context);
    const newest = newestToProve(backups, context.now());
    if (newest === undefined) return `nothing: ${context.target.name} has no backup, which is a failure`;
    const older = Math.min(context.options.older, backups.length - 1);
    return `restore ${newest.stem}${older === 0 ? '' : ` and ${older} older, chosen at random,`} to ${context.target.scratchDirectory} and compare with the manifest`;
  },

  async run(context: Context): Promise<JobResult> {
    const { target, record, now } = context;
    const { backups, illegible } = await listed(context);
    if (backups.length === 0 && illegible.length === 0) throw nothingToVerify(context);

    const damage = new Damage(backups);
    // What they hold can no longer be proven.
    for (const { stem, wrong, unread } of illegible)
      if (unread !== true) damage.add({ culprit: stem, sentence: wrong });
    const withheld = illegible.find(({ unread }) => unread === true);
    const { damaged, unreadable } = await lookAtFiles(context, backups);
    for (const found of damaged) {
      record.verification(target.name, {
        backup: found.culprit,
        at: now(),
        sound: false,
        restoreMs: null,
        message: found.sentence,
      });
      damage.add(found);
    }

    const chosen = choose(backups, {
      older: context.options.older,
      bad: context.past.badBackups(target.name),
      now: now(),
    });
    const [newest] = chosen;
    const unheld: string[] = [];
    const violations: string[] = [];
    const unchecked = new Set<string>();
    let restoreMs = 0;
    let sound = 0;
    let unread = withheld === undefined ? unreadable : new JobError('io', withheld.wrong);
    for (const backup of chosen) {
      if (damage.reaches(backup)) continue;
      const outcome = await drillOne(context, backup).catch((error: unknown) => saidLater(error));
      if (outcome instanceof JobError) {
        unread ??= outcome;
        continue;
      }
      const { wrong } = outcome;
      record.verification(target.name, {
        backup: wrong?.culprit ?? backup.stem,
        at: now(),
        sound: wrong === undefined,
        restoreMs: outcome.restoreMs,
        message: wrong?.sentence ?? 'restored to scratch; as its manifest says',
      });
      if (wrong === undefined) sound += 1;
      else damage.add(wrong);
      if (backup === newest) restoreMs = outcome.restoreMs;
      unheld.push(...outcome.failedAssertions.map((sentence) => `${backup.stem}: ${sentence}`));
      violations.push(...outcome.violations);
      for (const sentence of outcome.unchecked) unchecked.add(sentence);
    }
    if (damage.found) {
      throw new JobError(
        'backup-damaged',
        `${(await damage.sentences(context)).join('; ')}; ${sound} of ${chosen.length} verified backups are sound${unread === undefined ? '' : `; and not all could be looked at: ${unread.message}`}; retention waits until the next verification passes`,
      );
    }
    // Last: what can be read has been verified.
    if (unread !== undefined || newest === undefined) throw unread ?? nothingToVerify(context);
    if (unheld.length > 0) throw new JobError('assertion-failed', unheld.join('; '));
    return {
      outcome: 'succeeded',
      summary: `${chosen.map((backup) => backup.stem).join(', ')} restored to scratch and as their manifests say; restoring ${formatBytes(newest.manifest.size_bytes)} takes ${formatDuration(restoreMs)}${violations.length === 0 ? '' : `; foreign keys that point nowhere: ${violations.join(', ')}`}${unchecked.size === 0 ? '' : `; foreign keys that cannot be checked: ${[...unchecked].join(', ')}`}`,
      facts: {
        verified: chosen.map((backup) => backup.stem),
        restoreMs,
        restoredBytes: newest.manifest.size_bytes,
        foreignKeyViolations: violations,
        uncheckedForeignKeys: [...unchecked],
      },
    };
  },
} as const satisfies JobKind<'verify', typeof verifyOptions>;

const nothingToVerify = ({ target }: Context): JobError =>
  new JobError('nothing-to-verify', `${target.name} has no backup in ${target.backupDirectory}: nothing was verified`);

const listed = ({ target, session }: Context): Promise<Backups> =>
  readBackups(session, { directory: target.backupDirectory, database: target.name });

/** The newest, then `older` others at random; and those found damaged before: somebody may have put a good copy in their place. */
function choose(
  backups: readonly Backup[],
  { older, bad, now }: { older: number; bad: ReadonlySet<string>; now: Date },
): Backup[] {
  const newest = newestToProve(backups, now);
  if (newest === undefined) return [];
  const rest = backups.filter((backup) => backup !== newest);
  const chosen = [newest];
  while (chosen.length <= older && rest.length > 0) chosen.push(...rest.splice(randomInt(rest.length), 1));
  return [...chosen, ...rest.filter(({ stem }) => bad.has(stem))];
}

/** The one that a restore would take; where all lack tables, the newest of them. */
function newestToProve(backups: readonly Backup[], now: Date): Backup | undefined {
  return (
    newestAtAll(
      backups.filter((backup) => !lacksTables(backup)),
      now,
    ) ?? newestAtAll(backups, now)
  );
}

/** What was found damaged, and what that costs. */
class Damage {
  readonly #culprits = new Map<string, string>();

  constructor(private readonly backups: readonly Backup[]) {}

  add({ culprit, sentence }: Wrong): void {
    this.#culprits.set(culprit, sentence);
  }

  get found(): boolean {
    return this.#culprits.size > 0;
  }

  /** Whether this one is damaged, or built on one that is: there is nothing more to find. */
  reaches({ stem, base }: Backup): boolean {
    return [...base.map((below) => below.stem), stem].some((each) => this.#culprits.has(each));
  }

  /** Each with what it costs: of what is built on a damaged one, not everything needs just that page. */
  async sentences({ session }: Context): Promise<string[]> {
    const said: string[] = [];
    for (const [culprit, sentence] of this.#culprits) {
      const cost = new Set(costOf(culprit, this.backups));
      const lost: string[] = [];
      const whole: string[] = [];
      const unread: string[] = [];
      for (const backup of this.backups) {
        if (!cost.has(backup.stem) || this.#culprits.has(backup.stem)) continue;
        const is = await isWhole(session, backup).catch((error: unknown) => saidLater(error));
        (is instanceof JobError ? unread : is ? whole : lost).push(backup.stem);
      }
      said.push(
        `${culprit}: ${sentence}${lost.length === 0 ? '' : ` (lost with it, being built on it: ${lost.join(', ')})`}${whole.length === 0 ? '' : ` (built on it and whole all the same: ${whole.join(', ')}; retention lays them on a sound one)`}${unread.length === 0 ? '' : ` (built on it, and cannot be read now: ${unread.join(', ')})`}`,
      );
    }
    return said;
  }
}

/** What says nothing about a backup, and is told when all the others have been looked at. @throws what ends the run */
function saidLater(error: unknown): JobError {
  const failure = toJobError(error);
  if (['interrupted', 'timed-out', 'internal'].includes(failure.code)) throw failure;
  return failure;
}

async function isWhole(session: Context['session'], backup: Backup): Promise<boolean> {
  if (!hasItsFiles(backup)) return false;
  try {
    const rebuilt = await session.call('rebuild', { image: imageOf(backup), to: null });
    return rebuilt.sha256 === backup.manifest.sha256;
  } catch (error) {
    if (toJobError(error).code !== 'backup-damaged') throw error;
    return false;
  }
}

/**
 * What shows without restoring anything: files that are not as long as they should be, or gone; and every delta is read, as a wrong byte in
 * one costs more than itself, and reading them takes little.
 */
async function lookAtFiles(
  { session }: Context,
  backups: readonly Backup[],
): Promise<{ damaged: Wrong[]; unreadable: JobError | undefined }> {
  const damaged: Wrong[] = [];
  let unreadable: JobError | undefined;
  const broken = new Set(backups.filter(({ intact }) => !intact).map(({ stem }) => stem));
  for (const backup of backups) {
    const { stem, manifest, wrong, base } = backup;
    const isBuiltOnDamage = base.some((below) => broken.has(below.stem));
    if (wrong !== undefined && !isBuiltOnDamage) damaged.push({ culprit: stem, sentence: wrong });
    if (wrong !== undefined || manifest.delta === undefined) continue;
    try {
      if ((await changedFile(session, [backup])) !== undefined) damaged.push({ culprit: stem, sentence: changedBytes });
    } catch (error) {
      unreadable ??= saidLater(error);
    }
  }
  return { damaged, unreadable };
}

interface Drilled {
  /** What is wrong with the backup, or with one it is built on; undefined: nothing. */
  readonly wrong: Wrong | undefined;
  readonly failedAssertions: readonly string[];
  readonly violations: readonly string[];
  /** Tables whose foreign keys cannot be checked, with the reason. */
  readonly unchecked: readonly string[];
  /** From the first byte read to the last one synced. */
  readonly restoreMs: number;
}

async function drillOne(context: Context, backup: Backup): Promise<Drilled> {
  const { target, session, options } = context;
  const { stem, manifest } = backup;
  let restoreMs = 0;
  const bad = (wrong: Wrong | string): Drilled => ({
    wrong: typeof wrong === 'string' ? { culprit: stem, sentence: wrong } : wrong,
    failedAssertions: [],
    violations: [],
    unchecked: [],
    restoreMs,
  });
  await requireSpace(context, target.scratchDirectory, manifest.size_bytes);
  const scratch = partialPath(target.scratchDirectory, target.name);
  try {
    const started = performance.now();
    const wrong = await unpackBackup(session, backup, scratch);
    restoreMs = Math.round(performance.now() - started);
    if (wrong !== undefined) return bad(wrong);
    const proof = await session.call('prove', { path: scratch, mode: 'full' });
    refuseUnreadable(scratch, proof.findings);
    const [finding] = proof.findings.damage;
    if (finding !== undefined) return bad(`integrity check: ${finding}`);
    if (proof.schemaSha256 !== manifest.schema_sha256) return bad('its schema is not the one in the manifest');
    if (!sameRows(proof.tables, manifest.tables)) return bad('its rows are not as many as in the manifest');
    const { foreignKeyViolations, uncheckedForeignKeys, failedAssertions } = await session.call('drill', {
      path: scratch,
      foreignKeys: options.foreign_keys,
      assertions: options.assertions,
    });
    const violations = Object.entries(foreignKeyViolations ?? {}).map(([table, count]) => `${table} (${count})`);
    return { wrong: undefined, failedAssertions, violations, unchecked: uncheckedForeignKeys, restoreMs };
  } catch (error) {
    const { code, message } = toJobError(error);
    // Disk full, interrupted and the like say nothing about the backup.
    if (code !== 'backup-damaged' && code !== 'damaged' && code !== 'not-a-database') throw error;
    return bad(message);
  } finally {
    await session.call('discard', { paths: [scratch] }).catch(() => undefined);
  }
}

function sameRows(one: Readonly<Record<string, number>>, other: Readonly<Record<string, number>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
