import fs from 'node:fs';
import { expect, test } from 'vitest';
import { lookAtDestination } from '../../src/files/destination.js';
import { replaceSet, swap } from '../../src/files/replace-set.js';
import { entriesOf } from '../helpers/installation.js';
import { holdLock } from '../helpers/lock.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase, errorOf, rows } from '../sqlite/database.js';

const schema = `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT); ${rows('t', 50)}`;

function scene() {
  const ws = workspace();
  createDatabase(ws.path('live.db'), schema);
  fs.chmodSync(ws.path('live.db'), 0o640);
  createDatabase(ws.path('.new'), schema, { journalMode: 'delete' });
  const request = {
    temporary: ws.path('.new'),
    path: ws.path('live.db'),
    journal: 'wal',
    setAside: ws.path('old'),
  } as const;
  return { ws, request };
}

test('the new file takes the path with the mode of the old one, which keeps its content under another name with all its companions', () => {
  const { ws, request } = scene();
  fs.writeFileSync(ws.path('live.db'), 'no database any more');
  fs.writeFileSync(ws.path('live.db-wal'), 'its log');
  swap(request, lookAtDestination({ path: request.path }).file);
  expect(entriesOf(ws.directory)).toEqual(['live.db', 'old', 'old-wal']);
  expect(fs.statSync(request.path).mode & 0o777).toBe(0o640);
  // Bytes 18 and 19: it uses a write-ahead log, as the source did.
  expect([...fs.readFileSync(request.path).subarray(18, 20)]).toEqual([2, 2]);
  expect(fs.readFileSync(ws.path('old'), 'utf8')).toBe('no database any more');
  expect(fs.readFileSync(ws.path('old-wal'), 'utf8')).toBe('its log');
});

test('a file that somebody has open is not replaced', async () => {
  const { ws, request } = scene();
  await holdLock({ path: request.path, mode: 'read' });
  expect(await errorOf(() => replaceSet(request))).toMatchObject({ code: 'refused' });
  expect(entriesOf(ws.directory)).toContain('.new');
  expect(fs.existsSync(ws.path('old'))).toBe(false);
});

test('nor is one that somebody has locked by another name, as from within a container', async () => {
  const { ws, request } = scene();
  fs.mkdirSync(ws.path('elsewhere'));
  fs.linkSync(request.path, ws.path('elsewhere', 'same.db'));
  await holdLock({ path: ws.path('elsewhere', 'same.db'), mode: 'read' });
  fs.rmSync(ws.path('elsewhere', 'same.db'));
  expect(await errorOf(() => replaceSet(request))).toMatchObject({ code: 'refused' });
  expect(fs.existsSync(ws.path('old'))).toBe(false);
});
