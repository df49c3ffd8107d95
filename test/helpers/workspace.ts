/** A fresh directory for one test, removed when it ends. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

export interface Workspace {
  /** Absolute, without symlinks, mode 0700. */
  readonly directory: string;
  /** A path inside it. */
  readonly path: (...names: string[]) => string;
  readonly cleanup: () => void;
}

/**
 * Called in a test: a directory of its own, removed when the test ends, whatever its outcome. Outside of tests and hooks,
 * `workspace(afterAll)` makes one for all tests of the file or `describe`.
 */
export function workspace(atEnd: (cleanup: () => void) => void = onTestFinished): Workspace {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'debuggle-maintenance-test-')));
  const cleanup = (): void => fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  atEnd(cleanup);
  return { directory, path: (...names) => path.join(directory, ...names), cleanup };
}
