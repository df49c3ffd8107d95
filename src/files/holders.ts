/**
 * Which processes have a file open: the kernel's answer from /proc, by path, device and inode. Never ends anybody.
 *
 * Any process may have a descriptor on a mount that does not answer, and a stat of it would block us. Its name does not touch the mount:
 * only a descriptor that goes by the file's own name is looked at. Missed is who opened it by another name: in another mount namespace.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorCodeOf } from '../errors.js';

export interface Holder {
  readonly pid: number;
  readonly command: string;
}

export interface Holders {
  readonly known: readonly Holder[];
  /** Processes of other users whose descriptors may not be read: any of them may hold the file too. */
  readonly unreadableProcesses: number;
}

export interface HeldFile {
  /** Any name of it, also one by way of symbolic links. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

export function holdersOf(file: HeldFile): Holders {
  const name = realpathSync(file.path);
  const known: Holder[] = [];
  let unreadableProcesses = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      if (holds(`/proc/${entry}/fd`, name, file))
        known.push({ pid: Number(entry), command: readFileSync(`/proc/${entry}/comm`, 'utf8').trim() });
    } catch (error) {
      if (errorCodeOf(error) === 'EACCES') unreadableProcesses += 1;
      // Anything else: the process has ended meanwhile.
    }
  }
  return { known, unreadableProcesses };
}

/** Who still has a file open that stood at this path and was deleted: as far as their descriptors can be read. */
export function holdersOfDeleted(path: string): Holder[] {
  const gone = `${join(realpathSync(dirname(path)), basename(path))} (deleted)`;
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((entry) => {
      try {
        const isHeld = readdirSync(`/proc/${entry}/fd`).some((fd) => targetOf(`/proc/${entry}/fd/${fd}`) === gone);
        return isHeld ? [{ pid: Number(entry), command: readFileSync(`/proc/${entry}/comm`, 'utf8').trim() }] : [];
      } catch {
        // Another user's, or it has ended meanwhile.
        return [];
      }
    });
}

/**
 * Whether a process other than this program's own children works with this database, so that it could be made to wait. Descriptors of
 * other users' processes may be unreadable; their locks are not: in WAL mode every connection that has ever read holds one. Not seen is
 * who lives in another container; it would wait as long as for any lock, and lose nothing.
 */
export function strangersUse(file: HeldFile): boolean {
  return strangersAmong([...holdersOf(file).known.map(({ pid }) => pid), ...lockersOf(file.inode)]).length > 0;
}

/** Other processes with a lock on a file of this number: also of those whose descriptors go by another name, in a container say. */
export function strangersLocking(inode: number): number[] {
  return strangersAmong(lockersOf(inode));
}

/** Neither this process nor another child of the same program. */
function strangersAmong(pids: readonly number[]): number[] {
  const own = readFileSync('/proc/self/comm', 'utf8').trim();
  return pids.filter((pid) => pid !== process.pid && !(nameOf(pid) === own && parentOf(pid) === process.ppid));
}

/** Processes with a POSIX lock on a file of this number. `1: POSIX  ADVISORY  READ 4711 08:01:123456 1073741826 1073742335` */
function lockersOf(inode: number): number[] {
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , , , file]) => file?.split(':')[2] === String(inode))
    .map(([, , , , pid]) => Number(pid))
    .filter((pid) => pid > 0);
}

/** Undefined when it has ended. */
function nameOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Undefined when it has ended. */
function parentOf(pid: number): number | undefined {
  try {
    // The parent is the second field after the name, which is in parentheses and may hold anything.
    const [, parent] = /^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return parent === undefined ? undefined : Number(parent);
  } catch {
    return undefined;
  }
}

function holds(directory: string, name: string, { device, inode }: HeldFile): boolean {
  return readdirSync(directory).some((fd) => {
    const target = targetOf(`${directory}/${fd}`);
    if (target !== name && target !== `${name} (deleted)`) return false;
    const stat = statSync(`${directory}/${fd}`, { throwIfNoEntry: false });
    return stat?.ino === inode && stat.dev === device;
  });
}

/** Undefined when the descriptor was closed meanwhile. */
function targetOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
