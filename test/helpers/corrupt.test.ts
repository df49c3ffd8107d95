import fs from 'node:fs';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { flipBit, overwriteHeader, swapIndexEntries, truncate, writeEncryptedLookalike, zeroPages } from './corrupt.js';
import { workspace } from './workspace.js';

function sample(): string {
  const file = workspace().path('logs.db');
  createDebuggleDatabase(file, { rows: 300, journalMode: 'delete' });
  return file;
}

/** The first line a check answers, or the code of the error it ends with. */
function firstFinding(file: string, check: 'integrity_check' | 'quick_check' = 'integrity_check'): unknown {
  const database = new Database(file, { readonly: true });
  try {
    return database.pragma(check, { simple: true });
  } catch (error) {
    return error instanceof Database.SqliteError ? error.code : error;
  } finally {
    database.close();
  }
}

describe('damage', () => {
  test('a sound database has no finding', () => expect(firstFinding(sample())).toBe('ok'));

  test.for<[string, (file: string) => void, RegExp]>([
    ['zeroed pages', (file) => zeroPages(file, 20, 2), /btreeInitPage|SQLITE_CORRUPT/],
    ['a truncated file', (file) => truncate(file, 40_960), /SQLITE_CORRUPT|invalid page number/],
    ['another header', overwriteHeader, /^SQLITE_NOTADB$/],
    ['a flipped bit in a page header', (file) => flipBit(file, 4096 * 19), /btreeInitPage|SQLITE_CORRUPT/],
    ['swapped index entries', (file) => swapIndexEntries(file, 'idx_timestamp'), /idx_timestamp/],
  ])('%s are found', ([, damage, finding]) => {
    const file = sample();
    damage(file);
    expect(firstFinding(file)).toMatch(finding);
  });

  test('swapped index entries escape quick_check', () => {
    const file = sample();
    swapIndexEntries(file, 'idx_timestamp');
    expect(firstFinding(file, 'quick_check')).toBe('ok');
  });

  test('what looks encrypted is no database, and the same each time', () => {
    const ws = workspace();
    writeEncryptedLookalike(ws.path('one.db'));
    writeEncryptedLookalike(ws.path('two.db'));
    expect(firstFinding(ws.path('one.db'))).toBe('SQLITE_NOTADB');
    expect(fs.readFileSync(ws.path('one.db'))).toEqual(fs.readFileSync(ws.path('two.db')));
  });
});
