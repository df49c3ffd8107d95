import { once } from 'node:events';
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { checkpoint } from '../../src/sqlite/checkpoint.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase, rows } from './database.js';

/** An application that commits a row every 25 ms and never checkpoints, until the test ends. */
async function writing(file: string): Promise<void> {
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    const database = new (require(${JSON.stringify(import.meta.resolve('better-sqlite3').replace('file://', ''))}))(workerData);
    database.pragma('wal_autocheckpoint = 0');
    const insert = database.prepare("INSERT INTO t (text) VALUES ('written')");
    setInterval(() => { insert.run(); parentPort.postMessage(0); }, 25);
  `;
  const worker = new Worker(script, { eval: true, workerData: file });
  onTestFinished(async () => {
    await worker.terminate();
  });
  await once(worker, 'message');
}

test('a passive checkpoint beside an application that commits ends at the end of the log: the file is shortened and synced by us, not by the application', async () => {
  const file = workspace().path('logs.db');
  createDatabase(file, `CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT); ${rows('t', 20_000, 1000)}`);
  const connection = new Database(file, { timeout: 30_000 });
  onTestFinished(() => void connection.close());
  connection.pragma('wal_autocheckpoint = 0');
  connection.exec('DELETE FROM t WHERE i % 2 = 0');
  await writing(file);
  const before = fs.statSync(file).size;
  connection.exec('VACUUM');
  expect(fs.statSync(file).size).toBe(before);
  expect(checkpoint(connection, 'passive')).toEqual({ mode: 'passive', complete: true });
  expect(fs.statSync(file).size).toBeLessThan(before * 0.6);
});

test('beside a reader that holds an old state it ends where it may, and says so', () => {
  const file = workspace().path('logs.db');
  createDatabase(file, 'CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT)');
  const [connection, reader] = [new Database(file), new Database(file)];
  onTestFinished(() => {
    reader.close();
    connection.close();
  });
  connection.exec("INSERT INTO t (text) VALUES ('first')");
  reader.exec('BEGIN; SELECT * FROM t');
  connection.exec("INSERT INTO t (text) VALUES ('second')");
  expect(checkpoint(connection, 'passive')).toEqual({ mode: 'passive', complete: false });
  reader.exec('COMMIT');
  expect(checkpoint(connection, 'passive')).toEqual({ mode: 'passive', complete: true });
});
