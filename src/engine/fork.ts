/**
 * Starts the processes of worker.ts. The first ones are started before the program itself has been loaded: each takes 0.2 s, as the program
 * does, and most calls need one.
 */
import { type ChildProcess, fork } from 'node:child_process';

const early: ChildProcess[] = [];

/** Whoever takes the next workers gets these. They keep nobody alive until then. */
export function forkEarly(count: number): void {
  for (let forked = 0; forked < count; forked += 1) {
    const worker = forkWorker();
    hold(worker, false);
    // What goes wrong is the taker's to see, who starts another.
    worker.on('error', () => undefined);
    early.push(worker);
  }
}

/** A worker, running or about to: an early one, when there is one and it is well. */
export function takeWorker(): ChildProcess {
  const worker = early.shift();
  if (worker?.pid === undefined || worker.exitCode !== null || worker.signalCode !== null) return forkWorker();
  hold(worker, true);
  return worker;
}

/** Ends those that nobody has needed. */
export function endEarly(): void {
  for (const worker of early.splice(0)) worker.kill('SIGKILL');
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
