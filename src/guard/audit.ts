/**
 * The audit log, `audit.jsonl` in the state directory: one line a decision, synced before the decision is carried out. Each line carries
 * the sha256 of the line before, so that a line that was changed or removed later shows.
 *
 * A crash in the middle leaves half a line; the next one begins on a line of its own and carries the hash of that half.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodeOf, JobError, toFileError, toJobError } from '../errors.js';
import type { Json } from '../jobs/outcome.js';
import { type HeldLock, takeLock } from '../sqlite/operations/lock.js';

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

/** The first line, counted from 1, that does not follow from the one before; undefined: the chain holds. */
export function brokenLine(stateDirectory: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(auditFile(stateDirectory), 'utf8');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw toFileError(error, 'cannot read the audit log');
  }
  let previous = nothingBefore;
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    if (!isCutOff(line) && !line.endsWith(`"previous":"${previous}"}`)) return index + 1;
    previous = hashOf(line);
  }
  return undefined;
}

/** What a crash has left; the line after it vouches for it. */
function isCutOff(line: string): boolean {
  try {
    JSON.parse(line);
    return false;
  } catch {
    return true;
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
