import fs from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { networkTypeOf, surroundings } from '../../src/files/surroundings.js';
import { workspace } from '../helpers/workspace.js';

test.each([['.logs.db-litestream'], ['logs.db-litestream']])('the directory of Litestream is seen: %s', (name) => {
  const { path: at } = workspace();
  fs.writeFileSync(at('logs.db'), '');
  expect(surroundings({ path: at('logs.db') }).litestream).toBeNull();
  fs.mkdirSync(at(name));
  expect(surroundings({ path: at('logs.db') }).litestream).toBe(at(name));
});

test('the temporary directory is the one that SQLite takes: the first that is told and can be written', () => {
  const { path: at } = workspace();
  fs.writeFileSync(at('logs.db'), '');
  fs.mkdirSync(at('temp'));
  const before = process.env['SQLITE_TMPDIR'];
  onTestFinished(() => {
    if (before === undefined) delete process.env['SQLITE_TMPDIR'];
    else process.env['SQLITE_TMPDIR'] = before;
  });
  process.env['SQLITE_TMPDIR'] = at('temp');
  const found = surroundings({ path: at('logs.db') });
  expect(found).toMatchObject({ directory: path.dirname(at('logs.db')), tempDirectory: at('temp'), sameDisk: true });
  expect(found.freeTempBytes).toBeGreaterThan(0);
  process.env['SQLITE_TMPDIR'] = at('logs.db');
  expect(surroundings({ path: at('logs.db') }).tempDirectory).not.toBe(at('logs.db'));
  // Before the first run; made by us, and by nobody where it is another's.
  process.env['SQLITE_TMPDIR'] = at('to-come', 'scratch');
  const toCome = surroundings({ path: at('logs.db'), scratchDirectory: at('to-come', 'scratch') });
  expect(toCome).toMatchObject({ tempDirectory: at('to-come', 'scratch'), sameDisk: true });
  expect(toCome.freeTempBytes).toBeGreaterThan(0);
  expect(surroundings({ path: at('logs.db') }).tempDirectory).not.toBe(at('to-come', 'scratch'));
});

test('a file system of a network is known by its mount, whatever stands in its options', () => {
  const mounts = [
    '27 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
    '40 27 0:41 / /mnt/a rw,relatime shared:1 master:2 - nfs4 server:/nfs rw',
    '41 27 0:42 / /mnt/b rw - fuse.sshfs user@host: rw',
    '42 27 0:300 / /mnt/nfs rw - tmpfs nfs rw',
    '43 27 0:44 / /mnt/d rw - fuse.encfs x rw',
  ].join('\n');
  const device = (major: number, minor: number): number =>
    ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
  expect(networkTypeOf(device(254, 0), mounts)).toBeNull();
  expect(networkTypeOf(device(0, 41), mounts)).toBe('nfs4');
  expect(networkTypeOf(device(0, 42), mounts)).toBe('fuse.sshfs');
  expect(networkTypeOf(device(0, 300), mounts)).toBeNull();
  expect(networkTypeOf(device(0, 44), mounts)).toBeNull();
  expect(networkTypeOf(device(9, 9), mounts)).toBeNull();
});
