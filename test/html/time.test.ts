import { expect, test } from 'vitest';
import { moment, relative } from '../../src/html/time.js';

const now = new Date('2026-11-26T09:00:00Z');
const after = (ms: number): Date => new Date(now.getTime() + ms);

test.each([
  [0, 'just now'],
  [-59_000, 'just now'],
  [59_000, 'in less than a minute'],
  [-60_000, '1 min ago'],
  [-3_599_000, '59 min ago'],
  [3 * 3_600_000, 'in 3 h'],
  [-47.9 * 3_600_000, '47 h ago'],
  [-48 * 3_600_000, '2 d ago'],
  [400 * 86_400_000, 'in 400 d'],
])('%d ms from now is told as %s', (ms, words) => {
  expect(relative(after(ms), now)).toBe(words);
});

test('a moment is there for the eye, for the log and for programs', () => {
  expect(moment(after(-7 * 3_600_000), now).markup).toBe(
    '<time datetime="2026-11-26T02:00Z">7 h ago <span class="exact">2026-11-26 02:00 UTC</span></time>',
  );
});
