/** A disk whose files can share their extents, for tests, stress and bench. Needs root, loop devices, and the program that makes it. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const makers = { xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'], btrfs: ['mkfs.btrfs', '-q'] };

/** @type {typeof import('./reflink-disk.mjs').mountReflinkDisk} */
export function mountReflinkDisk(kind, sizeMB, parent = os.tmpdir()) {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(parent, 'debuggle-maintenance-disk-')));
  const image = `${directory}.img`;
  const remove = () => {
    fs.rmdirSync(directory);
    fs.rmSync(image);
  };
  fs.writeFileSync(image, '', { mode: 0o600 });
  fs.truncateSync(image, sizeMB * 1e6);
  const [maker, ...options] = makers[kind];
  const why = failure(maker, [...options, image]) ?? failure('mount', ['-t', kind, '-o', 'loop', image, directory]);
  if (why !== undefined) {
    remove();
    return { why: `a disk with ${kind} cannot be made here: ${why}` };
  }
  fs.chmodSync(directory, 0o700);
  return {
    directory,
    unmount: () => {
      // Lazily: a process that was left behind must not keep the mount for ever.
      spawnSync('umount', ['--lazy', directory]);
      remove();
    },
  };
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @returns {string | undefined} undefined when it has done it
 */
function failure(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}
