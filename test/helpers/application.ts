/** An application beside us that has databases open, and does one statement at a time. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { AtEnd } from './workspace.js';

const script = path.join(import.meta.dirname, 'children', 'application.mjs');

export interface Application {
  /** The first value, or how many rows were changed. Rejects with SQLite's words. */
  readonly ask: (sql: string) => Promise<unknown>;
  /** It closes this database. */
  readonly close: () => Promise<void>;
}

/** Resolves once it has the database open; killed at the end of the test. */
export async function startApplication(database: string, env: NodeJS.ProcessEnv = {}): Promise<Application> {
  const [application] = await startApplications([database], onTestFinished, env);
  if (application === undefined) throw new Error('there is no application');
  return application;
}

/** One process that has all of these open, as an application each; to be asked one after the other. */
export async function startApplications(
  databases: readonly string[],
  atEnd: AtEnd,
  env: NodeJS.ProcessEnv = {},
): Promise<Application[]> {
  const child = fork(script, databases, { execArgv: [], env: { ...process.env, ...env } });
  atEnd(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([, signal]) =>
    Promise.reject(new Error(`the application has ended (${String(signal)})`)),
  );
  ended.catch(() => undefined);
  await Promise.race([once(child, 'message'), ended]);
  const send = async (message: object): Promise<unknown> => {
    child.send(message);
    const [answer] = (await Promise.race([once(child, 'message'), ended])) as [{ value?: unknown; error?: string }];
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value;
  };
  return databases.map((_, of) => ({
    ask: (sql) => send({ of, sql }),
    close: async () => {
      await send({ of, close: true });
    },
  }));
}
