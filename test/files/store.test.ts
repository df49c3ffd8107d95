import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import zlib from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compress, digest, hasZstd, unpack } from '../../src/files/store.js';
import { flipBit } from '../helpers/corrupt.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { type Workspace, workspace } from '../helpers/workspace.js';

// More than one piece of a mebibyte; half of it does not compress.
const content = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(1_500_000, 'log line ')]);
const digestOf = (bytes: Buffer) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  sizeBytes: bytes.length,
});

function source(ws: Workspace, bytes = content): string {
  fs.writeFileSync(ws.path('source'), bytes);
  return ws.path('source');
}

test.each([0, 1, 1024 * 1024, 3_000_001])('the digest of %i bytes is their sha256 and their number', async (length) => {
  const bytes = Buffer.alloc(length, 'x');
  const path = source(workspace(), bytes);
  expect(await digest({ path })).toEqual({ ...digestOf(bytes), syncMs: null });
  expect(await digest({ path, sync: true })).toEqual({ ...digestOf(bytes), syncMs: expect.any(Number) as unknown });
});

test('the digest of what is not there says what is missing', async () => {
  const { path } = workspace();
  await expect(digest({ path: path('gone') })).rejects.toMatchObject({
    code: 'missing',
    message: expect.stringContaining(path('gone')) as unknown,
  });
});

const compressions = hasZstd() ? (['gzip', 'zstd'] as const) : (['gzip'] as const);

describe.each(compressions)('%s', (compression) => {
  async function packed(ws: Workspace): Promise<string> {
    await compress({ from: source(ws), to: ws.path('stored'), compression });
    return ws.path('stored');
  }

  test('what is unpacked is what was compressed, both hashed on the way, in a private file', async () => {
    const ws = workspace();
    const stored = await compress({ from: source(ws), to: ws.path('stored'), compression });
    expect(stored).toEqual({ plain: digestOf(content), stored: digestOf(fs.readFileSync(ws.path('stored'))) });
    expect(stored.stored.sizeBytes).toBeLessThan(content.length * 0.6);
    const request = { from: ws.path('stored'), compression };
    expect(await unpack({ ...request, to: null })).toEqual(stored);
    expect(await unpack({ ...request, to: ws.path('unpacked') })).toEqual(stored);
    expect(fs.readFileSync(ws.path('unpacked')).equals(content)).toBe(true);
    for (const name of ['stored', 'unpacked']) expect(fs.statSync(ws.path(name)).mode & 0o7777).toBe(0o600);
  });

  test.each([
    ['cut in the middle', (file: string) => fs.truncateSync(file, 700_000)],
    ['cut before its last byte', (file: string) => fs.truncateSync(file, fs.statSync(file).size - 1)],
    ['cut to nothing', (file: string) => fs.truncateSync(file, 0)],
    ['with another beginning', (file: string) => flipBit(file, 0)],
    ['with zeros in the middle', (file: string) => overwrite(file, 1_400_000)],
    ['replaced by text', (file: string) => fs.writeFileSync(file, 'hello '.repeat(100))],
  ])('a stored file %s is found damaged, and nothing half unpacked stays', async (_, damage) => {
    const ws = workspace();
    const from = await packed(ws);
    damage(from);
    const before = fs.readdirSync(ws.directory);
    for (const to of [null, ws.path('unpacked')]) {
      await expect(unpack({ from, to, compression })).rejects.toMatchObject({
        code: 'backup-damaged',
        message: expect.stringContaining(from) as unknown,
      });
    }
    expect(fs.readdirSync(ws.directory)).toEqual(before);
  });

  test('a flipped bit anywhere is either found or changes the hash', async () => {
    const ws = workspace();
    const from = await packed(ws);
    const whole = fs.readFileSync(from);
    const sound = digestOf(whole).sha256;
    for (const offset of [9, 1000, 750_000, whole.length - 6, whole.length - 1]) {
      fs.writeFileSync(from, whole);
      flipBit(from, offset, 3);
      const answer = await unpack({ from, to: null, compression }).catch((error: unknown) => error);
      if (answer instanceof Error) expect(answer).toMatchObject({ code: 'backup-damaged' });
      else expect(answer).not.toMatchObject({ stored: { sha256: sound } });
    }
  });

  test('a file that stands where it would be written stays as it is', async () => {
    const ws = workspace();
    fs.writeFileSync(ws.path('taken'), 'of somebody else');
    const from = await packed(ws);
    await expect(compress({ from: ws.path('source'), to: ws.path('taken'), compression })).rejects.toThrow(/EEXIST/);
    await expect(unpack({ from, to: ws.path('taken'), compression })).rejects.toThrow(/EEXIST/);
    expect(fs.readFileSync(ws.path('taken'), 'utf8')).toBe('of somebody else');
  });

  test('on a full disk nothing half written stays', async (context) => {
    await withSmallDisk(context, 1, async (disk) => {
      const ws = workspace();
      const from = await packed(ws);
      const to = `${disk}/unfinished`;
      const full = { code: 'full', message: expect.stringContaining(to) as unknown };
      await expect(compress({ from: ws.path('source'), to, compression })).rejects.toMatchObject(full);
      await expect(unpack({ from, to, compression })).rejects.toMatchObject(full);
      expect(fs.readdirSync(disk)).toEqual([]);
    });
  });
});

if (!hasZstd()) {
  test('without zstd in this Node.js it is refused, saying which has it, and nothing is written', async () => {
    const ws = workspace();
    await expect(compress({ from: source(ws), to: ws.path('stored'), compression: 'zstd' })).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringMatching(/Node\.js 22\.15 or newer/) as unknown,
    });
    expect(fs.readdirSync(ws.directory)).toEqual(['source']);
  });
}

test('what gzip the program wrote is unpacked too: several members, another level', async () => {
  const ws = workspace();
  const halves = [content.subarray(0, 1_000_000), content.subarray(1_000_000)];
  fs.writeFileSync(ws.path('stored'), Buffer.concat(halves.map((half) => zlib.gzipSync(half, { level: 9 }))));
  const { plain } = await unpack({ from: ws.path('stored'), to: null, compression: 'gzip' });
  expect(plain).toEqual(digestOf(content));
});

test('an uncompressed backup is copied and hashed', async () => {
  const ws = workspace();
  const from = source(ws);
  const both = { plain: digestOf(content), stored: digestOf(content) };
  expect(await unpack({ from, to: null, compression: 'none' })).toEqual(both);
  expect(await unpack({ from, to: ws.path('unpacked'), compression: 'none' })).toEqual(both);
  expect(fs.readFileSync(ws.path('unpacked')).equals(content)).toBe(true);
});

test('a backup that is gone is missing, not damaged', async () => {
  const { path } = workspace();
  for (const compression of ['none', 'gzip'] as const) {
    await expect(unpack({ from: path('gone'), to: path('to'), compression })).rejects.toMatchObject({
      code: 'missing',
    });
  }
  expect(fs.existsSync(path('to'))).toBe(false);
});

function overwrite(file: string, offset: number): void {
  const descriptor = fs.openSync(file, 'r+');
  fs.writeSync(descriptor, Buffer.alloc(1000), 0, 1000, offset);
  fs.closeSync(descriptor);
}
