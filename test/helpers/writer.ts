/** An application beside us: a process of its own that writes, and what it was promised. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';

const script = path.join(import.meta.dirname, 'children', 'writer.mjs');

export interface WriterOptions {
  /** A database with Debuggle's table `logs`. */
  readonly path: string;
  /** Commits a second; default 100; 0: as many as possible. */
  readonly rate?: number;
  /** Gets the id of every row whose commit has returned. */
  readonly ackFile?: string;
  /** Default 5000. */
  readonly busyTimeoutMs?: number;
  /** Default 1400. */
  readonly rowBytes?: number;
}

/** What a writer went through since it was last asked. */
interface WriterMeasures {
  readonly commits: number;
  readonly worstMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** All commits together. */
  readonly totalMs: number;
  readonly errors: readonly string[];
  /** The most the -wal was larger than at the beginning. */
  readonly walGrowthBytes: number;
}

export interface Writer {
  readonly pid: number;
  /** What happened since the start or the last call; then starts anew. */
  readonly measure: () => Promise<WriterMeasures>;
  /** The same, and the writer closes the database and ends. */
  readonly stop: () => Promise<WriterMeasures>;
  /** SIGKILL, as a crash of the application. */
  readonly kill: () => Promise<void>;
}

/** Resolves once the first row is committed. Killed at the end of the test if it still runs. */
export async function startWriter(options: WriterOptions): Promise<Writer> {
  const { path: database, rate = 100, ackFile = null, busyTimeoutMs = 5000, rowBytes = 1400 } = options;
  const child = fork(script, [JSON.stringify({ path: database, rate, ackFile, busyTimeoutMs, rowBytes })], {
    execArgv: [],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the writer did not start');
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await firstMessage(child, ended);
  const ask = async (message: 'measure' | 'stop'): Promise<WriterMeasures> => {
    child.send(message);
    const answer = await firstMessage(child, ended);
    if (!isMeasures(answer)) throw new Error(`unexpected answer of the writer: ${JSON.stringify(answer)}`);
    return answer;
  };
  return {
    pid,
    measure: () => ask('measure'),
    stop: async () => {
      const measures = await ask('stop');
      await ended;
      return measures;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Which of the rows the writer was promised are gone. Opens the database for writing, as the application would after a crash. */
export function acknowledgedRowsPresent(
  database: string,
  ackFile: string,
): { readonly acknowledged: number; readonly missing: readonly string[] } {
  const acknowledged = fs.readFileSync(ackFile, 'utf8').split('\n').slice(0, -1);
  const connection = new Database(database, { fileMustExist: true });
  try {
    const find = connection.prepare('SELECT 1 FROM logs WHERE log_id = ?');
    return { acknowledged: acknowledged.length, missing: acknowledged.filter((id) => find.get(id) === undefined) };
  } finally {
    connection.close();
  }
}

async function firstMessage(child: ChildProcess, ended: Promise<void>): Promise<unknown> {
  const message = once(child, 'message').then(([first]: unknown[]) => first);
  const early = ended.then(() => Promise.reject(new Error('the writer ended before it answered')));
  return Promise.race([message, early]);
}

function isMeasures(value: unknown): value is WriterMeasures {
  return typeof value === 'object' && value !== null && 'commits' in value && 'errors' in value;
}
