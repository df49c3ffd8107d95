/**
 * Holds a live database at one moment while another process copies its files (raw-copy.ts): the half that has the connection.
 *
 * Why the copy is whole. In WAL mode a reader on slot 1 to 4 keeps checkpointers from writing any frame after its mark into the file, and
 * everybody from beginning the log anew: each page that can be torn in the copy of the file is also in the log, which is copied
 * after it; frames after the last commit end at a bad checksum. A reader on slot 0 needs no log: all of it is in the file, which nobody
 * can change meanwhile, while a writer may begin the log anew: the file alone is copied. In rollback-journal mode a reader's lock keeps
 * every writer out of the file. Each of these locks is looked for in /proc/locks, before the copy and, before it is believed, after it;
 * where it is not found, this method is not used. Measured with a writer and a third process that checkpoints without a pause: 10 000 of
 * 10 000 copies sound; without the pin 22 of 60.
 *
 * A slot counts only together with the lock that says that the -shm is in use. SQLite takes slot 0 also for an -shm that it can only read
 * and that nobody else has open: then it reads the log by an index of its own, and the log is not in the file at all.
 *
 * A process that dies here gives up its locks, and the copy is thrown away. Nothing is ever written to the database. While it is pinned
 * the log cannot be begun anew: should it grow beyond its limit, the pin is given up, whatever the copying process is doing.
 */
import { statSync } from 'node:fs';
import { JobError } from '../../errors.js';
import { whyNotCopyable } from '../copyable.js';
import { holdsShared, kernelLocks, readSlotOf } from '../kernel-locks.js';
import { type Connection, type Identity, openForReading } from '../open.js';
import { beginPinned, type PinnedFacts } from '../pinned.js';
import { toDatabaseError } from '../result-codes.js';
import { numberPragma } from '../schema.js';

/** What keeps the files copyable. */
export type Hold =
  | { readonly kind: 'slot'; readonly slot: number; readonly shmInode: number }
  | { readonly kind: 'shared' }
  | { readonly kind: 'none'; readonly why: string };

export interface Pinned {
  readonly facts: PinnedFacts;
  readonly hold: Hold;
  readonly walBytes: number;
  /** Moves with every change of the schema. */
  readonly schemaVersion: number;
}

export interface Unpinned {
  /** As it is after the copy; null: not asked, for the copy cannot have seen any change, or somebody was in the way. */
  readonly schemaVersion: number | null;
  /** From pinning to the end of the transaction: in rollback-journal mode, how long commits had to wait. */
  readonly pinnedMs: number;
}

interface Held {
  readonly path: string;
  readonly identity: Identity;
  readonly connection: Connection;
  readonly hold: Hold;
  readonly since: number;
  readonly watch: NodeJS.Timeout;
  /** Why it was given up. */
  lost?: JobError;
}

const watchMs = 250;
/** /proc/locks is not read in one piece: among many that come and go, one held throughout can be missing. Seen once is proof. */
const looks = 5;

/** One at a time; here also so that the connection is not collected, and its locks with it. */
let held: Held | undefined;

/** @throws JobError as opening does; `not-a-database` when there is no table */
export function pin(request: { path: string; identity: Identity; maxWalGrowthBytes: number }): Pinned {
  const { path, identity, maxWalGrowthBytes } = request;
  if (held !== undefined) throw new JobError('internal', `${held.path} is still pinned in this process`);
  const connection = openForReading(path, identity);
  try {
    const facts = beginPinned(connection, path);
    const schemaVersion = numberPragma(connection, 'schema_version');
    const hold = findHold(path, identity, facts.journalMode);
    const wal = walBytes(path);
    const watch = setInterval(() => watchLog(wal, maxWalGrowthBytes), watchMs);
    held = { path, identity, connection, hold, since: performance.now(), watch };
    return { facts, schemaVersion, hold, walBytes: wal };
  } catch (error) {
    connection.close();
    throw toDatabaseError(error, `cannot read ${path}`);
  }
}

