import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { withSmallDisk } from './small-disk.js';

test('a small disk is full after its size, and gone afterwards', async (context) => {
  let mounted = '';
  await withSmallDisk(context, 1, (directory) => {
    mounted = directory;
    fs.writeFileSync(path.join(directory, 'fits'), Buffer.alloc(500_000));
    expect(() => fs.writeFileSync(path.join(directory, 'too-large'), Buffer.alloc(1_000_000))).toThrow('ENOSPC');
    return Promise.resolve();
  });
  expect(fs.existsSync(mounted)).toBe(false);
});
