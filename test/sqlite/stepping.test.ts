import { expect, test } from 'vitest';
import { firstPages, nextPages, pauseAfter } from '../../src/sqlite/stepping.js';

/** The pages of each step, where one page takes as long as this. */
function stepsOf(pageMs: number): number[] {
  const steps = [firstPages];
  while (steps.length < 12) {
    const last = steps.at(-1) ?? 0;
    steps.push(nextPages(last, last * pageMs));
  }
  return steps;
}

test.each([
  ['a fast machine', 0.01, 200],
  ['a machine where a page takes what it took on a slow one', 0.07, 50],
  ['one that is slower still', 0.2, 25],
  ['a page that takes longer than a step should', 10, 20],
])('on %s the steps become as large as five milliseconds allow', (_, pageMs, pages) => {
  expect(stepsOf(pageMs).at(-1)).toBe(pages);
});

test.each([
  [0, 5, 7.5],
  [1, 5, 7.5],
  [4, 12, 18],
  [30, 90, 135],
])(
  'after %d ms with the lock it is left to others for three times as long, and never for the same time again',
  (durationMs, shortest, longest) => {
    expect([pauseAfter(durationMs, 0), pauseAfter(durationMs, 1)]).toEqual([shortest, longest]);
  },
);
