/**
 * Tells systemd how the service is doing: ready, reloading, stopping, alive. Without `$NOTIFY_SOCKET` it does nothing.
 *
 * Node has no datagram sockets of the unix kind, so the `systemd-notify` program speaks for us: the unit needs `NotifyAccess=all`. Messages
 * go one after the other, in order, in the background. One that fails costs a log line, the first time only: the service works on, and
 * systemd judges by what it heard. Assignments are used instead of options, because older versions know few options.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Logger } from '../jobs/job.js';

export interface ServiceNotifier {
  /** The longest a caller may go without `heartbeat()`: half of what the watchdog allows. Null: no watchdog is set. */
  readonly watchdogIntervalMs: number | null;
  /** Start-up is complete. */
  ready(): void;
  /** The configuration is being read again; `reloaded()` ends it, whether or not it was taken. */
  reloading(): void;
  reloaded(): void;
  stopping(): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** The main loop is alive. Calls closer together than half of `watchdogIntervalMs` are not passed on. */
  heartbeat(): void;
  /** Accepts no more; resolves once all that was said is delivered or given up (5 s a message at the worst). Never rejects. */
  close(): Promise<void>;
}

const execute = promisify(execFile);
const deliveryTimeoutMs = 5000;

/** @param monotonicUsec CLOCK_MONOTONIC in microseconds, as systemd compares it. */
export function createServiceNotifier(
  env: NodeJS.ProcessEnv,
  log: Logger,
  monotonicUsec: () => bigint = () => process.hrtime.bigint() / 1000n,
): ServiceNotifier {
  const isListening = (env['NOTIFY_SOCKET'] ?? '') !== '';
  const watchdogIntervalMs = isListening ? halfOfWatchdog(env) : null;
  let delivered = Promise.resolve();
  let isClosed = false;
  let hasFailed = false;
  let isHeartbeatWaiting = false;
  let lastHeartbeat: bigint | undefined;

  const send = (...assignments: readonly string[]): Promise<void> => {
    if (!isListening || isClosed) return delivered;
    delivered = delivered
      .then(() => notify(assignments, env))
      .catch((err: unknown) => {
        if (!hasFailed) log.warn({ err }, 'systemd could not be notified; this is said once');
        hasFailed = true;
      });
    return delivered;
  };

  return {
    watchdogIntervalMs,
    ready: () => void send('READY=1'),
    reloading: () => void send('RELOADING=1', `MONOTONIC_USEC=${monotonicUsec()}`),
    reloaded: () => void send('READY=1'),
    stopping: () => void send('STOPPING=1'),
    status: (text) => void send(`STATUS=${oneLine(text)}`),
    heartbeat: () => {
      if (watchdogIntervalMs === null || isHeartbeatWaiting) return;
      const now = monotonicUsec();
      if (lastHeartbeat !== undefined && Number(now - lastHeartbeat) / 1000 < watchdogIntervalMs / 2) return;
      lastHeartbeat = now;
      isHeartbeatWaiting = true;
      void send('WATCHDOG=1').then(() => (isHeartbeatWaiting = false));
    },
    close: () => {
      isClosed = true;
      return delivered;
    },
  };
}

/** `$WATCHDOG_USEC` counts only when `$WATCHDOG_PID` is unset or means us. */
function halfOfWatchdog(env: NodeJS.ProcessEnv): number | null {
  const usec = Number(env['WATCHDOG_USEC']);
  const isForUs = (env['WATCHDOG_PID'] ?? '') === '' || env['WATCHDOG_PID'] === String(process.pid);
  return isForUs && Number.isSafeInteger(usec) && usec > 0 ? usec / 2000 : null;
}

/** systemd reads one assignment a line; a line break in a text would begin another. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

async function notify(assignments: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const args = [`--pid=${process.pid}`, ...assignments];
  await execute('systemd-notify', args, { env, timeout: deliveryTimeoutMs, killSignal: 'SIGKILL' });
}
