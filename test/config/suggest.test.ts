import { expect, test } from 'vitest';
import { editDistance, suggest } from '../../src/config/suggest.js';

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['', 'abc', 3],
  ['backup', 'backup', 0],
  ['bakup', 'backup', 1],
  ['backuup', 'backup', 1],
  ['backop', 'backup', 1],
  ['bakcup', 'backup', 1],
  ['kitten', 'sitting', 3],
  ['ca', 'abc', 3],
])('%j and %j are %d apart, either way', (a, b, distance) => {
  expect([editDistance(a, b), editDistance(b, a)]).toEqual([distance, distance]);
});

test('the nearest word is suggested, whatever its case, and none that is far', () => {
  const words = ['daily', 'weekly', 'hourly'];
  expect(suggest('dialy', words)).toBe('daily');
  expect(suggest('WEEKLI', words)).toBe('weekly');
  expect(suggest('monthly', words)).toBeUndefined();
  expect(suggest('xy', words)).toBeUndefined();
  expect(suggest('', words)).toBeUndefined();
  expect(suggest('daily', [])).toBeUndefined();
});
