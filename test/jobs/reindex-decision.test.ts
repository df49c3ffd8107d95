import { expect, test } from 'vitest';
import {
  damagedAmong,
  decideReindex,
  type ReindexFacts,
  type ReindexRule,
  slowAsRehearsed,
} from '../../src/jobs/reindex-decision.js';

const now = new Date('2026-11-29T03:00:00Z');
const MB = 1e6;
const index = (name: string, sizeBytes: number, unusedBytes: number) => ({
  name,
  table: 'logs',
  sizeBytes,
  unusedBytes,
  tableBytes: 500 * MB,
});
const facts: ReindexFacts = {
  indexes: [index('by_time', 40 * MB, 4 * MB), index('by_hash', 60 * MB, 24 * MB), index('by_tag', 30 * MB, 15 * MB)],
  damaged: new Set(),
  vacuumed: false,
  sqliteVersion: '3.53.2',
  earlierVersion: '3.53.2',
  left: new Set(),
  now,
  windowEnd: null,
};
const rule: ReindexRule = {
  when: 'needed',
  minUnusedRatio: 0.35,
  minReclaimableBytes: MB,
  maxWriterStallMs: 30_000,
  pauseMs: 250,
};
const chosen = (over: Partial<ReindexFacts>, ruled: Partial<ReindexRule> = {}): string[] =>
  decideReindex({ ...facts, ...over }, { ...rule, ...ruled }).rebuild.map((one) => one.index);

test('only what is largely unused is rebuilt, what gains most first, each with its reason', () => {
  const { rebuild, why } = decideReindex(facts, rule);
  expect(rebuild.map((one) => [one.index, one.why])).toEqual([
    ['by_hash', '40.0 % of its 60.0 MB is unused'],
    ['by_tag', '50.0 % of its 30.0 MB is unused'],
  ]);
  expect(why).toBe(
    'rebuild 2 of 3 indexes: by_hash (40.0 % of its 60.0 MB is unused), by_tag (50.0 % of its 30.0 MB is unused)',
  );
});

test.each<[string, Partial<ReindexFacts>, Partial<ReindexRule>, string[]]>([
  ['nothing below the ratio', {}, { minUnusedRatio: 0.6 }, []],
  ['nothing that gains too few bytes', {}, { minReclaimableBytes: 20 * MB }, ['by_hash']],
  ['a damaged one, first', { damaged: new Set(['by_time']) }, {}, ['by_time', 'by_hash', 'by_tag']],
  ['all, when always', {}, { when: 'always' }, ['by_hash', 'by_tag', 'by_time']],
  ['all, after another SQLite', { earlierVersion: '3.51.3' }, {}, ['by_hash', 'by_tag', 'by_time']],
  [
    'what was left after another SQLite, and no other',
    { left: new Set(['by_time']) },
    { minUnusedRatio: 0.6 },
    ['by_time'],
  ],
  ['no more than usual the first time', { earlierVersion: undefined }, {}, ['by_hash', 'by_tag']],
  ['nothing after a full VACUUM', { vacuumed: true }, { when: 'always' }, []],
  ['nothing after a full VACUUM by another SQLite', { vacuumed: true, earlierVersion: '3.51.3' }, {}, []],
  ['a damaged one even after a full VACUUM', { vacuumed: true, damaged: new Set(['by_tag']) }, {}, ['by_tag']],
])('rebuilds %s', (_, over, ruled, expected) => {
  expect(chosen(over, ruled)).toEqual(expected);
});

test('what would make writers wait too long, or would not fit into the window, is postponed and named', () => {
  const slow = decideReindex(facts, { ...rule, maxWriterStallMs: 1000 });
  expect(slow.rebuild.map((one) => one.index)).toEqual(['by_tag']);
  expect(slow.postponed).toEqual([
    { index: 'by_hash', why: 'writers would wait about 1.4 s, longer than max_writer_stall (1.0 s)' },
  ]);
  const narrow = decideReindex({ ...facts, windowEnd: new Date(now.getTime() + 2000) }, rule);
  expect(narrow.rebuild.map((one) => one.index)).toEqual(['by_hash']);
  expect(narrow.postponed).toEqual([{ index: 'by_tag', why: "the schedule's window closes before it would be done" }]);
});

test('a damaged index is rebuilt however long it takes', () => {
  expect(chosen({ damaged: new Set(['by_hash']) }, { maxWriterStallMs: 1 })).toEqual(['by_hash']);
});

test('what took too long on a copy is left alone, unless it is damaged', () => {
  const rehearsed = [
    { index: 'quick', lockedMs: 1000 },
    { index: 'slow', lockedMs: 1001 },
    { index: 'broken', lockedMs: 9000 },
  ];
  expect(slowAsRehearsed(rehearsed, new Set(['broken']), 1000)).toEqual([
    {
      index: 'slow',
      why: 'writers would wait about 1.0 s (as it took on a copy), longer than max_writer_stall (1.0 s)',
    },
  ]);
});

test('without anything to rebuild it says why not', () => {
  const written = 'the VACUUM of this run has written all indexes anew, and none is damaged';
  expect(decideReindex({ ...facts, vacuumed: true }, rule).why).toBe(written);
  // Then nobody has measured them.
  expect(decideReindex({ ...facts, vacuumed: true, indexes: [] }, rule).why).toBe(written);
  expect(decideReindex(facts, { ...rule, minUnusedRatio: 0.9 }).why).toBe(
    'none of 3 indexes is to be rebuilt: at most 50.0 % of one is unused (min_unused_ratio 90.0 %, min_reclaimable 1.0 MB)',
  );
  expect(decideReindex({ ...facts, indexes: [] }, rule).why).toBe('it has no index');
});

test('the indexes that findings name are found by their whole names', () => {
  const named = damagedAmong(
    [{ name: 'by_a' }, { name: 'y_a' }, { name: 'by b' }, { name: 'c' }],
    ['row 3 missing from index by_a', 'wrong # of entries in index by b', 'Page 7: never used'],
  );
  expect([...named]).toEqual(['by_a', 'by b']);
});
