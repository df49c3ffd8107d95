/**
 * Child entry: receives one request at a time, calls one operation, answers. It holds the lock of the database it works on, so that the
 * lock ends with the work, however either ends. Signals meant for the group are the parent's to act on.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';
import { JobError, toJobError } from '../errors.js';
import { companions } from '../files/header.js';
import type { HeldLock } from '../sqlite/operations/lock.js';
import type { FromChild, ToChild } from './messages.js';
import { type OperationName, operations, type Progress, rawOperations } from './operations.js';

process.umask(0o077);
process.title = 'debuggle-maintenance worker';
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit(0));
stepBack();

const parent = Number(process.argv[2]);
const watchdog = new Worker(new URL('./watchdog.js', import.meta.url), { workerData: parent });
await once(watchdog, 'message');

let lock: HeldLock | undefined;
const used = new Set<OperationName>();
let broken = false;
process.on('message', (message) => {
  // Only our own parent has the other end of this channel.
  const request = message as ToChild;
  if (request.kind === 'environment') {
    // SQLite asks for it when it opens its first database.
    process.env['SQLITE_TMPDIR'] ??= request.tempDirectory;
    return;
  }
  answer(request)
    .then((value) => send({ kind: 'reply', id: request.id, value }))
    // An answer that cannot be sent is a failure, too.
    .catch((thrown: unknown) => {
      const { code, message: text, cause } = toJobError(thrown);
      send({
        kind: 'failure',
        id: request.id,
        code,
        message: text,
        cause: cause instanceof Error ? (cause.stack ?? cause.message) : '',
      });
    });
});
send({ kind: 'ready' });

async function answer(request: Exclude<ToChild, { kind: 'environment' }>): Promise<unknown> {
  switch (request.kind) {
    case 'lock':
      lock ??= (await import('../sqlite/operations/lock.js')).takeLock(request.path);
      return undefined;
    case 'reset':
      // What Node.js has failed to load once, it may never load again in this process: not to be handed on.
      if (broken) throw new JobError('internal', 'a part of the program could not be loaded');
      // Closed as the last connection, it would write a crashed application's log into the file: the process is ended instead.
      if (used.has('openMonitor') && (await import('../sqlite/monitor.js')).hasMonitor())
        throw new JobError('internal', 'a monitor was left open');
      if (used.has('pin')) (await import('../sqlite/operations/pin.js')).dropPin();
      lock?.release();
      lock = undefined;
      return undefined;
    case 'call': {
      if (!isOperation(request.operation)) throw new JobError('internal', `no operation ${request.operation}`);
      // The host's types tie each operation to its request; over the channel that knowledge is lost.
      const load = operations[request.operation] as () => Promise<(request: unknown, progress: Progress) => unknown>;
      const operation = await load().catch((cause: unknown) => {
        broken = true;
        const advice = 'was the program replaced or moved while it was running? Restart it';
        throw new JobError('refused', `${request.operation} could not be loaded: ${advice}`, { cause });
      });
      used.add(request.operation);
      if (rawOperations.has(request.operation)) await refuseMonitored(request.operation, request.request);
      return await operation(request.request, throttled(request.id));
    }
  }
}

/** The request's texts, and those of its lists, may be paths: none may be that of a database whose monitor is in this process. */
async function refuseMonitored(operation: OperationName, request: unknown): Promise<void> {
  if (!used.has('openMonitor') || typeof request !== 'object' || request === null) return;
  const path = (await import('../sqlite/monitor.js')).monitoredPath();
  if (path === null) return;
  const files = [path, ...companions.map((suffix) => `${path}${suffix}`)];
  if (
    Object.values(request)
      .flat()
      .some((value) => typeof value === 'string' && files.includes(value))
  )
    throw new JobError('internal', `${operation} of ${path} beside its monitor, whose locks it would drop`);
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(operations, name);
}

/** Progress at most ten times a second. */
function throttled(id: number): Progress {
  let last = 0;
  return (done, total) => {
    const now = performance.now();
    if (now - last < 100 && done < total) return;
    last = now;
    send({ kind: 'progress', id, done, total });
  };
}

function send(message: FromChild): void {
  // The parent may be gone; the watchdog deals with that.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** The application comes first: for the processor, and when memory runs out and the kernel looks for a process to end. */
function stepBack(): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Not Linux, or not allowed: only preferences.
  }
}
