/** A destroyed header is mended with the backup's, and can be put back as it was. */
import fs from 'node:fs';
import Database from 'better-sqlite3';
import { beforeEach, describe, expect, test } from 'vitest';
import { healHeader } from '../../src/files/heal-header.js';
import { workspace } from '../helpers/workspace.js';

let path: string;
let backup: string;

beforeEach(() => {
  const here = workspace();
  [path, backup] = [here.path('logs.db'), here.path('backup.db')];
  const database = new Database(backup);
  database.exec('CREATE TABLE logs (message TEXT)');
  database.prepare('INSERT INTO logs VALUES (?)').run('x'.repeat(20_000));
  database.close();
  fs.copyFileSync(backup, path);
  const fd = fs.openSync(path, 'r+');
  fs.writeSync(fd, Buffer.alloc(4096), 0, 4096, 0);
  fs.closeSync(fd);
});

function heal() {
  const { dev, ino } = fs.statSync(path);
  const identity = { device: dev, inode: ino };
  return { identity, before: healHeader({ path, identity, backup, journal: 'rollback' }) };
}

describe('put back', () => {
  test.for([24_576, 20_001, 60])('a file of %i bytes is as it was', (size) => {
    fs.truncateSync(path, size);
    const was = fs.readFileSync(path);
    const { identity, before } = heal();
    expect(fs.readFileSync(path).equals(was)).toBe(false);
    expect(fs.statSync(path).size % 4096).toBe(0);
    healHeader({ path, identity, putBack: before });
    expect(fs.readFileSync(path).equals(was)).toBe(true);
  });

  test('what another process has written over it stays, and that is said', () => {
    const { identity, before } = heal();
    fs.copyFileSync(backup, path);
    const written = fs.readFileSync(path);
    expect(() => healHeader({ path, identity, putBack: before })).toThrow('written over by another process');
    expect(fs.readFileSync(path).equals(written)).toBe(true);
  });

  test('another file at the path is left alone', () => {
    const { identity, before } = heal();
    fs.copyFileSync(backup, `${path}.other`);
    fs.renameSync(`${path}.other`, path);
    expect(() => healHeader({ path, identity, putBack: before })).toThrow('was replaced by another file');
    expect(fs.readFileSync(path).equals(fs.readFileSync(backup))).toBe(true);
  });
});
