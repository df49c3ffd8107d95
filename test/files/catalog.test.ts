import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { leftBehind } from '../../src/files/catalog.js';
import { parseManifest } from '../../src/files/manifest.js';
import { formatManifest } from '../../src/files/manifest-file.js';
import { workspace } from '../helpers/workspace.js';
import { listBackups, manifest, stemAt, storeBackup } from './backups.js';

const stem = stemAt('20261123T020000Z');

function stems(directory: string, database = 'logs'): string[] {
  return listBackups({ directory, database }).map((backup) => backup.stem);
}

test('backups are listed oldest first, by the moment they hold, whatever their names and file times say', () => {
  const { directory } = workspace();
  storeBackup(directory, stemAt('20261123T020000Z'), { created_at: '2026-11-23T02:00:00.000Z' });
  storeBackup(directory, stemAt('20261121T020000Z'), { created_at: '2026-11-24T02:00:00.000Z' });
  storeBackup(directory, stemAt('20261122T020000Z'), { created_at: '2026-11-22T02:00:00.000Z', compression: 'gzip' });
  expect(stems(directory)).toEqual([
    stemAt('20261122T020000Z'),
    stemAt('20261123T020000Z'),
    stemAt('20261121T020000Z'),
  ]);
});

test('a directory that is not there holds none', () => {
  const { path } = workspace();
  expect(stems(path('nowhere'))).toEqual([]);
  expect(leftBehind({ directory: path('nowhere'), database: 'logs' }).orphans).toEqual([]);
});

test('a pin is seen, and a stored file of another size is not intact', () => {
  const { directory, path } = workspace();
  storeBackup(directory, stem);
  expect(listBackups({ directory, database: 'logs' })).toMatchObject([{ pinned: false, intact: true }]);
  fs.writeFileSync(path(`${stem}.keep`), '');
  fs.appendFileSync(path(`${stem}.db`), 'more');
  expect(listBackups({ directory, database: 'logs' })).toMatchObject([{ pinned: true, intact: false }]);
});

describe('what only looks like a backup is not listed', () => {
  test.for<[string, (path: (name: string) => string) => void]>([
    ['a file without manifest', (path) => fs.rmSync(path(`${stem}.json`))],
    ['a manifest without file', (path) => fs.rmSync(path(`${stem}.db`))],
    ["somebody else's JSON", (path) => fs.writeFileSync(path(`${stem}.json`), '{"database":"logs"}')],
    ['a torn manifest', (path) => fs.truncateSync(path(`${stem}.json`), 100)],
    ['an empty manifest', (path) => fs.truncateSync(path(`${stem}.json`), 0)],
    ['a manifest of another database', (path) => rewrite(path(`${stem}.json`), { database: 'other' })],
    ['a manifest of a later format', (path) => rewrite(path(`${stem}.json`), { format: 2 })],
    ['a manifest with a negative size', (path) => rewrite(path(`${stem}.json`), { stored_bytes: -5 })],
    ['a manifest with a time that is none', (path) => rewrite(path(`${stem}.json`), { created_at: 'yesterday' })],
    ['a manifest that names another file', (path) => rewrite(path(`${stem}.json`), { file: `${stem}.db.gz` })],
    [
      'a manifest whose file leads out of the directory',
      (path) => {
        fs.writeFileSync(path('victim'), 'bytes');
        rewrite(path(`${stem}.json`), { file: `${stem}.db/../victim` });
      },
    ],
    [
      'a directory under the name of a backup',
      (path) => {
        fs.rmSync(path(`${stem}.db`));
        fs.mkdirSync(path(`${stem}.db`));
      },
    ],
    [
      'a symbolic link under the name of a backup',
      (path) => {
        fs.renameSync(path(`${stem}.db`), path('elsewhere'));
        fs.symlinkSync(path('elsewhere'), path(`${stem}.db`));
      },
    ],
    ['a pair that was renamed by hand', (path) => rename(path, `${stem}-2`)],
    ['a pair in capitals', (path) => rename(path, stem.toUpperCase())],
  ])('%s', ([, spoil]) => {
    const { directory, path } = workspace();
    storeBackup(directory, stem);
    expect(stems(directory)).toEqual([stem]);
    spoil(path);
    expect(stems(directory)).toEqual([]);
  });
});

