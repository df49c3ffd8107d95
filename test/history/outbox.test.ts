import { describe, expect, onTestFinished, test } from 'vitest';
import { mostWaiting, type NewNotification, Outbox } from '../../src/history/outbox.js';
import { workspace } from '../helpers/workspace.js';
import { hoursAfterNoon, noon, openHistory } from './fixture.js';

const leaseMs = 60_000;

function open() {
  const history = openHistory(workspace().directory);
  const givenUp: [string, number][] = [];
  const outbox = new Outbox(history.outboxFile, (channel, count) => givenUp.push([channel, count]));
  onTestFinished(() => {
    outbox.close();
    history.close();
  });
  return { outbox, givenUp, history };
}

function message(event: string, subject: string, over: Partial<NewNotification> = {}): NewNotification {
  return {
    channel: 'it',
    event,
    subject,
    opens: event === 'problem',
    payload: `${event} ${subject}`,
    createdAt: noon,
    ...over,
  };
}

/** Delivers everything that waits, and answers it. */
function drain(outbox: Outbox, channel = 'it'): string[] {
  const payloads: string[] = [];
  for (;;) {
    const { claimed } = outbox.claim(channel, hoursAfterNoon(1), leaseMs);
    if (claimed === null) return payloads;
    payloads.push(claimed.payload);
    outbox.remove(claimed.id);
  }
}

/** The oldest is tried, and does not arrive. */
function fail(outbox: Outbox): void {
  const { claimed } = outbox.claim('it', noon, leaseMs);
  if (claimed !== null) outbox.postpone(claimed.id, noon);
}

test('a channel gets its messages in order, and no other channel’s', () => {
  const { outbox } = open();
  outbox.enqueue([message('problem', 'a'), message('problem', 'b', { channel: 'other' }), message('problem', 'c')]);
  expect(outbox.waiting()).toEqual(
    new Map([
      ['it', 2],
      ['other', 1],
    ]),
  );
  expect(drain(outbox)).toEqual(['problem a', 'problem c']);
});

test('states and their messages are written together: what is thrown in between leaves neither', () => {
  const { outbox } = open();
  outbox.update(() => ({ alerts: new Map([['a', '1']]), notifications: [message('problem', 'a')] }));
  expect(() =>
    outbox.update((alerts) => {
      expect(alerts).toEqual(['1']);
      throw new TypeError('a defect');
    }),
  ).toThrow('a defect');
  outbox.update((alerts) => {
    expect(alerts).toEqual(['1']);
    return { alerts: new Map([['b', '2']]), notifications: [] };
  });
  outbox.update((alerts) => {
    expect(alerts).toEqual(['2']);
    return { alerts: new Map(), notifications: [] };
  });
  expect(drain(outbox)).toEqual(['problem a']);
});

describe('a recovery', () => {
  test('of what was never tried cancels it, and is not told', () => {
    const { outbox } = open();
    outbox.enqueue([
      message('problem', 'a'),
      message('problem', 'b'),
      message('reminder', 'b'),
      message('recovery', 'b'),
    ]);
    expect(drain(outbox)).toEqual(['problem a']);
  });

  test('of what was tried comes after it: it may have arrived', () => {
    const { outbox } = open();
    outbox.enqueue([message('problem', 'a')]);
    fail(outbox);
    outbox.enqueue([message('reminder', 'a', { opens: false }), message('recovery', 'a')]);
    expect(drain(outbox)).toEqual(['problem a', 'recovery a']);
  });

  test('of what was delivered is told, though its getting worse was not tried yet', () => {
    const { outbox } = open();
    outbox.enqueue([message('problem', 'a')]);
    drain(outbox);
    outbox.enqueue([message('problem', 'a', { opens: false, payload: 'worse a' }), message('recovery', 'a')]);
    expect(drain(outbox)).toEqual(['worse a', 'recovery a']);
  });
});

test('the start of a run that has ended meanwhile is no news', () => {
  const { outbox } = open();
  outbox.enqueue([message('start', 'daily-1'), message('start', 'daily-2'), message('fail', 'daily-1')]);
  expect(drain(outbox)).toEqual(['start daily-2', 'fail daily-1']);
});

