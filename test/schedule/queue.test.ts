import { describe, expect, test } from 'vitest';
import { JobError } from '../../src/errors.js';
import { DatabaseQueue, reasonOf } from '../../src/schedule/queue.js';

/** Never aborted. */
const never = (): AbortSignal => new AbortController().signal;

/** Takes part and says when; what it enters it leaves when told. */
function visitor(queue: DatabaseQueue, database: string, events: string[], signal = never()) {
  const inside = queue.enter(database, signal).then((leave) => {
    events.push(`in ${database}`);
    return leave;
  });
  return { inside };
}

/** Lets all that can happen now happen. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('one at a time on a database, in the order they came', async () => {
  const queue = new DatabaseQueue(10);
  const order: number[] = [];
  let working = 0;
  await Promise.all(
    Array.from({ length: 20 }, async (_, index) => {
      const leave = await queue.enter('logs', never());
      working += 1;
      expect(working).toBe(1);
      order.push(index);
      await settled();
      working -= 1;
      leave();
    }),
  );
  expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
});

test.each([1, 2, 3])('at most %i databases at once, and as many as that', async (limit) => {
  const queue = new DatabaseQueue(limit);
  let working = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      const leave = await queue.enter(`db-${index % 6}`, never());
      working += 1;
      most = Math.max(most, working);
      await settled();
      working -= 1;
      leave();
    }),
  );
  expect([most, working]).toEqual([limit, 0]);
});

test('who waits for a busy database does not keep others waiting', async () => {
  const queue = new DatabaseQueue(2);
  const events: string[] = [];
  const first = visitor(queue, 'logs', events);
  const second = visitor(queue, 'logs', events);
  const other = visitor(queue, 'users', events);
  await settled();
  expect(events).toEqual(['in logs', 'in users']);
  (await first.inside)();
  await settled();
  expect(events).toEqual(['in logs', 'in users', 'in logs']);
  for (const one of [second, other]) (await one.inside)();
});

describe('who gives up while waiting', () => {
  test('is told why, and holds nobody up', async () => {
    const queue = new DatabaseQueue(1);
    const leave = await queue.enter('logs', never());
    const stop = new AbortController();
    const waiting = queue.enter('logs', stop.signal);
    const behind = queue.enter('logs', never());
    stop.abort(new JobError('timed-out', 'too long'));
    await expect(waiting).rejects.toMatchObject({ code: 'timed-out', message: 'too long' });
    leave();
    (await behind)();
  });

  test('before it came is not let in at all', async () => {
    const queue = new DatabaseQueue(1);
    await expect(queue.enter('logs', AbortSignal.abort())).rejects.toMatchObject({ code: 'interrupted' });
    (await queue.enter('logs', never()))();
  });

  test('after it is in has its place until it leaves', async () => {
    const queue = new DatabaseQueue(1);
    const stop = new AbortController();
    const leave = await queue.enter('logs', stop.signal);
    stop.abort();
    const events: string[] = [];
    const next = visitor(queue, 'users', events);
    await settled();
    expect(events).toEqual([]);
    leave();
    (await next.inside)();
  });
});

test('a raised limit lets the waiting in at once, a lowered one holds from the next start on', async () => {
  const queue = new DatabaseQueue(1);
  const events: string[] = [];
  const visitors = ['a', 'b', 'c'].map((database) => visitor(queue, database, events));
  await settled();
  expect(events).toEqual(['in a']);
  queue.setLimit(2);
  await settled();
  expect(events).toEqual(['in a', 'in b']);
  queue.setLimit(1);
  (await visitors[0]?.inside)?.();
  await settled();
  expect(events).toEqual(['in a', 'in b']);
  (await visitors[1]?.inside)?.();
  await settled();
  expect(events).toEqual(['in a', 'in b', 'in c']);
});

test('a signal’s reason is ours where it is one, and an interruption where not', () => {
  const ours = new JobError('timed-out', 'late');
  expect(reasonOf(AbortSignal.abort(ours))).toBe(ours);
  expect(reasonOf(AbortSignal.abort('whatever'))).toMatchObject({ code: 'interrupted' });
});
