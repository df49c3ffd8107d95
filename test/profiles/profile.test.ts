import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { profileNames, profiles } from '../../src/profiles/profile.js';

test('the queries of the Debuggle profile answer on its table', () => {
  const database = new Database(':memory:');
  database.exec(`
    CREATE TABLE logs (log_id TEXT PRIMARY KEY, timestamp DATETIME NOT NULL, severity TEXT NOT NULL, summary TEXT);
    INSERT INTO logs VALUES
      ('new', datetime('now', '-1 hour'), 'error', 'one'),
      ('old', datetime('now', '-2 days'), 'error', 'two'),
      ('fine', datetime('now', '-1 hour'), 'info', 'three');
  `);
  const { probe, totalRows, recentActivity, requiredTables } = profiles.debuggle;
  expect(requiredTables).toEqual(['logs']);
  expect(database.prepare(probe).pluck().all()).toEqual(['new', 'old']);
  expect(database.prepare(totalRows).pluck().get()).toBe(3);
  expect(database.prepare(recentActivity).pluck().get()).toBe(2);
  database.close();
});

test('every profile only reads', () => {
  const database = new Database(':memory:');
  database.exec('CREATE TABLE logs (log_id, timestamp, severity, summary)');
  for (const name of profileNames) {
    const { probe, totalRows, recentActivity } = profiles[name];
    for (const query of [probe, totalRows, recentActivity]) expect(database.prepare(query).readonly).toBe(true);
  }
  database.close();
});
