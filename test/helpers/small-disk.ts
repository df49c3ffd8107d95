/** Disks for one test, in memory but for the last. Mounting needs root; without it the test is skipped, and says so. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'vitest';
import { mountReflinkDisk, type ReflinkKind } from './reflink-disk.mjs';

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

/** The files of a directory once more, where nothing can be written: as under systemd's ProtectSystem, or in a container. */
export async function withReadOnlyView(
  context: TestContext,
  source: string,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  await withDisk(context, { type: 'none', options: 'bind', source }, async (directory) => {
    const { status, stderr } = spawnSync('mount', ['-o', 'remount,ro,bind', directory], { encoding: 'utf8' });
    if (status !== 0) context.skip(`a read-only view cannot be mounted here: ${stderr.trim()}`);
    await use(directory);
  });
}

/** An empty disk whose files can share their extents. */
export async function withReflinkDisk(
  context: TestContext,
  kind: ReflinkKind,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const disk = mountReflinkDisk(kind, 320);
  if ('why' in disk) context.skip(disk.why);
  try {
    await use(disk.directory);
  } finally {
    disk.unmount();
  }
}

async function withDisk(
  context: TestContext,
  { type, options, source = type }: { type: string; options: string; source?: string },
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'debuggle-maintenance-disk-')));
  const mounted = spawnSync('mount', ['-t', type, '-o', options, source, directory], { encoding: 'utf8' });
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
