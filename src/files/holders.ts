/**
 * Which processes have a file open: the kernel's answer from /proc, by path, device and inode. Never ends anybody.
 *
 * Any process may have a descriptor on a mount that does not answer, and a stat of it would block us. Its name does not touch the mount:
 * only a descriptor that goes by the file's own name is looked at. Missed is who opened it by another name: in another mount namespace.
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
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