test('logs does not claim what belongs to logs-archive', () => {
  const { directory } = workspace();
  storeBackup(directory, stemAt('20261123T020000Z', { database: 'logs-archive' }), { database: 'logs-archive' });
  storeBackup(directory, stem);
  expect(stems(directory)).toEqual([stem]);
  expect(stems(directory, 'logs-archive')).toHaveLength(1);
});

describe('an orphan manifest is', () => {
  test('one whose own file is missing', () => {
    const { directory, path } = workspace();
    storeBackup(directory, stem);
    expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([]);
    fs.rmSync(path(`${stem}.db`));
    expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([path(`${stem}.json`)]);
  });

  test('also when the rest of it is damaged', () => {
    const { directory, path } = workspace();
    storeBackup(directory, stem);
    rewrite(path(`${stem}.json`), { page_count: -1 });
    expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([]);
    fs.rmSync(path(`${stem}.db`));
    expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([path(`${stem}.json`)]);
  });

  test('not one beside a stored file under another of its names: that is damaged, and retention waits', () => {
    const { directory, path } = workspace();
    storeBackup(directory, stem);
    fs.renameSync(path(`${stem}.db`), path(`${stem}.db.gz`));
    expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([]);
  });

  test('not that of a pair renamed by hand, which stays somebody else’s', () => {
    const { directory, path } = workspace();
    storeBackup(directory, stem);
    rename(path, `${stem}-golden`);
    expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([]);
  });

  test('not a foreign JSON file', () => {
    const { directory, path } = workspace();
    fs.writeFileSync(path(`${stem}.json`), '{}');
    expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([]);
  });
});

test('a manifest that nests deeper than anybody can follow hides no other', () => {
  const { directory, path } = workspace();
  storeBackup(directory, stem);
  const nested = (open: string, inside: string, close: string): string =>
    open.repeat(20_000) + inside + close.repeat(20_000);
  fs.writeFileSync(path(`${stemAt('20261124T020000Z')}.json`), nested('[', '', ']'));
  const tables = nested('{"a":', '1', '}');
  fs.writeFileSync(path(`${stemAt('20261125T020000Z')}.json`), `{"format":1,"database":"logs","tables":${tables}}`);
  expect(stems(directory)).toEqual([stem]);
  expect(leftBehind({ directory, database: 'logs' }).orphans).toEqual([]);
});

test('what is written into a manifest is read back the same', () => {
  const { directory } = workspace();
  const tables = { 'with "quotes"\nand newline': 1, __proto__x: 2, '\u202Ertl': 3 };
  storeBackup(directory, stem, { tables, anomaly: 'half' });
  const [backup] = listBackups({ directory, database: 'logs' });
  expect(backup?.manifest).toEqual({ ...manifest({ tables, anomaly: 'half' }), file: `${stem}.db` });
  expect(formatManifest({ ...manifest(), file: 'x' })).toMatch(/^\{\n {2}"format": 1,[^]*\}\n$/);
});

function rewrite(file: string, over: object): void {
  const read: unknown = JSON.parse(fs.readFileSync(file, 'utf8'));
  fs.writeFileSync(file, JSON.stringify(Object.assign({}, read, over)));
}

function rename(path: (name: string) => string, to: string): void {
  fs.renameSync(path(`${stem}.db`), path(`${to}.db`));
  fs.renameSync(path(`${stem}.json`), path(`${to}.json`));
}

test("a manifest in which any single bit has flipped says what it said, or is damaged; never anything else, and never nobody's", () => {
  const written = { ...manifest(), file: `${stemAt('20261123T020000Z')}.db` };
  const bytes = Buffer.from(formatManifest(written));
  let found = 0;
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const parsed = parseManifest(flipped.toString('utf8'));
    if (parsed === 'illegible') found += 1;
    else expect(parsed, `bit ${bit & 7} of byte ${bit >> 3}`).toEqual(written);
  }
  expect(found).toBeGreaterThan(bytes.length * 6);
});
