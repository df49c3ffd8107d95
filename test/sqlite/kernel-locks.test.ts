import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { holdsShared, kernelLocks, parseKernelLocks, readSlotOf } from '../../src/sqlite/kernel-locks.js';
import { holdLock } from '../helpers/lock.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase } from './database.js';

const text = `1: POSIX  ADVISORY  READ  4711 fd:00:77 128 128
1: -> POSIX  ADVISORY  WRITE 4712 fd:00:77 120 120
2: POSIX  ADVISORY  READ  4711 fd:00:77 124 124
3: POSIX  ADVISORY  READ  4711 08:01:42 1073741826 1073742335
4: FLOCK  ADVISORY  WRITE 4713 08:01:42 0 EOF
5: POSIX  ADVISORY  WRITE 0 08:01:43 0 EOF
6: POSIX  ADVISORY  READ  5000 fd:00:78 127 128
7: POSIX  ADVISORY  READ  5000 fd:00:79 123 124
`;

describe('/proc/locks is read:', () => {
  const locks = parseKernelLocks(text);

  test('POSIX locks that are held; those that are waited for, and other kinds, are not', () => {
    expect(locks.map(({ pid, inode, start }) => [pid, inode, start])).toEqual([
      [4711, 77, 128],
      [4711, 77, 124],
      [4711, 42, 1_073_741_826],
      [0, 43, 0],
      [5000, 78, 127],
      [5000, 79, 123],
    ]);
    expect(locks[3]?.end).toBe(Number.POSITIVE_INFINITY);
  });

  test.for([
    ['the byte of its slot', 4711, 77, 1],
    ['a lock that the kernel has joined with its neighbour', 5000, 78, 4],
    ['two slots at once: another connection of the process has one', 5000, 79, undefined],
    ['another process', 4712, 77, undefined],
    ['another file', 4711, 42, undefined],
  ] as const)('a reader’s slot: %s', ([, pid, inode, slot]) => {
    expect(readSlotOf(locks, pid, inode)).toBe(slot);
  });

  test('a reader of the database file itself', () => {
    expect([holdsShared(locks, 4711, 42), holdsShared(locks, 4711, 77), holdsShared(locks, 4713, 42)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

test.each(['wal', 'delete'])('a real reader of a database in %s mode is seen', async (journalMode) => {
  const path = workspace().path('live.db');
  createDatabase(path, 'CREATE TABLE t (x)', { journalMode });
  const { pid } = await holdLock({ path, mode: 'read' });
  const locks = kernelLocks() ?? [];
  if (journalMode === 'wal') expect(readSlotOf(locks, pid, fs.statSync(`${path}-shm`).ino)).toBe(0);
  expect(holdsShared(locks, pid, fs.statSync(path).ino)).toBe(true);
});
