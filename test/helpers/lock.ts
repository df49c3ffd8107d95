/** A process beside us that holds a database locked. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { onTestFinished } from 'vitest';

const script = path.join(import.meta.dirname, 'children', 'holder.mjs');

export interface HeldLock {
  readonly pid: number;
  /** Resolves once the lock is free. */
  readonly release: () => Promise<void>;
}

/**
 * `read`: a read transaction. `write`: writers wait. `exclusive`: writers wait, and readers too unless it is a WAL database. `everything`: in
 * WAL mode nobody may read either. Resolves once it is held; freed at the end of the test at the latest.
 */
export async function holdLock(options: {
  readonly path: string;
  readonly mode: 'read' | 'write' | 'exclusive' | 'everything';
}): Promise<HeldLock> {
  const child = fork(script, [options.path, options.mode], { execArgv: [] });
  const { pid } = child;
  if (pid === undefined) throw new Error('the holder did not start');
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const early = ended.then(() => Promise.reject(new Error(`the holder could not lock ${options.path}`)));
  await Promise.race([once(child, 'message'), early]);
  return {
    pid,
    release: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
