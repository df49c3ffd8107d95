import { describe, expect, test } from 'vitest';
import type { OpenProblem } from '../../src/notify/message.js';
import { observationOf, type Picture, routed, routedRun } from '../../src/notify/routing.js';
import { type AlertState, transitions } from '../../src/notify/transitions.js';
import { aRun, minutesAfterNoon, noon, picture, problem, settings } from './fixture.js';

const { channels } = settings(`
all: { slack: { url: "http://x.example/y" } }
night: { pagerduty: { routing_key: k }, min_severity: critical }
dba: { webhook: { url: "http://x.example/z" }, only: [damage, restore] }
team: { exec: { command: [x] }, databases: [tenants, logs] }
one: { exec: { command: [x] }, databases: [tenants--a] }
hc: { ping: { url: "http://hc.example/u", schedule: daily } }
`);
const groupOf = (database: string): string => database.split('--')[0] ?? '';

/** Who is told at each look. */
function told(...looks: readonly (readonly OpenProblem[])[]): string[][] {
  let states: readonly AlertState[] = [];
  return looks.map((problems, index) => {
    const seen = {
      at: minutesAfterNoon(index),
      host: 'db1',
      problems,
      mayBeSettled: () => false,
      absence: () => 'over' as const,
    };
    const answer = routed(transitions(states, seen, seen.at, 86_400_000), channels, groupOf);
    states = answer.states;
    return answer.entries.map(({ channel, message, opens }) => `${channel} ${message.event}${opens ? ' opens' : ''}`);
  });
}

test('a channel is told what it asks for, and the end of that', () => {
  const warning = problem('other/health', { severity: 'warning' });
  expect(told([warning], [])).toEqual([['all problem opens'], ['all recovery']]);
  const damage = problem('tenants--a/integrity', { kind: 'damage' });
  expect(told([damage], [])).toEqual([
    ['all problem opens', 'night problem opens', 'dba problem opens', 'team problem opens', 'one problem opens'],
    ['all recovery', 'night recovery', 'dba recovery', 'team recovery', 'one recovery'],
  ]);
  const ofNoDatabase = problem('history', { database: null, severity: 'warning' });
  expect(told([ofNoDatabase])).toEqual([['all problem opens']]);
});

test('who hears of it only when it becomes critical hears of its end as well, though it ends as a warning', () => {
  const warning = problem('other/health', { severity: 'warning' });
  expect(told([warning], [{ ...warning, severity: 'critical' }], [warning], [])).toEqual([
    ['all problem opens'],
    ['all problem', 'night problem opens'],
    [],
    ['all recovery', 'night recovery'],
  ]);
});

test('a ping is told of the runs of its schedule, and of no other', () => {
  expect(routedRun(aRun, channels).map(({ channel }) => channel)).toEqual(['hc']);
  expect(routedRun({ ...aRun, schedule: 'weekly' }, channels)).toEqual([]);
});

describe('an absent problem', () => {
  const absence = (over: Partial<Picture>, database: string | null = 'logs'): string =>
    observationOf(picture([], over)).absence(database);

  test('is over when the database was looked at', () => {
    expect(absence({})).toBe('over');
    expect(absence({}, null)).toBe('over');
  });

  test('is unknown while the records cannot be read, whatever it is about', () => {
    expect(absence({ history: 'unreadable' })).toBe('unknown');
    expect(absence({ history: 'unreadable' }, null)).toBe('unknown');
  });

  test('is unknown while the backups of the database, or of one of its group, cannot be listed', () => {
    const databases = [
      { name: 'tenants--a', group: 'tenants', backupsError: null },
      { name: 'tenants--b', group: 'tenants', backupsError: 'gone' },
    ];
    expect(absence({ databases }, 'tenants--a')).toBe('over');
    expect(absence({ databases }, 'tenants--b')).toBe('unknown');
    expect(absence({ databases }, 'tenants')).toBe('unknown');
    expect(absence({ databases }, 'logs')).toBe('unwatched');
  });
});

test.each([
  ['an overdue schedule, while its run is under way', { kind: 'overdue', schedule: 'daily' }, true],
  ['an old backup, while any run is', { kind: 'overdue', schedule: null }, true],
  ['another schedule', { kind: 'overdue', schedule: 'weekly' }, false],
  ['a failure', { kind: 'failure', schedule: 'daily' }, false],
] as const)('%s may be settled: %s %s', (_, over, expected) => {
  const late = problem('x', over);
  const running = [{ schedule: 'daily', startedAt: minutesAfterNoon(-30) }];
  expect(observationOf(picture([late], { running })).mayBeSettled(late)).toBe(expected);
  expect(observationOf(picture([late], { running, at: minutesAfterNoon(31) })).mayBeSettled(late)).toBe(false);
});

test('nothing is wrong at first: nothing is told', () => {
  expect(transitions([], observationOf(picture([])), noon, 1)).toEqual({ messages: [], states: [] });
});
