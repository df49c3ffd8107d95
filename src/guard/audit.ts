/**
 * The audit log, `audit.jsonl` in the state directory: one line a decision, synced before the decision is carried out, and one a restore that
 * the operator asked for, when it has ended. Each line carries the sha256 of the line before, so that a line that was changed or removed
 * later shows.
 *
 * A crash in the middle leaves half a line; the next one begins on a line of its own and carries the hash of that half.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { errorCodeOf, JobError, toFileError, toJobError } from '../errors.js';
import type { Json } from '../jobs/outcome.js';
import { type HeldLock, takeLock } from '../sqlite/operations/lock.js';
import { programVersion, sqliteVersion } from '../version.js';

export const auditFile = (stateDirectory: string): string => join(stateDirectory, 'audit.jsonl');

/** What the first line carries. */
const nothingBefore = '0'.repeat(64);
const lockPatienceMs = 5000;
const tailBytes = 256 * 1024;

/** @throws JobError `not-recorded`: then what it says must not be done */
export function appendAudit(stateDirectory: string, entry: Readonly<Record<string, Json>>): void {
  const path = auditFile(stateDirectory);
  let lock: HeldLock | undefined;
  try {
    // The daemon and a --run-now may both have something to say.
    lock = waitForLock(`${path}.lock`);
    const fd = openSync(path, 'a+', 0o600);
    try {
      const tail = tailOf(fd);
      const line = `${JSON.stringify({ ...entry, previous: tail.hash })}\n`;
      const bytes = Buffer.from(tail.complete ? line : `\n${line}`);
      for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const cause = toFileError(error, `cannot write ${path}`);
    throw new JobError('not-recorded', `it could not be written into the audit log: ${cause.message}`, { cause });
  } finally {
    lock?.release();
  }
}

export interface AskedRestore {
  readonly at: Date;
  readonly runId: string;
  readonly database: string;
  readonly path: string;
  readonly backup: string;
  /** `restored`, or what became of it instead. */
  readonly outcome: string;
  /** In one sentence. */
  readonly why: string;
  readonly quarantine: string | null;
}

/** No decision of the program's: the operator's, and what came of it. @throws JobError `not-recorded` */
export function appendAskedRestore(stateDirectory: string, { at, runId, ...restore }: AskedRestore): void {
  appendAudit(stateDirectory, {
    at: at.toISOString(),
    run_id: runId,
    operation: 'restore',
    asked_by: 'operator',
    do: 'restore',
    ...restore,
    program_version: programVersion,
    sqlite_version: sqliteVersion,
  });
}

const askedRestoreSchema = z.object({
  at: z.string(),
  run_id: z.string(),
  database: z.string(),
  path: z.string(),
  operation: z.literal('restore'),
  asked_by: z.literal('operator'),
  backup: z.string(),
  outcome: z.string(),
  why: z.string(),
  quarantine: z.string().nullable(),
});

/** Those of a run; one that was cut off may have been looked at more than once. */
export function askedRestores(stateDirectory: string, runId: string): readonly z.output<typeof askedRestoreSchema>[] {
  return linesOf(stateDirectory)
    .map((line) => askedRestoreSchema.safeParse(parsed(line)).data)
    .filter((line) => line !== undefined)
    .filter(({ run_id }) => run_id === runId);
}

/** The first line, counted from 1, that does not follow from the one before; undefined: the chain holds. */
export function brokenLine(stateDirectory: string): number | undefined {
  let previous = nothingBefore;
  for (const [index, line] of linesOf(stateDirectory).entries()) {
    if (line === '') continue;
    if (!isCutOff(line) && !line.endsWith(`"previous":"${previous}"}`)) return index + 1;
    previous = hashOf(line);
  }
  return undefined;
}

/** Also empty ones; none where there is no audit log yet. */
function linesOf(stateDirectory: string): readonly string[] {
  try {
    return readFileSync(auditFile(stateDirectory), 'utf8').split('\n');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return [];
    throw toFileError(error, 'cannot read the audit log');
  }
}

/** What a crash has left; the line after it vouches for it. */
const isCutOff = (line: string): boolean => parsed(line) === undefined;

/** Undefined: it is not whole. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const hashOf = (line: string): string => createHash('sha256').update(line).digest('hex');

function tailOf(fd: number): { readonly hash: string; readonly complete: boolean } {
  const { size } = fstatSync(fd);
  if (size === 0) return { hash: nothingBefore, complete: true };
  const buffer = Buffer.alloc(Math.min(size, tailBytes));
  const length = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
  const text = buffer.subarray(0, length).toString('utf8');
  const complete = text.endsWith('\n');
  const lines = text.split('\n').filter((line) => line !== '');
  return { hash: hashOf(lines.at(-1) ?? ''), complete };
}

function waitForLock(path: string): HeldLock {
  const until = performance.now() + lockPatienceMs;
  for (;;) {
    try {
      return takeLock(path);
    } catch (error) {
      if (toJobError(error).code !== 'lock-held' || performance.now() >= until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
