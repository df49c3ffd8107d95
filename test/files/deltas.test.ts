/** Deltas, on files of random pages: what is rebuilt is what was, and damage is never taken for it. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { makeDelta } from '../../src/files/make-delta.js';
import { blockHeadBytes, headerBytes } from '../../src/files/page-delta.js';
import { rebuild } from '../../src/files/rebuild.js';
import { type Workspace, workspace } from '../helpers/workspace.js';

const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The same seed, the same numbers from 0 to 1. */
function randomBy(seed: number): () => number {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A file of pages, and what became of it: some pages changed a little, some altogether, some cut off or added. */
function descendantOf(older: Buffer, pageSize: number, random: () => number): Buffer {
  const pages = Math.max(1, Math.round((older.length / pageSize) * (0.5 + random())));
  const newer = Buffer.alloc(pages * pageSize);
  older.copy(newer);
  for (let page = 0; page < pages; page += 1) {
    const at = page * pageSize;
    const chance = random();
    if (at >= older.length || chance < 0.1) fill(newer.subarray(at, at + pageSize), random);
    else if (chance < 0.3) newer[at + Math.floor(random() * pageSize)] = Math.floor(random() * 256);
  }
  return newer;
}

function fill(bytes: Buffer, random: () => number): void {
  for (let at = 0; at < bytes.length; at += 4) bytes.writeInt32LE((random() * 2 ** 32) | 0, at);
}

function firstImage(pageSize: number, random: () => number): Buffer {
  const bytes = Buffer.alloc(pageSize * Math.ceil(random() * 60));
  fill(bytes, random);
  return bytes;
}

async function delta(
  ws: Workspace,
  name: string,
  older: { image: Parameters<typeof rebuild>[0]['image']; bytes: Buffer },
  newer: { image: Parameters<typeof rebuild>[0]['image']; bytes: Buffer },
  pageSize: number,
): Promise<string> {
  const to = ws.path(name);
  const made = await makeDelta({
    older: older.image,
    newer: newer.image,
    pageSize,
    sha256: sha256Of(older.bytes),
    baseSha256: sha256Of(newer.bytes),
    to,
    ...nothingSpecial,
  });
  if (made === null) throw new Error('there is no limit');
  const stored = fs.readFileSync(to);
  expect(made.stored).toEqual({ sha256: sha256Of(stored), sizeBytes: stored.length });
  return to;
}

const nothingSpecial = { limitBytes: null, checkNewer: true, marginBytes: 0 };
const plainFile = (ws: Workspace, name: string, bytes: Buffer): string => {
  fs.writeFileSync(ws.path(name), bytes);
  return ws.path(name);
};

test('over 40 random histories each database is rebuilt from the newest and the deltas over it, byte for byte; also when one in the middle goes', async () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const random = randomBy(seed);
    const ws = workspace();
    const sizes = [512, 1024, 4096, 16_384];
    // Now and then VACUUM gives a database other pages.
    const pageSizes = [0, 1, 2, 3].map(() => sizes[Math.floor(random() * sizes.length)] ?? 4096);
    const steady = random() < 0.6;
    const pageOf = (index: number): number => pageSizes[steady ? 0 : index] ?? 4096;
    const images: Buffer[] = [firstImage(pageOf(0), random)];
    for (let index = 1; index < 4; index += 1) {
      const before = images[index - 1] ?? Buffer.alloc(0);
      const whole = before.subarray(0, Math.max(1, Math.floor(before.length / pageOf(index))) * pageOf(index));
      images.push(descendantOf(Buffer.concat([whole, Buffer.alloc(pageOf(index))]), pageOf(index), random));
    }
    const newest = images.at(-1) ?? Buffer.alloc(0);
    const plain = plainFile(ws, 'newest.db', newest);

    // From the newest on: each older one on the one after it.
    const deltas: string[] = [];
    for (let index = images.length - 2; index >= 0; index -= 1) {
      const bytes = images[index] ?? Buffer.alloc(0);
      const image = { plain: plainFile(ws, `${index}.db`, bytes), deltas: [], sizeBytes: bytes.length };
      const base = images[index + 1] ?? Buffer.alloc(0);
      const on = { image: { plain, deltas: [...deltas], sizeBytes: base.length }, bytes: base };
      deltas.push(await delta(ws, `${index}.delta`, { image, bytes }, on, pageOf(index)));
      expect(
        (await rebuild({ image: { plain, deltas: [...deltas], sizeBytes: bytes.length }, to: null })).sha256,
        `seed ${seed}`,
      ).toBe(sha256Of(bytes));
    }

    // The second oldest goes: the oldest is laid on its base instead, and neither plain file is needed for it.
    const [first, second, third] = [deltas[2] ?? '', deltas[1] ?? '', deltas[0] ?? ''];
    const at = (index: number): Buffer => images[index] ?? Buffer.alloc(0);
    const sizeBytes = at(0).length;
    const oldest = { image: { plain, deltas: [third, second, first], sizeBytes }, bytes: at(0) };
    const base = { image: { plain, deltas: [third], sizeBytes: at(2).length }, bytes: at(2) };
    const merged = await delta(ws, 'merged.delta', oldest, base, pageOf(0));
    const to = ws.path('rebuilt.db');
    await rebuild({ image: { plain, deltas: [third, merged], sizeBytes }, to });
    expect(fs.readFileSync(to).equals(oldest.bytes), `seed ${seed}`).toBe(true);
    expect(fs.statSync(to).mode & 0o777).toBe(0o600);
  }
});