describe('a claimed message', () => {
  test('is nobody else’s, and nothing overtakes it, until its lease is over or its process gone', () => {
    const { outbox, history } = open();
    outbox.enqueue([message('problem', 'a'), message('problem', 'b')]);
    expect(outbox.claim('it', noon, leaseMs).claimed).toMatchObject({ payload: 'problem a', attempts: 1 });
    expect(outbox.claim('it', noon, leaseMs)).toEqual({ claimed: null, nextAt: new Date(noon.getTime() + 5000) });
    const later = new Date(noon.getTime() + leaseMs);
    expect(outbox.claim('it', later, leaseMs).claimed).toMatchObject({ payload: 'problem a', attempts: 2 });
    // A pid that no process has, or another process than then.
    history.outboxFile.write((db) => db.prepare('UPDATE notification SET process_start = 1').run());
    expect(outbox.claim('it', later, leaseMs).claimed).toMatchObject({ payload: 'problem a', attempts: 3 });
  });

  test('that did not arrive waits until it is due, or the channel is put right', () => {
    const { outbox } = open();
    outbox.enqueue([message('problem', 'a')]);
    const { claimed } = outbox.claim('it', noon, leaseMs);
    outbox.postpone(claimed?.id ?? '', hoursAfterNoon(0.5));
    expect(outbox.claim('it', noon, leaseMs)).toEqual({ claimed: null, nextAt: hoursAfterNoon(0.5) });
    outbox.hurry('it', noon);
    expect(outbox.claim('it', noon, leaseMs).claimed).toMatchObject({ payload: 'problem a', attempts: 2 });
  });

  test('does not wait for a time that only a wrong clock could have meant', () => {
    const { outbox } = open();
    outbox.enqueue([message('problem', 'a', { createdAt: hoursAfterNoon(9000) })]);
    expect(outbox.claim('it', noon, leaseMs).claimed).toMatchObject({ payload: 'problem a' });
  });
});

describe('there is room', () => {
  test('for a thousand messages: the oldest reminders go first, then the oldest', () => {
    const { outbox, givenUp } = open();
    outbox.enqueue([message('problem', 'a'), message('reminder', 'a'), message('problem', 'b')]);
    outbox.enqueue(Array.from({ length: mostWaiting - 2 }, (_, index) => message('problem', `p${index}`)));
    expect(givenUp).toEqual([['it', 1]]);
    outbox.enqueue([message('problem', 'last')]);
    expect(givenUp).toEqual([
      ['it', 1],
      ['it', 1],
    ]);
    const kept = drain(outbox);
    expect(kept).toHaveLength(mostWaiting);
    expect([kept[0], kept.at(-1)]).toEqual(['problem b', 'problem last']);
  });

  test('for three days, also of a channel that is not configured any more', () => {
    const { outbox } = open();
    outbox.enqueue([
      message('problem', 'a', { channel: 'gone' }),
      message('problem', 'b', { createdAt: hoursAfterNoon(1) }),
    ]);
    expect(outbox.expire(hoursAfterNoon(0.5))).toEqual(new Map([['gone', 1]]));
    expect(drain(outbox)).toEqual(['problem b']);
  });
});

test('while the file cannot be written it goes on in memory, and what it does there reaches the file', () => {
  const { history } = open();
  const file = history.outboxFile;
  let isFull = false;
  const outbox = new Outbox(
    { write: (work) => (isFull ? { ok: false } : file.write(work)), read: (unknown, look) => file.read(unknown, look) },
    () => undefined,
  );
  outbox.update(() => ({ alerts: new Map([['a', '1']]), notifications: [message('problem', 'a')] }));
  const { claimed } = outbox.claim('it', noon, leaseMs);
  isFull = true;
  outbox.remove(claimed?.id ?? '');
  outbox.update((alerts) => ({
    alerts: new Map([
      ['a', alerts.join()],
      ['b', '2'],
    ]),
    notifications: [message('problem', 'b')],
  }));
  outbox.enqueue([message('problem', 'c')]);
  expect(outbox.claim('it', noon, leaseMs).claimed).toMatchObject({ payload: 'problem b' });
  isFull = false;
  // Whoever had it, this process has it still.
  expect(outbox.claim('it', noon, leaseMs).claimed).toBeNull();
  outbox.update((alerts) => {
    expect(alerts).toEqual(['1', '2']);
    return { alerts: new Map(), notifications: [] };
  });
  expect(
    file.read([], (db) => db.prepare<[], { payload: string }>('SELECT payload FROM notification ORDER BY id').all()),
  ).toEqual([{ payload: 'problem b' }, { payload: 'problem c' }]);
  outbox.close();
});
