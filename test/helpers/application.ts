/** An application beside us that has the database open, and does one statement at a time. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { onTestFinished } from 'vitest';

const script = path.join(import.meta.dirname, 'children', 'application.mjs');

export interface Application {
  /** The first value, or how many rows were changed. Rejects with SQLite's words. */
  readonly ask: (sql: string) => Promise<unknown>;
  /** It closes the database and ends. */
  readonly end: () => Promise<void>;
}

/** Resolves once it has the database open; killed at the end of the test. */
export async function startApplication(database: string, env: NodeJS.ProcessEnv = {}): Promise<Application> {
  const child = fork(script, [database], { execArgv: [], env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([, signal]) =>
    Promise.reject(new Error(`the application has ended (${String(signal)})`)),
  );
  ended.catch(() => undefined);
  await Promise.race([once(child, 'message'), ended]);
  return {
    end: async () => {
      child.disconnect();
      await ended.catch(() => undefined);
    },
    ask: async (sql) => {
      child.send(sql);
      const [answer] = (await Promise.race([once(child, 'message'), ended])) as [{ value?: unknown; error?: string }];
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value;
    },
  };
}
