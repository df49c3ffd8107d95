/**
 * The operator's own programs before and after a restore: to stop an application, to start it again. Run as they are listed, without a
 * shell, with a deadline; what one says goes to our standard error, never into the log, which holds no one else's words.
 */
import { spawn } from 'node:child_process';
import { JobError } from '../errors.js';
import type { RestoreHooks } from '../jobs/job.js';
import { formatDuration } from '../units.js';

export const noHooks: RestoreHooks = { beforeRestore: null, afterRestore: null, timeoutMs: 0 };

/**
 * @param facts for its environment: `DEBUGGLE_MAINTENANCE_DATABASE` and the like
 * @throws JobError `refused` when it cannot be started, ends with another code than 0, or not in time: `timed-out` would be the run's own end
 */
export async function runHook(
  name: 'before_restore' | 'after_restore',
  [program = '', ...args]: readonly string[],
  { timeoutMs, facts }: { timeoutMs: number; facts: Readonly<Record<string, string>> },
): Promise<void> {
  const env = Object.fromEntries(
    Object.entries(facts).map(([key, value]) => [`DEBUGGLE_MAINTENANCE_${key.toUpperCase()}`, value]),
  );
  await new Promise<void>((resolve, reject) => {
    // In a group of its own, so that its deadline ends what it has started, too.
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    });
    const deadline = setTimeout(() => {
      if (child.pid !== undefined) killGroup(child.pid);
      reject(new JobError('refused', `hook ${name} (${program}) was stopped after ${formatDuration(timeoutMs)}`));
    }, timeoutMs);
    const end = (why: string | undefined): void => {
      clearTimeout(deadline);
      if (why === undefined) resolve();
      else reject(new JobError('refused', `hook ${name} (${program}) ${why}`));
    };
    child.once('error', (error) => end(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      if (code === 0) end(undefined);
      else end(signal === null ? `ended with code ${code ?? 0}` : `was ended by ${signal}`);
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}
