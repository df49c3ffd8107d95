/**
 * Starts the processes of worker.ts. The first one is started before the program itself has been loaded: the two take 0.2 s each, and
 * most calls need both.
 */
import { type ChildProcess, fork } from 'node:child_process';

let early: ChildProcess | undefined;

/** Whoever takes the next worker gets this one. It keeps nobody alive until then. */
export function forkEarly(): void {
  early = forkWorker();
  hold(early, false);
  // What goes wrong is the taker's to see, who starts another.
  early.on('error', () => undefined);
}

/** A worker, running or about to: the early one, when there is one and it is well. */
export function takeWorker(): ChildProcess {
  const worker = early;
  early = undefined;
  if (worker?.pid === undefined || worker.exitCode !== null || worker.signalCode !== null) return forkWorker();
  hold(worker, true);
  return worker;
}

/** Ends the early one if nobody has needed it. */
export function endEarly(): void {
  early?.kill('SIGKILL');
  early = undefined;
}

function forkWorker(): ChildProcess {
  // Our pid goes with it: we may be gone before it can ask who its parent is.
  return fork(new URL('./worker.js', import.meta.url), [String(process.pid)], {
    serialization: 'advanced',
    // stdout and stderr are not passed on: a child's last words (an abort, a stack) are kept for the message.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: ['--max-old-space-size=512'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
}

/** Whether it keeps this process alive. */
function hold(worker: ChildProcess, on: boolean): void {
  const stderr: unknown = worker.stderr;
  for (const handle of [worker, worker.channel, stderr as { ref(): void; unref(): void } | null]) {
    if (on) handle?.ref();
    else handle?.unref();
  }
}
