import fs from 'node:fs';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { createDebuggleDatabase } from '../../scripts/debuggle-database.mjs';
import { workspace } from '../helpers/workspace.js';

function inspect<T>(file: string, look: (database: Database.Database) => T): T {
  const database = new Database(file, { readonly: true });
  try {
    return look(database);
  } finally {
    database.close();
  }
}

describe('a generated Debuggle database', () => {
  test('has the rows, mode and page size asked for, and is sound', () => {
    const file = workspace().path('logs.db');
    expect(createDebuggleDatabase(file, { rows: 120, journalMode: 'delete', pageSize: 1024 }).rows).toBe(120);
    inspect(file, (database) => {
      expect(database.prepare('SELECT count(*) FROM logs').pluck().get()).toBe(120);
      expect(database.pragma('journal_mode', { simple: true })).toBe('delete');
      expect(database.pragma('page_size', { simple: true })).toBe(1024);
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    });
  });

  test('is as large as asked, in WAL mode unless told otherwise', () => {
    const file = workspace().path('logs.db');
    const { sizeBytes } = createDebuggleDatabase(file, { sizeBytes: 2_000_000 });
    expect(fs.statSync(file).size).toBe(sizeBytes);
    expect(sizeBytes).toBeGreaterThanOrEqual(2_000_000);
    expect(sizeBytes).toBeLessThan(2_050_000);
    expect(inspect(file, (database) => database.pragma('journal_mode', { simple: true }))).toBe('wal');
  });

  test('has the same rows for the same seed, others for another', () => {
    const ws = workspace();
    const rows = (name: string, seed: number): unknown => {
      createDebuggleDatabase(ws.path(name), { rows: 30, seed });
      return inspect(ws.path(name), (database) => database.prepare('SELECT * FROM logs').all());
    };
    const first = rows('a.db', 1);
    expect(rows('b.db', 1)).toEqual(first);
    expect(rows('c.db', 2)).not.toEqual(first);
  });

  test('spreads its rows over the days before the given time', () => {
    const file = workspace().path('logs.db');
    createDebuggleDatabase(file, { rows: 300, until: new Date('2026-03-31T12:00:00Z'), days: 10 });
    const range = inspect(file, (database) =>
      database.prepare('SELECT min(timestamp) AS first, max(timestamp) AS last FROM logs').get(),
    );
    expect(range).toEqual({
      first: expect.stringMatching(/^2026-03-21 12:00:00/) as unknown,
      last: expect.stringMatching(/^2026-03-31 11:/) as unknown,
    });
  });

  test('packs about as well as real logs do', () => {
    const file = workspace().path('logs.db');
    const { sizeBytes } = createDebuggleDatabase(file, { sizeBytes: 3_000_000 });
    const ratio = sizeBytes / gzipSync(fs.readFileSync(file)).length;
    expect(ratio).toBeGreaterThan(3.5);
    expect(ratio).toBeLessThan(5.5);
  });
});
