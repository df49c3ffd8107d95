/** The one place where SQLite's result codes become ours. https://www.sqlite.org/rescode.html */
import { errorCodeOf, JobError, type JobErrorCode, toFileError } from '../errors.js';

/** Prefix of the (extended) result code -> our code and what to tell people. The first that matches wins. */
const table: readonly (readonly [prefix: string, code: JobErrorCode, meaning: string])[] = [
  ['SQLITE_BUSY', 'busy', 'another process holds it locked'],
  ['SQLITE_LOCKED', 'busy', 'another connection holds it locked'],
  ['SQLITE_FULL', 'full', 'no space left on the device: free some'],
  // SQLite says no more of a used-up quota or a file-size limit.
  [
    'SQLITE_IOERR_WRITE',
    'io',
    'the storage answered with an I/O error: look at the kernel log, and at quotas and file-size limits',
  ],
  // SQLite writes to each page of a new -shm before it maps it, so that a full disk is an error and not a SIGBUS.
  ['SQLITE_IOERR_SHMSIZE', 'full', 'no space left on the device for its -shm file: free some'],
  ['SQLITE_IOERR', 'io', 'the storage answered with an I/O error: look at the kernel log'],
  ['SQLITE_READONLY_DBMOVED', 'identity-changed', 'the file was moved or replaced while it was open'],
  [
    'SQLITE_READONLY',
    'permission',
    'it cannot be written: check owner and mode of the file, its -wal, its -shm and its directory',
  ],
  ['SQLITE_PERM', 'permission', 'permission denied: check owner and mode'],
  ['SQLITE_AUTH', 'permission', 'not allowed'],
  [
    'SQLITE_CANTOPEN',
    'permission',
    'it cannot be opened: check owner and mode of the file and its directory (a WAL database without its -shm file cannot be read in a directory that cannot be written)',
  ],
  ['SQLITE_NOTADB', 'not-a-database', 'not an SQLite database: encrypted, something else, or its header is damaged'],
  ['SQLITE_CORRUPT', 'damaged', 'the database disk image is malformed'],
  ['SQLITE_CONSTRAINT', 'constraint', 'rows break a constraint of its schema: remove the duplicates'],
  ['SQLITE_NOMEM', 'out-of-memory', 'not enough memory'],
  ['SQLITE_INTERRUPT', 'interrupted', 'interrupted'],
  ['SQLITE_TOOBIG', 'unverifiable', 'a value is larger than this program can read'],
];

/** What an application may have registered and we have not: the database is fine, we cannot judge it. */
const foreignParts =
  /no such (?:function|collation sequence|module|tokenizer|vfs)|unknown (?:function|tokenizer)|no query solution|unable to use function/i;

/** Anything thrown while working on a database, as a JobError: `<what>: <meaning>`. System errors go the same way. */
export function toDatabaseError(thrown: unknown, what: string): JobError {
  if (thrown instanceof JobError) return thrown;
  const code = errorCodeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (code?.startsWith('SQLITE_') !== true) return toFileError(thrown, what);
  if (foreignParts.test(message)) {
    return new JobError('unverifiable', `${what}: it uses what this program does not have (${message})`, {
      cause: thrown,
    });
  }
  const known = table.find(([prefix]) => code.startsWith(prefix));
  if (known === undefined) return new JobError('internal', `${what}: ${message} (${code})`, { cause: thrown });
  return new JobError(known[1], `${what}: ${known[2]} (${code})`, { cause: thrown });
}

/** A hot journal or an unrecovered WAL that a read-only connection may not roll back: needs recovery, is not damaged. */
export function needsRecovery(thrown: unknown): boolean {
  const code = errorCodeOf(thrown);
  return code === 'SQLITE_READONLY_ROLLBACK' || code === 'SQLITE_READONLY_RECOVERY';
}