/**
 * Ends the transaction, after a last look at the locks.
 *
 * @throws JobError `crashed` when this is no longer the process that pinned, `busy` when the lock was lost on the way, `wal-growth` when it
 *   was given up, `identity-changed` when the path names another file by now: what was copied meanwhile is not to be believed
 */
export function unpin(): Unpinned {
  if (held === undefined)
    throw new JobError(
      'crashed',
      'the process that kept the database from changing has died: the copy was thrown away',
    );
  const { path, identity, connection, hold, since, lost } = held;
  try {
    if (lost !== undefined) throw lost;
    requireStillHeld(path, identity, hold);
    connection.exec('COMMIT');
    const pinnedMs = Math.round(performance.now() - since);
    const withLog = hold.kind === 'slot' && hold.slot > 0;
    return { schemaVersion: withLog ? schemaVersionNow(connection) : null, pinnedMs };
  } catch (error) {
    throw toDatabaseError(error, `cannot read ${path}`);
  } finally {
    dropPin();
  }
}

/** Ends what is pinned, if anything is, without a word on the copy. */
export function dropPin(): void {
  if (held === undefined) return;
  clearInterval(held.watch);
  held.connection.close();
  held = undefined;
}

function watchLog(before: number, limit: number): void {
  if (held === undefined || held.lost !== undefined) return;
  const { path, connection } = held;
  const growth = walBytes(path) - before;
  if (growth <= limit) return;
  held.lost = walGrowthError(path, growth);
  connection.close();
}

export function walGrowthError(path: string, growth: number): JobError {
  return new JobError(
    'wal-growth',
    `the write-ahead log of ${path} grew by ${growth} bytes while it was copied, more than max_wal_growth allows`,
  );
}

function schemaVersionNow(connection: Connection): number | null {
  try {
    return numberPragma(connection, 'schema_version');
  } catch {
    // Busy, for example: that says nothing about the copy.
    return null;
  }
}

function findHold(path: string, identity: Identity, journalMode: string): Hold {
  const why = whyNotCopyable(path);
  if (why !== undefined) return { kind: 'none', why };
  const shmInode = statSync(`${path}-shm`, { throwIfNoEntry: false })?.ino;
  if (journalMode !== 'wal') {
    return seen(() => isShared(identity, shmInode))
      ? { kind: 'shared' }
      : { kind: 'none', why: 'its lock is not to be seen in /proc/locks' };
  }
  let slot: number | undefined;
  if (shmInode === undefined || !seen(() => (slot = slotOf(shmInode)) !== undefined) || slot === undefined)
    return { kind: 'none', why: 'its place in the log is not to be seen in /proc/locks' };
  return { kind: 'slot', slot, shmInode };
}

function requireStillHeld(path: string, identity: Identity, hold: Hold): void {
  if (hold.kind === 'none') return;
  const now = statSync(path, { throwIfNoEntry: false });
  if (now?.ino !== identity.inode || now.dev !== identity.device)
    throw new JobError('identity-changed', `${path} was replaced by another file while it was copied`);
  const still = seen(() => (hold.kind === 'shared' ? isShared(identity) : slotOf(hold.shmInode) === hold.slot));
  if (!still) throw new JobError('busy', `the lock on ${path} was lost while it was copied: the copy was thrown away`);
}

/** As a reader in rollback-journal mode. One in WAL mode holds the same lock, and one on the -shm with it. */
function isShared({ inode }: Identity, shmInode?: number): boolean {
  const locks = kernelLocks() ?? [];
  const hasLog = locks.some((lock) => lock.pid === process.pid && lock.inode === shmInode);
  return !hasLog && holdsShared(locks, process.pid, inode);
}

const slotOf = (shmInode: number): number | undefined => readSlotOf(kernelLocks() ?? [], process.pid, shmInode);

function seen(look: () => boolean): boolean {
  return Array.from({ length: looks }).some(() => look());
}

function walBytes(path: string): number {
  return statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}
