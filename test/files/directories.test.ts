import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { claimDirectory } from '../../src/files/directories.js';
import { freeBytes } from '../../src/files/disk-space.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type Workspace, workspace } from '../helpers/workspace.js';

const refusal = (code: string, message: RegExp): Error =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }) as Error;

test('a directory never used before is created with those above it, for us alone, whatever the umask', () => {
  const ws = workspace();
  const before = process.umask(0);
  try {
    const { device } = claimDirectory({ path: ws.path('a', 'b'), rememberedDevice: null });
    expect(device).toBe(fs.statSync(ws.directory).dev);
  } finally {
    process.umask(before);
  }
  for (const made of [ws.path('a'), ws.path('a', 'b')]) expect(fs.statSync(made).mode & 0o7777).toBe(0o700);
});

test('one that stands on its remembered device is claimed again and again, also through a symbolic link', () => {
  const ws = workspace();
  const { device } = claimDirectory({ path: ws.path('real'), rememberedDevice: null });
  fs.symlinkSync(ws.path('real'), ws.path('link'));
  for (const name of ['real', 'link']) {
    expect(claimDirectory({ path: ws.path(name), rememberedDevice: device })).toEqual({ device });
  }
});

describe('is refused, and nothing is written:', () => {
  test('one that was there once and is gone', () => {
    const ws = workspace();
    const device = fs.statSync(ws.directory).dev;
    expect(() => claimDirectory({ path: ws.path('gone'), rememberedDevice: device })).toThrow(
      refusal('missing', /is its disk mounted\?/),
    );
    expect(fs.readdirSync(ws.directory)).toEqual([]);
  });

  test('the bare mount point of a disk that is not mounted, and a disk where there was none', async (context) => {
    const ws = workspace();
    await withSmallDisk(context, 1, async (disk) => {
      const { device } = claimDirectory({ path: path.join(disk, 'backups'), rememberedDevice: null });
      expect(device).toBe(fs.statSync(disk).dev);
      fs.mkdirSync(ws.path('backups'), { mode: 0o700 });
      expect(() => claimDirectory({ path: ws.path('backups'), rememberedDevice: device })).toThrow(
        refusal('identity-changed', /another device.*Nothing was written/),
      );
      const elsewhere = fs.statSync(ws.directory).dev;
      expect(() => claimDirectory({ path: path.join(disk, 'backups'), rememberedDevice: elsewhere })).toThrow(
        refusal('identity-changed', /another device/),
      );
      await Promise.resolve();
    });
  });

  test.for<[string, string, RegExp, (ws: Workspace) => void]>([
    ['a file', 'refused', /is not a directory/, ({ path: at }) => fs.writeFileSync(at('backups'), '')],
    ['one that its group may write', 'refused', /chmod go-w .*backups/, ({ path: at }) => make(at('backups'), 0o770)],
    ['one that everybody may write', 'refused', /chmod go-w .*backups/, ({ path: at }) => make(at('backups'), 0o707)],
    [
      'one in a directory that everybody may write',
      'refused',
      /may be written by others/,
      ({ directory, path: at }) => {
        make(at('backups'), 0o700);
        fs.chmodSync(directory, 0o777);
      },
    ],
    [
      'a symbolic link to one that everybody may write',
      'refused',
      /chmod go-w .*real/,
      ({ path: at }) => {
        make(at('real'), 0o777);
        fs.symlinkSync(at('real'), at('backups'));
      },
    ],
    [
      'a symbolic link to one that lies where everybody may write',
      'refused',
      /chmod go-w .*open$/,
      ({ path: at }) => {
        make(at('open'), 0o777);
        make(at('open', 'real'), 0o700);
        fs.symlinkSync(at('open', 'real'), at('backups'));
      },
    ],
    ['one below a file', 'missing', /not a directory/, ({ path: at }) => fs.writeFileSync(at('backups'), '')],
  ])('%s', ([title, code, message, prepare]) => {
    const ws = workspace();
    prepare(ws);
    const at = title === 'one below a file' ? ws.path('backups', 'below') : ws.path('backups');
    expect(() => claimDirectory({ path: at, rememberedDevice: null })).toThrow(refusal(code, message));
  });

  test('one that belongs to another user', (context) => {
    if (process.getuid?.() !== 0) context.skip('giving files away needs root');
    const ws = workspace();
    make(ws.path('backups'), 0o700);
    fs.chmodSync(ws.directory, 0o755);
    const script = `
      const { claimDirectory } = await import(process.argv[1]);
      try { claimDirectory({ path: process.argv[2], rememberedDevice: null }); console.log('claimed'); }
      catch (error) { console.log(error.code, error.message); }
    `;
    const compiled = new URL('../../dist/files/directories.js', import.meta.url).href;
    const { stdout } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script, compiled, ws.path('backups')],
      {
        uid: 65_534,
        encoding: 'utf8',
      },
    );
    expect(stdout).toMatch(/^refused .*belongs to user 0, not to the user of this program \(65534\): chown it/);
  });
});

test('a sticky directory that everybody may write, such as /tmp, may hold ours', () => {
  const ws = workspace();
  fs.chmodSync(ws.directory, 0o1777);
  expect(() => claimDirectory({ path: ws.path('backups'), rememberedDevice: null })).not.toThrow();
});

test('a directory that cannot be created for want of space says so', async (context) => {
  await withSmallDisk(context, 1, async (disk) => {
    spawnSync('mount', ['-o', 'remount,size=1000000,nr_inodes=2', disk]);
    for (let made = 0, full = false; !full && made < 10; made += 1) {
      try {
        fs.writeFileSync(path.join(disk, `file-${made}`), '');
      } catch {
        full = true;
      }
    }
    expect(() => claimDirectory({ path: path.join(disk, 'backups'), rememberedDevice: null })).toThrow(
      refusal('full', /cannot create directory/),
    );
    await Promise.resolve();
  });
});

test('free space is that of the disk a path is on, or will be', async (context) => {
  await withSmallDisk(context, 4, async (disk) => {
    const empty = freeBytes({ path: disk });
    expect(empty).toBeGreaterThan(3_500_000);
    expect(empty).toBeLessThanOrEqual(4_100_000);
    fs.writeFileSync(path.join(disk, 'file'), Buffer.alloc(1_000_000));
    const left = freeBytes({ path: path.join(disk, 'not', 'yet', 'there') });
    expect(empty - left).toBeGreaterThanOrEqual(1_000_000);
    expect(empty - left).toBeLessThan(1_100_000);
    await Promise.resolve();
  });
});

function make(at: string, mode: number): void {
  fs.mkdirSync(at);
  fs.chmodSync(at, mode);
}
