import { expect, test } from 'vitest';
import {
  decideVacuum,
  predictStallMs,
  tooSlow,
  type VacuumFacts,
  type VacuumRule,
} from '../../src/jobs/vacuum-decision.js';

const now = new Date('2026-11-29T03:00:00Z');
const inMs = (ms: number): Date => new Date(now.getTime() + ms);
const GB = 1000 ** 3;

/** A gigabyte, a third of it free, on two disks with room enough. */
const facts: VacuumFacts = {
  path: '/data/logs.db',
  journalMode: 'wal',
  autoVacuum: 'none',
  pageSize: 4096,
  pageCount: 240_000,
  freelistCount: 80_000,
  disk: {
    directory: '/data',
    freeBytes: 10 * GB,
    tempDirectory: '/scratch',
    freeTempBytes: 10 * GB,
    sameDisk: false,
  },
  earlier: undefined,
  now,
  windowEnd: null,
};
const rule: VacuumRule = {
  mode: 'auto',
  minFreelistRatio: 0.1,
  minReclaimableBytes: 1e6,
  maxWriterStallMs: 30_000,
  convertToIncremental: false,
};
const disk = (over: Partial<VacuumFacts['disk']>): VacuumFacts => ({ ...facts, disk: { ...facts.disk, ...over } });

test('with enough to gain, room and time it is a full one, with the figures behind it', () => {
  expect(decideVacuum(facts, rule)).toEqual({
    do: 'full',
    why: '33.3 % of its pages are free: 328 MB to reclaim; writers would wait about 3.9 s; 659 MB needed in /data and 655 MB in /scratch',
    convert: false,
    space: { besideBytes: 160_000 * 4120, tempBytes: 160_000 * 4096 },
    predictedStallMs: 3933,
  });
});

test.each<[string, Partial<VacuumFacts>, Partial<VacuumRule>, RegExp]>([
  [
    'few free pages',
    { freelistCount: 12_000 },
    {},
    /^5\.0 % of its pages are free \(49\.2 MB\), less than min_freelist_ratio \(10\.0 %\)$/,
  ],
  [
    'few bytes',
    { pageCount: 300, freelistCount: 100 },
    {},
    /^410 kB would be reclaimed, less than min_reclaimable \(1\.0 MB\)$/,
  ],
  ['an empty file', { pageCount: 0, freelistCount: 0 }, {}, /min_freelist_ratio/],
  [
    'a long stall',
    {},
    { maxWriterStallMs: 2000 },
    /about 3\.9 s \(by its size\), longer than max_writer_stall \(2\.0 s\)$/,
  ],
  [
    'a long stall last time',
    { earlier: { stallMs: 40_000, sizeBytes: 655_360_000 } },
    {},
    /about 40\.0 s \(as the last one did\)/,
  ],
  ['a closing window', { windowEnd: inMs(1000) }, {}, /window closes in 1\.0 s$/],
  [
    'incremental where it cannot be',
    {},
    { mode: 'incremental' },
    /auto_vacuum=NONE: convert_to_incremental: true changes that/,
  ],
])('skipped for %s', (_, over, ruled, why) => {
  const decision = decideVacuum({ ...facts, ...over }, { ...rule, ...ruled });
  expect(decision).toEqual({ do: 'skip', why: expect.stringMatching(why) as unknown });
});

test.each<[string, VacuumFacts, RegExp]>([
  ['the database', disk({ freeBytes: 0.6 * GB }), /600 MB free in \/data, 676 MB needed: free some$/],
  [
    'the temporary file',
    disk({ freeTempBytes: 0.1 * GB }),
    /100 MB free in \/scratch, where SQLite puts temporary files, 672 MB needed/,
  ],
  [
    'both together',
    disk({ freeBytes: 1.2 * GB, freeTempBytes: 1.2 * GB, sameDisk: true }),
    /1\.2 GB free on the disk of \/data and \/scratch, 1\.3 GB needed/,
  ],
])('refused, with both figures, when the disk of %s is too full', (_, given, why) => {
  expect(decideVacuum(given, rule)).toEqual({ do: 'refuse', why: expect.stringMatching(why) as unknown });
});

test('in rollback-journal mode the journal takes the old pages', () => {
  expect(decideVacuum({ ...facts, journalMode: 'delete' }, rule)).toMatchObject({
    space: { besideBytes: 240_000 * 4104, tempBytes: 160_000 * 4096 },
  });
});

test('where auto_vacuum is INCREMENTAL it goes in steps, however long writers would wait for a full one', () => {
  const incremental = { ...facts, autoVacuum: 'incremental' } as const;
  expect(decideVacuum(incremental, { ...rule, maxWriterStallMs: 1 })).toMatchObject({
    do: 'incremental',
    budgetMs: null,
    space: { tempBytes: 0 },
  });
  expect(decideVacuum({ ...incremental, windowEnd: inMs(60_000) }, rule)).toMatchObject({
    do: 'incremental',
    budgetMs: 60_000,
  });
  expect(decideVacuum(incremental, { ...rule, mode: 'full' })).toMatchObject({ do: 'full' });
});

test('a conversion is done once, with a full one, even when there is little to gain; but not when writers would wait too long', () => {
  const convert = { ...rule, convertToIncremental: true };
  const full = { ...facts, freelistCount: 0 };
  expect(decideVacuum(full, convert)).toMatchObject({ do: 'full', convert: true });
  expect(decideVacuum(full, { ...convert, mode: 'incremental' })).toMatchObject({ do: 'full', convert: true });
  expect(decideVacuum({ ...full, autoVacuum: 'incremental' }, convert)).toMatchObject({ do: 'skip' });
  expect(decideVacuum(full, { ...convert, maxWriterStallMs: 10 })).toMatchObject({ do: 'skip' });
});

test('the stall is foretold from the last one in proportion to the size, else from the size', () => {
  const asked = { pageSize: 1000, pageCount: 2_000_000, freelistCount: 1_000_000 };
  expect(predictStallMs({ ...asked, earlier: undefined })).toBe(6000);
  expect(predictStallMs({ ...asked, earlier: { stallMs: 500, sizeBytes: 0.5 * GB } })).toBe(1000);
  expect(predictStallMs({ ...asked, earlier: { stallMs: 500, sizeBytes: 0 } })).toBe(6000);
});

test('what a rehearsal took is held against the same two limits', () => {
  expect(tooSlow(29_000, facts, rule, 'as it did on a copy')).toBeUndefined();
  expect(tooSlow(31_000, facts, rule, 'as it did on a copy')).toMatch(
    /about 31\.0 s \(as it did on a copy\), longer than/,
  );
  expect(tooSlow(5000, { now, windowEnd: inMs(4000) }, rule, 'x')).toMatch(/window closes in 4\.0 s/);
});
