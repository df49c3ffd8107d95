/**
 * Every error the program raises on purpose. It imports nothing, so that any module, in the daemon or in a child process, may throw
 * one. A message says what happened, to what, and what to do; the code says what it means for the run.
 */

/**
 * What went wrong, in words that decide what happens next.
 *
 * The first nine are SQLite's result codes, mapped in one place (sqlite/result-codes.ts).
 */
export const jobErrorCodes = [
  'busy', // another process holds the database locked
  'full', // no space, or a quota or file-size limit
  'io', // the storage answered with an error: never proof of damage
  'permission', // may not read or write, read-only
  'not-a-database', // no SQLite header: text, encrypted, something else
  'damaged', // the database is damaged, and that has been confirmed
  'constraint', // rows break a UNIQUE or another constraint of the schema
  'unverifiable', // needs functions, collations or tokenizers this program lacks
  'identity-changed', // another file stands where the known one stood
  'missing', // the file or directory is not there
  'refused', // a rule of ours forbids the deed; nothing was done
  'lock-held', // another process works on this database
  'backup-damaged', // a stored backup is not what its manifest says
  'nothing-to-verify', // zero work is not success
  'assertion-failed', // one of the operator's own SQL assertions does not hold
  'wal-growth', // the write-ahead log grew past its bound meanwhile
  'timed-out', // the deadline came first; the work was stopped
  'interrupted', // the program was told to stop
  'crashed', // the child process died
  'out-of-memory', // the child process passed its memory limit
  'not-recorded', // history cannot be written, and what cannot be recorded is not done
  'internal', // a defect of ours
] as const;

export type JobErrorCode = (typeof jobErrorCodes)[number];

/** An expected failure of a job. It is thrown anywhere, caught once (schedule/run.ts), and never shown with a stack. */
export class JobError extends Error {
  override readonly name = 'JobError';
  readonly code: JobErrorCode;

  constructor(code: JobErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** One mistake in a configuration file. Line and column are 1-based. */
export interface ConfigMistake {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Where in the document, as in `databases.logs.path`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** The configuration is invalid; carries every mistake found, in the order of the file. Exit code 78. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly mistakes: readonly ConfigMistake[];

  constructor(mistakes: readonly ConfigMistake[]) {
    super(mistakes.map(formatMistake).join('\n'));
    this.mistakes = mistakes;
  }
}

/** `file:line:column: path: message`, as editors and `check-config` readers expect it. */
export function formatMistake({ file, line, column, path, message }: ConfigMistake): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}

/** The command line is wrong: a command, schedule, database or option that does not exist. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Any thrown value as a JobError. What is not ours is `internal`; it keeps its cause. */
export function toJobError(thrown: unknown): JobError {
  if (thrown instanceof JobError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new JobError('internal', message, { cause: thrown });
}

/** The system's error code (`ENOSPC`, `SQLITE_BUSY`, …), or undefined. */
export function errorCodeOf(thrown: unknown): string | undefined {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string')
    return thrown.code;
  return undefined;
}

const systemCodes: Readonly<Record<string, readonly [JobErrorCode, string]>> = {
  ENOSPC: ['full', 'no space left on the device: free some'],
  EDQUOT: ['full', 'the disk quota is used up'],
  EFBIG: ['full', 'the file would pass the file-size limit of this process'],
  EIO: ['io', 'the storage answered with an I/O error: look at the kernel log'],
  EACCES: ['permission', 'permission denied: check owner and mode'],
  EPERM: ['permission', 'operation not permitted: check owner, mode and attributes'],
  EROFS: ['permission', 'the file system is mounted read-only'],
  ENOENT: ['missing', 'no such file or directory'],
  ELOOP: ['missing', 'its symbolic links lead in a circle'],
  ENAMETOOLONG: ['refused', 'a name in it is longer than its file system allows, 255 bytes for most: shorten it'],
  ENOTDIR: ['missing', 'a part of the path is not a directory'],
  EMFILE: ['refused', 'too many open files in this process: raise its limit'],
  ENFILE: ['refused', 'too many open files on this machine'],
  ENODEV: ['missing', 'no such device'],
  ESTALE: ['io', 'stale file handle: is the network file system still mounted?'],
};

/** A failed system call as a JobError: `<what>: <what it means and what to do>`. Anything else goes through toJobError. */
export function toFileError(thrown: unknown, what: string): JobError {
  if (thrown instanceof JobError) return thrown;
  const known = systemCodes[errorCodeOf(thrown) ?? ''];
  if (known === undefined) return new JobError('internal', `${what}: ${toJobError(thrown).message}`, { cause: thrown });
  return new JobError(known[0], `${what}: ${known[1]}`, { cause: thrown });
}
