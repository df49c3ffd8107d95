import { describe, expect, test } from 'vitest';
import { durationChart, sizeChart } from '../../src/html/chart.js';

const at = (day: number): Date => new Date(Date.UTC(2026, 10, 1) + day * 86_400_000);
const samples = (...sizes: readonly (readonly [day: number, sizeBytes: number])[]): { at: Date; sizeBytes: number }[] =>
  sizes.map(([day, sizeBytes]) => ({ at: at(day), sizeBytes }));
const drawn = (markup: string): number[] => (markup.match(/(?<=[="\s,MHv-])-?[\d.]+(?=["\s,HMv])/g) ?? []).map(Number);

describe('the size of a database over time', () => {
  test('nothing measured: no chart', () => {
    expect(sizeChart('c', 'Size', [])).toBeNull();
  });

  test.each([
    ['one measurement', samples([3, 5e6])],
    ['two', samples([1, 5e6], [2, 6e6])],
    ['all equal', samples([1, 5e6], [2, 5e6], [3, 5e6])],
    ['all zero', samples([1, 0], [2, 0])],
    ['all at one moment', samples([1, 5e6], [1, 6e6])],
    ['a gap', samples([1, 5e6], [2, 5e6], [3, 6e6], [20, 7e6], [21, 7e6])],
  ])('%s: every coordinate is a number inside the picture', (_, points) => {
    const markup = sizeChart('c', 'Size of <logs>', points)?.markup ?? '';
    expect(markup).toContain('role="img" aria-labelledby="c-t c-d"');
    expect(markup).toContain('<title id="c-t">Size of &lt;logs&gt;</title>');
    expect(markup).not.toMatch(/NaN|Infinity|undefined/);
    const coordinates = drawn(markup.slice(markup.indexOf('</desc>')));
    expect(coordinates.length).toBeGreaterThan(0);
    expect(coordinates.filter((value) => value < 0 || value > 340)).toEqual([]);
  });

  test('where nobody measured for long, the line has a gap, and the description says so', () => {
    const markup = sizeChart('c', 'Size', samples([1, 5e6], [2, 5e6], [3, 6e6], [20, 7e6], [21, 7e6]))?.markup ?? '';
    expect(markup.match(/<polyline/g)).toHaveLength(2);
    expect(markup).toContain('Not measured for 17 d from 2026-11-04 00:00 UTC on.');
    expect(markup).toContain('From 5.0 MB on 2026-11-02 00:00 UTC to 7.0 MB on 2026-11-22 00:00 UTC');
  });

  test('a month of measurements every minute draws no more than the picture can show, and keeps the peak', () => {
    const many = Array.from({ length: 43_200 }, (_, n) => ({
      at: at(n / 1440),
      sizeBytes: n === 20_000 ? 9e6 : 5e6 + n,
    }));
    const markup = sizeChart('c', 'Size', many)?.markup ?? '';
    expect(markup.length).toBeLessThan(6000);
    expect(markup).toMatch(/ 175,41.3 /);
  });
});

describe('how long runs took', () => {
  test('each run has its bar, and what did not succeed has a mark and its word', () => {
    const markup =
      durationChart('c', 'Runs', [
        { startedAt: at(1), durationMs: 60_000, outcome: 'succeeded' },
        { startedAt: at(2), durationMs: 0, outcome: 'failed' },
        { startedAt: at(3), durationMs: 90_000, outcome: 'timed-out' },
        { startedAt: at(4), durationMs: 30_000, outcome: 'interrupted' },
      ])?.markup ?? '';
    expect(markup.match(/<rect class="bar"/g)).toHaveLength(4);
    expect(markup.match(/class="mark"[^>]*>×</g)).toHaveLength(2);
    expect(markup.match(/class="mark"[^>]*>!</g)).toHaveLength(1);
    expect(markup).toContain('<title>2026-11-03 00:00 UTC: failed after 0 ms</title>');
    expect(markup).toContain('1 succeeded, 1 failed, 1 timed out, 1 interrupted');
    expect(markup).not.toMatch(/NaN|Infinity|height="(?:0|-)/);
  });

  test.each([0, 1, 2, 30])('%d runs', (count) => {
    const runs = Array.from({ length: count }, (_, n) => ({
      startedAt: at(n),
      durationMs: 0,
      outcome: 'succeeded' as const,
    }));
    const markup = durationChart('c', 'Runs', runs)?.markup ?? '';
    expect(markup === '').toBe(count === 0);
    expect(markup).not.toMatch(/NaN|Infinity/);
  });
});
