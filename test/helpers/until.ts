/** Waiting for a condition, never for a time. */
import { setTimeout as wait } from 'node:timers/promises';

/** Looks again and again, every few milliseconds; answers the first answer that is neither false nor undefined. */
export async function until<Answer>(
  what: string,
  look: () => Answer | false | undefined,
  timeoutMs = 20_000,
): Promise<Answer> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = look();
    if (answer !== false && answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await wait(3);
  }
}
