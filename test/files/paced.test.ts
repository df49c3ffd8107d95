import fs from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { newFile, PacedSync } from '../../src/files/paced.js';
import { workspace } from '../helpers/workspace.js';

const step = 8 * 1024 * 1024;

/** A file whose syncs end when the test says so. */
async function slowFile(): Promise<{ file: FileHandle; syncs: { done: () => void; fail: (error: Error) => void }[] }> {
  const file = await open(workspace().path('file'), 'wx');
  onTestFinished(() => file.close());
  const syncs: { done: () => void; fail: (error: Error) => void }[] = [];
  file.datasync = () =>
    new Promise((done, fail) => {
      syncs.push({ done, fail });
    });
  return { file, syncs };
}

/** Whether it has ended, once everything that can happen by itself has happened. */
async function hasEnded(work: Promise<unknown>): Promise<boolean> {
  let ended = false;
  const note = (): void => {
    ended = true;
  };
  work.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return ended;
}

test('each step is synced while the next is written, and no third is begun before', async () => {
  const { file, syncs } = await slowFile();
  const pace = new PacedSync(file, 'quick');
  await pace.wrote(step - 1);
  expect(syncs).toHaveLength(0);
  await pace.wrote(1);
  expect(syncs).toHaveLength(1);
  await pace.wrote(step - 1);
  const second = pace.wrote(1);
  expect(await hasEnded(second)).toBe(false);
  expect(syncs).toHaveLength(1);
  syncs[0]?.done();
  await second;
  expect(syncs).toHaveLength(2);
  const settled = pace.settled();
  expect(await hasEnded(settled)).toBe(false);
  syncs[1]?.done();
  await settled;
});

const gentleStep = 2 * 1024 * 1024;

test.each([
  ['100 MB a second', 'quick', { first: step, syncMs: 80, next: step }],
  ['1 GB a second', 'quick', { first: step, syncMs: 8, next: 2 * step }],
  ['as much as you like', 'quick', { first: step, syncMs: 0, next: 8 * step }],
  ['100 MB a second', 'gentle', { first: gentleStep, syncMs: 20, next: gentleStep }],
  ['1 GB a second', 'gentle', { first: gentleStep, syncMs: 2, next: 3 * gentleStep }],
] as const)(
  'on a disk that writes %s a step is as long as the pace allows, within bounds: %s',
  async (_speed, pace, { first, syncMs, next }) => {
    const { file, syncs } = await slowFile();
    let now = 0;
    const paced = new PacedSync(file, pace, () => now);
    await paced.wrote(first - 1);
    expect(syncs).toHaveLength(0);
    await paced.wrote(1);
    now += syncMs;
    syncs[0]?.done();
    await paced.settled();
    await paced.wrote(next - 1);
    expect(syncs).toHaveLength(1);
    await paced.wrote(1);
    expect(syncs).toHaveLength(2);
    syncs[1]?.done();
  },
);

test.each(['the next step', 'the end'])('a sync that fails is not forgotten: %s fails with it', async (where) => {
  const { file, syncs } = await slowFile();
  const pace = new PacedSync(file, 'quick');
  await pace.wrote(step);
  syncs[0]?.fail(new Error('EIO: i/o error, fdatasync'));
  await expect(where === 'the end' ? pace.settled() : pace.wrote(step)).rejects.toThrow('EIO');
});

test('a new file has what was written, for its owner alone, and never replaces another', async () => {
  const { path } = workspace();
  const pieces = [Buffer.alloc(step, 'a'), Buffer.alloc(100, 'b'), Buffer.alloc(step + 1, 'c')];
  const stream = await newFile(path('new'), 'quick');
  for (const piece of pieces) stream.write(piece);
  await new Promise<void>((resolve, reject) => void stream.on('close', resolve).on('error', reject).end());
  expect(fs.readFileSync(path('new')).equals(Buffer.concat(pieces))).toBe(true);
  expect(fs.statSync(path('new')).mode & 0o7777).toBe(0o600);
  await expect(newFile(path('new'), 'quick')).rejects.toMatchObject({ code: 'EEXIST' });
});
