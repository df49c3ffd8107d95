/** A file that was cut short gets its length back, and loses it again when nothing can be restored into it. */
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { beforeEach, expect, test } from 'vitest';
import { lengthen } from '../../src/files/lengthen.js';
import { workspace } from '../helpers/workspace.js';

let path: string;

beforeEach(() => {
  path = workspace().path('logs.db');
  const database = new Database(path);
  database.exec('CREATE TABLE logs (message TEXT)');
  database.prepare('INSERT INTO logs VALUES (?)').run('x'.repeat(20_000));
  database.close();
  fs.truncateSync(path, 10_000);
});

const identity = () => {
  const { dev, ino } = fs.statSync(path);
  return { device: dev, inode: ino };
};

test('SQLite opens it again; put back, it is as it was', () => {
  const was = fs.readFileSync(path);
  const request = { path, identity: identity(), fromBytes: 10_000, toBytes: 28_672, header: null };
  const header = lengthen(request);
  expect(fs.readFileSync(path).subarray(0, 10_000).equals(was)).toBe(true);
  const database = new Database(path);
  expect(database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()).toBe(1);
  database.close();
  lengthen({ ...request, fromBytes: 28_672, toBytes: 10_000, header });
  expect(fs.readFileSync(path).equals(was)).toBe(true);
});

test('another length, another file, or a commit of others meanwhile: left as it is, and said', () => {
  const request = { path, identity: identity(), fromBytes: 10_000, toBytes: 28_672, header: null };
  const refused = 'was changed by another process';
  expect(() => lengthen({ ...request, fromBytes: 9_999 })).toThrow(refused);
  expect(() => lengthen({ ...request, identity: { ...request.identity, inode: 1 } })).toThrow(refused);
  expect(fs.statSync(path).size).toBe(10_000);
  const header = lengthen(request);
  const database = new Database(path);
  database.exec('CREATE TABLE later (x)');
  database.close();
  const { size } = fs.statSync(path);
  expect(() => lengthen({ ...request, fromBytes: size, toBytes: 10_000, header })).toThrow(refused);
  expect(fs.statSync(path).size).toBe(size);
});
