import fs from 'node:fs';
import { expect, test } from 'vitest';
import { findQuarantine } from '../../src/files/restore-marks.js';
import { workspace } from '../helpers/workspace.js';

const runId = 'restore-1';

function scene() {
  const { path } = workspace();
  fs.mkdirSync(path('quarantine', 'logs-1'), { recursive: true });
  const find = () => findQuarantine({ directory: path('quarantine'), database: 'logs', runId, backup: 'logs-9' });
  const put = (name: string, content: object | string): void =>
    fs.writeFileSync(
      path('quarantine', 'logs-1', name),
      typeof content === 'string' ? content : JSON.stringify(content),
    );
  return { path, find, put };
}

test('what is half written is none: nothing was changed before both files stood there', () => {
  const { find, put } = scene();
  expect(find()).toBeNull();
  put('quarantine.json', '{"database": "lo');
  expect(find()).toBeNull();
  put('quarantine.json', { database: 'logs', runId, backup: 'logs-9', files: [] });
  expect(find()).toBeNull();
  put('check.json', { schemaVersion: 7 });
  expect(find()).toMatchObject({ schemaVersion: 7 });
});

test.each([undefined, null, 'logs-8'])(
  'what the same run put aside for something else (backup: %s) is none',
  (backup) => {
    const { find, put } = scene();
    put('quarantine.json', { database: 'logs', runId, backup, files: [] });
    put('check.json', { schemaVersion: 7 });
    expect(find()).toBeNull();
  },
);

test.each(['quarantine.json', 'check.json'])('a %s that cannot be read says nothing, and is an error', (name) => {
  const { path, find, put } = scene();
  put('quarantine.json', { database: 'logs', runId, backup: 'logs-9', files: [] });
  put('check.json', { schemaVersion: 7 });
  fs.rmSync(path('quarantine', 'logs-1', name));
  fs.mkdirSync(path('quarantine', 'logs-1', name));
  expect(find).toThrow(/cannot read/);
});
