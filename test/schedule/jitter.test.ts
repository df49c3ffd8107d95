import { expect, test } from 'vitest';
import { stableDelay } from '../../src/schedule/jitter.js';

const hour = 3_600_000;

test('the delay of a schedule is the same for ever: a restart or an update moves nothing', () => {
  expect(stableDelay('host-a', 'daily', hour)).toBe(911265);
  expect(stableDelay('host-a', 'weekly', hour)).toBe(1506082);
  expect(stableDelay('host-b', 'daily', hour)).toBe(1065942);
});

test('delays of many installations are spread over the whole jitter and never reach it', () => {
  const delays = Array.from({ length: 1000 }, (_, host) => stableDelay(`host-${host}`, 'daily', hour));
  expect(delays.every((delay) => Number.isInteger(delay) && delay >= 0 && delay < hour)).toBe(true);
  for (const tenth of Array.from({ length: 10 }, (_, index) => index)) {
    const inTenth = delays.filter((delay) => Math.floor((delay * 10) / hour) === tenth);
    expect(inTenth.length).toBeGreaterThan(60);
  }
});

test('no jitter, no delay', () => {
  expect(stableDelay('host-a', 'daily', 0)).toBe(0);
});
