import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isPartialOf, isStemOf, partialPath } from '../../src/files/names.js';

describe('whose backup a name is', () => {
  test.each([
    ['logs-20261123T020000Z-daily', 'logs', true],
    ['logs-20261123T020000Z-verify-backup', 'logs', true],
    ['tenants--a%20b.c-20261123T020000Z-daily', 'tenants--a%20b.c', true],
    ['logs-archive-20261123T020000Z-daily', 'logs', false],
    ['logs-archive-20261123T020000Z-daily', 'logs-archive', true],
    ['logs-20261123T020000Z-20261124T020000Z-daily', 'logs', false],
    ['logs-20261123T020000Z-20261124T020000Z-daily', 'logs-20261123T020000Z', true],
    ['LOGS-20261123T020000Z-daily', 'logs', false],
    ['logs-20261123-daily', 'logs', false],
    ['logs-20261123T020000-daily', 'logs', false],
    ['logs-20261123T020000Z', 'logs', false],
    ['logs-20261123T020000Z-', 'logs', false],
    ['logs-20261123T020000Z-da ily', 'logs', false],
    ['logs-20261123T020000Z-daily\n', 'logs', false],
    ['.logs-20261123T020000Z-daily', 'logs', false],
    ['logs', 'logs', false],
  ])('%j of %s: %s', (stem, database, its) => {
    expect(isStemOf(stem, database)).toBe(its);
  });
});

describe('unfinished files', () => {
  test('have names nobody can guess, never the same one, and are recognised with what SQLite puts beside them', () => {
    const names = Array.from({ length: 100 }, () => path.basename(partialPath('/backups', 'logs')));
    expect(new Set(names).size).toBe(100);
    for (const name of names) {
      expect(name).toMatch(/^\.logs-[0-9a-f]{16}\.partial$/);
      for (const companion of ['', '-journal', '-wal', '-shm'])
        expect(isPartialOf(`${name}${companion}`, 'logs')).toBe(true);
    }
  });

  test.each([
    ['.logs-archive-0123456789abcdef.partial', 'of another database'],
    ['.logs-0123456789abcde.partial', 'too short'],
    ['.logs-0123456789abcdef0.partial', 'too long'],
    ['.logs-0123456789ABCDEF.partial', 'in capitals'],
    ['.logs-0123456789abcdef.partial.bak', 'with more behind'],
    ['.logs-0123456789abcdef.partial-wal2', 'with another companion'],
    ['logs-0123456789abcdef.partial', 'without the dot'],
    ['.logs.lock', 'the lock'],
  ])('%s is not ours: %s', (name) => {
    expect(isPartialOf(name, 'logs')).toBe(false);
  });

  test('of logs-archive are its own, though its name begins as that of logs', () => {
    expect(isPartialOf(path.basename(partialPath('/', 'logs-archive')), 'logs-archive')).toBe(true);
    expect(isPartialOf(path.basename(partialPath('/', 'logs-archive')), 'logs')).toBe(false);
  });
});
