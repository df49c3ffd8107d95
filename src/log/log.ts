/** The program's log: one JSON object a line, to a file and to stdout or stderr. Logging never throws. */
import { closeSync, writeSync } from 'node:fs';
import { pino } from 'pino';
import type { Logger } from '../jobs/job.js';
import { createCleaner, escapeLine } from './clean.js';
import { type Dropped, LineDestination, openStream } from './destination.js';
import { LogFile } from './log-file.js';
import { NewestLines } from './newest-lines.js';

type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  /** Less urgent lines are not written. */
  readonly level: LogLevel;
  /** Absolute path; created with mode 0600, its directory with 0700. */
  readonly file: string | null;
  readonly stdout: 'stdout' | 'stderr' | 'none';
  /** Whether that stream is the journal: its lines then begin with their priority, `<6>`. */
  readonly journald: boolean;
  /** Values that are replaced by `[redacted]` wherever they appear, until `setSecrets` names others. */
  readonly secrets?: readonly string[];
  /** A clock that never goes back, in milliseconds. */
  readonly nowMs?: () => number;
  /** Takes what is wrong with the log itself, each thing once. Default: a line on stderr. */
  readonly complain?: (message: string) => void;
}

export interface Log extends Logger {
  /** The same log with these fields in every line. */
  child(bindings: object): Log;
  /** Where lines were lost since the start: a run with lost lines has not fully succeeded. */
  failures(): { readonly file?: Dropped; readonly stdout?: Dropped };
  /** The last lines of one run as they were written, oldest first; of a long one, or one of long ago, less than all. */
  tail(runId: string): readonly string[];
  /** For SIGHUP: less urgent lines are not written from now on. */
  setLevel(level: LogLevel): void;
  /** For SIGHUP: what must not be written from now on. */
  setSecrets(secrets: readonly string[]): void;
  /** For SIGHUP: the file under the configured path, after logrotate has moved the old one away. */
  reopen(): void;
  /** Closes the file; later lines go nowhere but stdout. */
  close(): void;
}

/** sd-daemon(3) */
const priorities: Readonly<Record<string, number>> = { debug: 7, info: 6, warn: 4, error: 3 };

export function createLog(options: LogOptions): Log {
  const { level, file, stdout, journald, nowMs = () => performance.now() } = options;
  let secrets = options.secrets ?? [];
  const cleaner = createCleaner({ secrets: () => secrets, stacks: () => json.level === 'debug' });
  const newest = new NewestLines();
  const complain = once(options.complain ?? (stdout === 'stderr' ? () => undefined : sayOnStderr));
  const emit: ((line: string, level: LogLevel) => void)[] = [];
  // Of the line being written: pino calls its stream at once.
  let writing: LogLevel = 'info';
  let runId: unknown;
  const json = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      // The cleaner has made them plain already; pino's own would add to them.
      serializers: { err: (error: unknown) => error },
    },
    { write: (line) => emit.forEach((destination) => destination(escapeLine(line.trimEnd()), writing)) },
  );

  emit.push((line) => newest.add(runId, line));

  const noteOfDropped = ({ dropped, message }: Dropped): string =>
    escapeLine(
      JSON.stringify({
        level: 'warn',
        time: new Date().toISOString(),
        dropped,
        err: { message: cleaner.text(message) },
        msg: 'log lines are missing here',
      }),
    );

  const logFile = file === null ? undefined : new LogFile(file, complain, nowMs);
  const toFile =
    logFile && new LineDestination({ name: file ?? '', target: () => logFile.target(), noteOfDropped, complain });
  if (toFile !== undefined) emit.push((line) => toFile.write(line));

  const prefix = (of: LogLevel): string => (journald ? `<${priorities[of] ?? 6}>` : '');
  const stream = stdout === 'none' ? undefined : openStream(stdout === 'stdout' ? 1 : 2);
  const toStream =
    stream &&
    new LineDestination({
      name: stdout,
      target: () => stream,
      noteOfDropped: (dropped) => prefix('warn') + noteOfDropped(dropped),
      complain,
    });
  if (toStream !== undefined) emit.push((line, of) => toStream.write(prefix(of) + line));

  function withBindings(bindings: object): Log {
    const say =
      (of: LogLevel) =>
      (facts: object, message: string): void => {
        if (!json.isLevelEnabled(of)) return;
        const fields = cleaner.facts({ ...bindings, ...facts });
        [writing, runId] = [of, fields['run_id']];
        json[of](fields, cleaner.text(message));
      };
    return {
      debug: say('debug'),
      info: say('info'),
      warn: say('warn'),
      error: say('error'),
      child: (more) => withBindings({ ...bindings, ...more }),
      failures: () => {
        const [ofFile, ofStream] = [toFile?.failure(), toStream?.failure()];
        return { ...(ofFile && { file: ofFile }), ...(ofStream && { stdout: ofStream }) };
      },
      tail: (run) => newest.of(run),
      setLevel: (to) => {
        json.level = to;
      },
      setSecrets: (values) => {
        secrets = values;
      },
      reopen: () => logFile?.reopen(),
      close: () => logFile?.close(),
    };
  }
  return withBindings({});
}

function once(say: (message: string) => void): (message: string) => void {
  const said = new Set<string>();
  return (message) => {
    if (!said.has(message)) say(message);
    said.add(message);
  };
}

function sayOnStderr(message: string): void {
  try {
    // Often the very pipe that takes no more.
    const { fd } = openStream(2);
    try {
      writeSync(fd, `${message}\n`);
    } finally {
      if (fd !== 2) closeSync(fd);
    }
  } catch {
    // There is nowhere left to say it.
  }
}