test('a page that differs little takes little, an unchanged database next to nothing, and what would be no smaller is given up', async () => {
  const ws = workspace();
  const random = randomBy(1);
  const older = Buffer.alloc(4096 * 1000);
  fill(older, random);
  const newer = Buffer.from(older);
  for (let page = 0; page < 1000; page += 1) newer[page * 4096 + 100] = 7;
  const image = (name: string, bytes: Buffer) => ({
    image: { plain: plainFile(ws, name, bytes), deltas: [], sizeBytes: bytes.length },
    bytes,
  });
  const changed = await delta(ws, 'changed.delta', image('a', older), image('b', newer), 4096);
  expect(fs.statSync(changed).size).toBeLessThan(older.length / 50);
  const limited = {
    older: image('e', older).image,
    newer: image('f', Buffer.alloc(4096)).image,
    pageSize: 4096,
    sha256: sha256Of(older),
    baseSha256: sha256Of(Buffer.alloc(4096)),
    to: ws.path('limited.delta'),
    ...nothingSpecial,
    limitBytes: older.length,
  };
  // Nothing of it can be packed.
  expect(await makeDelta(limited)).toBeNull();
  expect(fs.existsSync(limited.to)).toBe(false);
  const same = await delta(ws, 'same.delta', image('c', older), image('d', older), 4096);
  expect(fs.statSync(same).size).toBe(headerBytes + blockHeadBytes);
});

describe('a damaged delta', () => {
  async function made(): Promise<{ ws: Workspace; plain: string; path: string; sha256: string; sizeBytes: number }> {
    const ws = workspace();
    const random = randomBy(3);
    const older = Buffer.alloc(4096 * 90);
    fill(older, random);
    const newer = descendantOf(older, 4096, random);
    const plain = plainFile(ws, 'newer.db', newer);
    const image = { plain: plainFile(ws, 'older.db', older), deltas: [], sizeBytes: older.length };
    const base = { image: { plain, deltas: [], sizeBytes: newer.length }, bytes: newer };
    const path = await delta(ws, 'a.delta', { image, bytes: older }, base, 4096);
    return { ws, plain, path, sha256: sha256Of(older), sizeBytes: older.length };
  }

  test('gives other bytes or is refused, wherever a bit is flipped that means something', async () => {
    const { ws, plain, path, sha256, sizeBytes } = await made();
    const bytes = fs.readFileSync(path);
    const broken = ws.path('broken.delta');
    const random = randomBy(9);
    const places = [
      ...Array(headerBytes + 16).keys(),
      ...Array.from({ length: 100 }, () => Math.floor(random() * bytes.length)),
    ];
    let refused = 0;
    let same = 0;
    for (const at of [...places, bytes.length - 1]) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      fs.writeFileSync(broken, flipped);
      const outcome = await rebuild({ image: { plain, deltas: [broken], sizeBytes }, to: null }).then(
        (rebuilt) => rebuilt.sha256,
        (error: unknown) => error,
      );
      if (outcome === sha256) same += 1;
      else if (typeof outcome !== 'string') {
        expect(outcome, `byte ${at}`).toMatchObject({ code: 'backup-damaged' });
        refused += 1;
      }
    }
    // The hashes it says of itself are for manifests to confirm; and of what is packed some bits mean nothing.
    expect(same).toBeLessThanOrEqual(64 + 3);
    expect(refused).toBeGreaterThan(80);
  });

  test.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['longer than it was', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ['empty', () => Buffer.alloc(0)],
    [
      'promising a block of 4 GB',
      (bytes: Buffer) => {
        const huge = Buffer.from(bytes);
        huge.writeUInt32BE(0xffffffff, headerBytes + 4);
        return huge;
      },
    ],
  ])('that is %s is refused, and nothing is left of what was begun', async (_, damage) => {
    const { ws, plain, path, sizeBytes } = await made();
    fs.writeFileSync(path, damage(fs.readFileSync(path)));
    const to = ws.path('rebuilt.db');
    await expect(rebuild({ image: { plain, deltas: [path], sizeBytes }, to })).rejects.toMatchObject({
      code: 'backup-damaged',
    });
    expect(fs.existsSync(to)).toBe(false);
  });
});

test('what is gone is said to be missing, and what stands in the way is never overwritten', async () => {
  const ws = workspace();
  const bytes = Buffer.alloc(4096, 1);
  const plain = plainFile(ws, 'a.db', bytes);
  await expect(
    rebuild({ image: { plain, deltas: [ws.path('gone')], sizeBytes: 4096 }, to: null }),
  ).rejects.toMatchObject({
    code: 'missing',
  });
  const to = plainFile(ws, 'there', Buffer.from('mine'));
  await expect(rebuild({ image: { plain, deltas: [], sizeBytes: 4096 }, to })).rejects.toThrow();
  const image = { plain, deltas: [], sizeBytes: 4096 };
  const request = { older: image, newer: image, pageSize: 4096, to, ...nothingSpecial };
  await expect(makeDelta({ ...request, sha256: sha256Of(bytes), baseSha256: sha256Of(bytes) })).rejects.toThrow();
  expect(fs.readFileSync(to, 'utf8')).toBe('mine');
});
