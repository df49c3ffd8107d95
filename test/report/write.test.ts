import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { writeReport } from '../../src/report/write.js';
import { faultEnvironment } from '../helpers/fault.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { workspace } from '../helpers/workspace.js';
import { context, database, job, run } from './fixture.js';

const stem = '20261123T020000Z-daily';
const three = (name: string): string[] => [`${name}.html`, `${name}.json`, `${name}.md`];

function read(file: string): unknown {
  return JSON.parse(fs.readFileSync(file, 'utf8'));
}

test('three private files in a private directory, and latest.* that lead to them', async () => {
  const { path: at } = workspace();
  const files = await writeReport(at('deep', 'reports'), run(), context);
  expect(files).toEqual({
    json: at('deep', 'reports', `${stem}.json`),
    markdown: at('deep', 'reports', `${stem}.md`),
    html: at('deep', 'reports', `${stem}.html`),
  });
  expect(fs.readdirSync(at('deep', 'reports')).sort()).toEqual([...three(stem), ...three('latest')]);
  expect(fs.statSync(at('deep', 'reports')).mode & 0o777).toBe(0o700);
  for (const file of [files.json, files.markdown, files.html]) {
    expect(fs.statSync(file).nlink).toBe(1);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  }
  expect(fs.readlinkSync(at('deep', 'reports', 'latest.json'))).toBe(`${stem}.json`);
  expect(read(at('deep', 'reports', 'latest.json'))).toMatchObject({ run_id: 'r1' });
});

test('a taken second takes the next, and nothing is replaced but latest.*', async () => {
  const { directory } = workspace();
  await writeReport(directory, run(), context);
  fs.writeFileSync(path.join(directory, '20261123T020001Z-daily.html'), 'of somebody else');
  const second = await writeReport(directory, run({ run_id: 'r2' }), context);
  expect(path.basename(second.json)).toBe('20261123T020002Z-daily.json');
  expect(read(path.join(directory, `${stem}.json`))).toMatchObject({ run_id: 'r1' });
  expect(read(path.join(directory, 'latest.json'))).toMatchObject({ run_id: 'r2' });
  expect(fs.readdirSync(directory).filter((name) => name.startsWith('20261123T020001Z'))).toEqual([
    '20261123T020001Z-daily.html',
  ]);
});

test('reports written at the same moment all arrive', async () => {
  const { directory } = workspace();
  const ids = ['a', 'b', 'c', 'd'];
  const written = await Promise.all(ids.map((run_id) => writeReport(directory, run({ run_id }), context)));
  expect(new Set(written.map(({ json }) => json)).size).toBe(4);
  written.forEach(({ json, markdown }, index) => {
    expect(read(json)).toMatchObject({ run_id: ids[index] });
    expect(fs.readFileSync(markdown, 'utf8')).toContain(`run: ${ids[index] ?? ''} `);
  });
  expect(fs.readdirSync(directory)).toHaveLength(15);
});

test('a full disk leaves the reports before as they were, and no debris', async (context_) => {
  await withSmallDisk(context_, 1, async (disk) => {
    await writeReport(disk, run(), context);
    const before = fs.readdirSync(disk);
    const huge = run({ run_id: 'huge', databases: [database([job({ summary: 'x'.repeat(1_100_000) })])] });
    await expect(writeReport(disk, huge, context)).rejects.toMatchObject({
      name: 'JobError',
      code: 'full',
      message: expect.stringMatching(/^cannot write the report to .*: no space left on the device/) as unknown,
    });
    expect(fs.readdirSync(disk)).toEqual(before);
    expect(read(path.join(disk, 'latest.json'))).toMatchObject({ run_id: 'r1' });
  });
});

test('a directory that cannot be made is named', async () => {
  const { path: at } = workspace();
  fs.writeFileSync(at('file'), '');
  await expect(writeReport(at('file', 'reports'), run(), context)).rejects.toThrow(
    `cannot write the report to ${at('file', 'reports')}: `,
  );
});

test('a report stays when only latest.* cannot be turned to it, and the message says so', async () => {
  const { path: at } = workspace();
  fs.mkdirSync(at('latest.html'));
  await expect(writeReport(at(), run(), context)).rejects.toThrow(/is written, but latest/);
  expect(read(at(`${stem}.json`))).toMatchObject({ run_id: 'r1' });
  expect(fs.readdirSync(at()).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('what a crash left long ago is removed; what is young, or not ours, stays', async () => {
  const { path: at } = workspace();
  const longAgo = new Date(Date.now() - 7_200_000);
  for (const name of ['.report-1-1.json.tmp', '.report-1-2.link.tmp', '.notes.tmp']) {
    fs.writeFileSync(at(name), '');
    fs.utimesSync(at(name), longAgo, longAgo);
  }
  fs.writeFileSync(at('.report-2-1.md.tmp'), '');
  await writeReport(at(), run(), context);
  expect(fs.readdirSync(at()).filter((name) => name.startsWith('.'))).toEqual(['.notes.tmp', '.report-2-1.md.tmp']);
});

const child = path.join(import.meta.dirname, 'writing-child.mjs');

test('killed before any step, a report that shows its .json is whole, and latest.json leads to a whole one', (context_) => {
  const { path: at } = workspace();
  const operations = ['write', 'link', 'rename', 'unlink'] as const;
  const survived = [];
  for (let step = 1; step <= 40; step += 1) {
    const directory = at(`at-${step}`);
    const env = {
      ...process.env,
      ...faultEnvironment(context_, { match: directory, operations, action: 'KILL', at: step }),
    };
    const { signal } = spawnSync(process.execPath, [child, directory], { env });
    const names = fs.existsSync(directory) ? fs.readdirSync(directory) : [];
    if (names.includes(`${stem}.json`)) expect(names).toEqual(expect.arrayContaining(three(stem)));
    for (const name of names.filter((one) => one.endsWith('.json') && !one.startsWith('.'))) {
      expect(read(path.join(directory, name))).toMatchObject({ schedule: 'daily' });
    }
    if (signal === null) survived.push(step);
    if (survived.length > 0) break;
  }
  expect(survived[0]).toBeGreaterThan(9);
});
