/** Disks for one test, in memory. Mounting needs root; without it the test is skipped, and says so. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'vitest';

/** Calls `use` with the directory of an empty disk of that size (10^6 bytes), which is unmounted afterwards whatever happens: a tmpfs. */
export async function withSmallDisk(
  context: TestContext,
  sizeMB: number,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  await withDisk(context, { type: 'tmpfs', options: `size=${sizeMB * 1e6},mode=0700` }, use);
}

/** The same with a file system of which the program does not know whether it is local: a ramfs. */
export async function withUnknownDisk(context: TestContext, use: (directory: string) => Promise<void>): Promise<void> {
  await withDisk(context, { type: 'ramfs', options: 'mode=0700' }, use);
}

async function withDisk(
  context: TestContext,
  { type, options }: { type: string; options: string },
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'debuggle-maintenance-disk-')));
  const mounted = spawnSync('mount', ['-t', type, '-o', options, type, directory], { encoding: 'utf8' });
  try {
    if (mounted.status !== 0)
      context.skip(`a ${type} cannot be mounted here: ${mounted.error?.message ?? mounted.stderr.trim()}`);
    await use(directory);
  } finally {
    // Lazily: a process that the test left behind must not keep the mount for ever.
    if (mounted.status === 0) spawnSync('umount', ['--lazy', directory]);
    fs.rmdirSync(directory);
  }
}
