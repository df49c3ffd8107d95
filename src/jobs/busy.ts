/** Another process's lock is waited for, with pauses in which that process comes first. */
import { toJobError } from '../errors.js';
import type { JobContext } from './job.js';

const attempts = 4;
const pauseMs = 1000;

/** Only for work that has changed nothing when it answers `busy`. @throws JobError the work's own; `busy` after the last attempt */
export async function patiently<Result>(
  { log, pause }: Pick<JobContext<unknown>, 'log' | 'pause'>,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const { code, message } = toJobError(error);
      if (code !== 'busy' || attempt >= attempts) throw error;
      log.warn({ attempt, reason: message }, 'the database is locked; it will be tried again');
      await pause(pauseMs * attempt);
    }
  }
}
