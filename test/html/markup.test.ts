import { describe, expect, test } from 'vitest';
import { html, prose } from '../../src/html/markup.js';
import { axisOf, byteUnits, durationUnits, rangeOf, timeTicks } from '../../src/html/scale.js';

describe('markup', () => {
  test('what is put in is escaped, in text and in attributes, unless it is markup already', () => {
    const bad = `<b title="'">&\u202e`;
    const harmless = '&lt;b title=&quot;&#39;&quot;&gt;&amp;\\u{202e}';
    expect(html`<i title="${bad}">${bad}</i>`.markup).toBe(`<i title="${harmless}">${harmless}</i>`);
    expect(html`<p>${[html`<i>${bad}</i>`, html`<br>`]}${null}${0}</p>`.markup).toBe(`<p><i>${harmless}</i><br>0</p>`);
  });

  test('what is typed is set off, and a lone backtick is only a backtick', () => {
    expect(prose('see `a <b>` now').markup).toBe('see <code>a &lt;b&gt;</code> now');
    expect(prose('a ` b').markup).toBe('a ` b');
  });
});

describe('an axis', () => {
  test.each([
    ['from zero', axisOf(0, 71_000, durationUnits), ['0.0', '0.5', '1.0', '1.5'], 'min'],
    ['nothing but zero', axisOf(0, 0, byteUnits), ['0.0', '0.5'], 'B'],
    ['equal values', axisOf(...rangeOf([1.2e9, 1.2e9]), byteUnits), ['1.10', '1.15', '1.20', '1.25', '1.30'], 'GB'],
    ['a range', axisOf(...rangeOf([38e6, 48e6]), byteUnits), ['35', '40', '45', '50'], 'MB'],
  ])('has round ticks around the values: %s', (_, axis, labels, unit) => {
    expect(axis.unit).toBe(unit);
    expect(axis.ticks.map(({ label }) => label)).toEqual(labels);
    expect(axis.high).toBeGreaterThan(axis.low);
  });

  test('never has two ticks of the same label, whatever the values', () => {
    for (let power = 0; power < 13; power += 1)
      for (const factor of [1, 1.04, 1.5, 3.7, 9.99]) {
        const high = factor * 10 ** power;
        for (const low of [0, high * 0.5, high * 0.97, high]) {
          const axis = axisOf(...rangeOf([low, high]), byteUnits);
          expect(new Set(axis.ticks.map(({ label }) => label)).size).toBe(axis.ticks.length);
          expect(axis.ticks.length).toBeLessThan(8);
          expect(axis.low).toBeLessThanOrEqual(low);
          expect(axis.high).toBeGreaterThanOrEqual(high * 0.999999);
        }
      }
  });

  test('of time has at most six ticks inside it, for an hour as for a year', () => {
    const first = new Date('2026-03-28T21:17:00Z');
    for (const hours of [0, 0.5, 1, 5, 30, 49, 200, 720, 9000]) {
      const ticks = timeTicks(first, new Date(first.getTime() + hours * 3_600_000));
      expect(ticks.length).toBeGreaterThan(0);
      expect(ticks.length).toBeLessThanOrEqual(6);
    }
  });
});
