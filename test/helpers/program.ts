/**
 * The real program as a real process, in a process group of its own: what a test kills is the daemon, or the daemon with its children,
 * and never the test. Whatever of a group is alive when the test ends is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { AtEnd } from './workspace.js';

const program = path.join(import.meta.dirname, '..', '..', 'dist', 'daemon.js');

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>>;

export interface ProgramOptions {
  readonly cwd?: string;
  /** Over the environment of the test. */
  readonly env?: NodeJS.ProcessEnv;
  /** Run as this user and group; only root may say so. */
  readonly uid?: number;
  /** The whole group is killed after this; default 30 s. */
  readonly timeoutMs?: number;
  /** When whatever is left of it is killed: at the end of the test, unless it is run in a `beforeAll`. */
  readonly atEnd?: AtEnd;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ProgramResult extends Exit {
  readonly stdout: string;
  readonly stderr: string;
  /** Every line of either stream that is one of the log, stdout's first. */
  readonly logLines: readonly LogLine[];
}

export interface RunningProgram {
  readonly pid: number;
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  /** What was written so far. */
  readonly output: () => { readonly stdout: string; readonly stderr: string };
  readonly logLines: () => readonly LogLine[];
  /** The first line, written already or to come, that satisfies the predicate. Rejects after the timeout (default 20 s) or the exit. */
  readonly waitForLog: (predicate: (line: LogLine) => boolean, timeoutMs?: number) => Promise<LogLine>;
  /** To the daemon alone. */
  readonly signal: (signal: NodeJS.Signals) => void;
  /** SIGKILL to the daemon and all its children at once. */
  readonly killGroup: () => void;
}

/** Runs `node dist/daemon.js …` to its end. */
export async function runProgram(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const { timeoutMs = 30_000 } = options;
  const running = startProgram(args, options);
  const deadline = setTimeout(running.killGroup, timeoutMs);
  const exit = await running.exited;
  clearTimeout(deadline);
  return { ...exit, ...running.output(), logLines: running.logLines() };
}

/** Starts `node dist/daemon.js …` and leaves it running. */
export function startProgram(args: readonly string[], options: ProgramOptions = {}): RunningProgram {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd,
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${process.execPath} did not start`);

  const text = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
      for (const listener of listeners) listener();
    });
  }
  // 'close', not 'exit': all that was written has been read by then.
  const exited = new Promise<Exit>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  const killGroup = (): void => killIfAlive(-pid, 'SIGKILL');
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  (options.atEnd ?? onTestFinished)(async () => {
    killGroup();
    await ended;
  });

  const logLines = (): LogLine[] => [...parseLog(text.stdout), ...parseLog(text.stderr)];
  return {
    pid,
    child,
    exited,
    output: () => ({ ...text }),
    logLines,
    waitForLog: (predicate, timeoutMs = 20_000) =>
      new Promise((resolve, reject) => {
        const finish = (deed: () => void): void => {
          clearTimeout(deadline);
          listeners.delete(look);
          deed();
        };
        const look = (): void => {
          const found = logLines().find(predicate);
          if (found !== undefined) finish(() => resolve(found));
        };
        const giveUp = (why: string): void =>
          finish(() => reject(new Error(`${why}; it wrote:\n${text.stdout}${text.stderr}`)));
        const deadline = setTimeout(() => giveUp(`no such log line in ${timeoutMs} ms`), timeoutMs);
        listeners.add(look);
        void exited.then(() => giveUp('the program ended without such a log line'));
        look();
      }),
    signal: (signal) => killIfAlive(pid, signal),
    killGroup,
  };
}

/** The lines of a log among a text's lines. */
export function parseLog(text: string): LogLine[] {
  return text.split('\n').flatMap((line) => {
    // Under journald a line starts with its priority.
    const json = line.replace(/^<\d>/, '');
    if (!json.startsWith('{')) return [];
    try {
      const parsed: unknown = JSON.parse(json);
      return isLogLine(parsed) ? [parsed] : [];
    } catch {
      return [];
    }
  });
}

function isLogLine(value: unknown): value is LogLine {
  return typeof value === 'object' && value !== null && 'msg' in value;
}

/** Sends a signal to a process, or to a group when `pid` is negative; one that is gone is no error. */
export function killIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
