/** A fresh directory for one test, removed when it ends. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/** Takes note of what is to be done when something is over: a test, or all tests of a `describe`. */
export type AtEnd = (cleanup: () => Promise<void> | void) => void;

export interface Workspace {
  /** Absolute, without symlinks, mode 0700. */
  readonly directory: string;
  /** A path inside it. */
  readonly path: (...names: string[]) => string;
  readonly cleanup: () => void;
}

/**
 * Called in a test: a directory of its own, removed when the test ends, whatever its outcome. In a `beforeAll`, `workspace(atEnd)` makes one
 * for all tests, with an `atEndOfAll()` of the file or `describe`.
 */
export function workspace(atEnd: AtEnd = onTestFinished): Workspace {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'debuggle-maintenance-test-')));
  const cleanup = (): void => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  atEnd(cleanup);
  return { directory, path: (...names) => path.join(directory, ...names), cleanup };
}

/**
 * For what a `beforeAll` makes and all tests of a file or `describe` use: called there, and not in the hook, in which vitest takes no more
 * `afterAll`. Done at its end, the last first.
 */
export function atEndOfAll(): AtEnd {
  const cleanups: Parameters<AtEnd>[0][] = [];
  afterAll(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  return (cleanup) => void cleanups.push(cleanup);
}
