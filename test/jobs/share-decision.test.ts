import { expect, test } from 'vitest';
import { decideShare } from '../../src/jobs/share-decision.js';

const withInstructions = 0.75;
const without = 2.6;
/** A gigabyte of log text with its indexes has five million entries. */
const million = 1_000_000;

const weights = (entries: Readonly<Record<string, number>>, hashMsPerMB = withInstructions) => ({
  tables: Object.entries(entries).map(([name, each]) => ({ name, entries: each })),
  hashMsPerMB,
});
const hashed = { sizeBytes: 1e9, hashes: true };
const gigabyte = { sizeBytes: 1e9, hashes: false };

test('tables of like size are shared, the largest first', () => {
  const pieces = decideShare(weights({ a: million, b: 3 * million, c: 2 * million }), gigabyte);
  expect(pieces).toEqual([['b'], ['c'], ['a']]);
});

test('what is small shares a piece, and what cannot be weighed is in one: no table is left out', () => {
  const entries = { large: 2 * million, larger: 3 * million, small: 1000, smaller: 10, search: 0 };
  const pieces = decideShare(weights(entries), gigabyte);
  expect(pieces).toEqual([['larger'], ['large'], ['small', 'smaller', 'search']]);
});

test('many tables of which none is large are shared, a twentieth at a time', () => {
  const entries = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`t${index}`, 25_000]));
  const pieces = decideShare(weights({ ...entries, none: 0 }), gigabyte);
  expect(pieces?.map((piece) => piece.length)).toEqual([...Array.from({ length: 19 }, () => 10), 11]);
  expect(pieces?.flat().sort()).toEqual([...Object.keys(entries), 'none'].sort());
});

test.each([
  ['one large table', weights({ logs: 5 * million, users: 1000 }), gigabyte],
  ['a hash that takes as long as the check', weights({ a: 3 * million, b: 3 * million }, without), hashed],
  ['a hash that leaves too little to gain', weights({ a: 2 * million, b: 2 * million }), hashed],
  ['large values, and few rows', weights({ a: 1000, b: 1000 }), gigabyte],
  ['no rows', weights({ a: 0, b: 0 }), gigabyte],
  ['no table', weights({}), gigabyte],
])('the file is checked as a whole where there is %s', (_, given, copy) => {
  expect(decideShare(given, copy)).toBeUndefined();
});

test('beside a hash it is shared where the check takes much longer', () => {
  const given = weights({ a: 5 * million, b: 5 * million, c: 5 * million });
  expect(decideShare(given, hashed)).toEqual([['a'], ['b'], ['c']]);
});
