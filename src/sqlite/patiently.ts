/** Waiting for a lock that another process holds, longer than one statement waits. */
import { errorCodeOf, toJobError } from '../errors.js';

const pauseMs = 500;

/** Tries again as long as others hold the lock. @throws what the last try threw */
export async function patiently<Answer>(patienceMs: number, attempt: () => Answer): Promise<Answer> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      const isBusy = toJobError(error).code === 'busy' || errorCodeOf(error)?.startsWith('SQLITE_BUSY') === true;
      if (!isBusy || performance.now() >= until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
