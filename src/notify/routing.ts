/** Which channel is told what. Pure. */
import type { Message, OpenProblem, ProblemMessage, RunMessage } from './message.js';
import type { ChannelConfig } from './settings.js';
import type { AlertState, Observation, Transitions } from './transitions.js';

/** A message for one channel. */
export interface Entry {
  readonly channel: string;
  readonly message: Message;
  /** Whether it is the first that this channel hears of the problem: undelivered, there is nothing to recover from. */
  readonly opens: boolean;
}

/** What notifications need of the overview. */
export interface Picture {
  readonly at: Date;
  readonly host: string;
  /** What is wrong with the records themselves: then nothing is known to be over. */
  readonly history: string | null;
  readonly problems: readonly OpenProblem[];
  readonly running: readonly { readonly schedule: string; readonly startedAt: Date }[];
  readonly databases: readonly {
    readonly name: string;
    readonly group: string;
    /** Why its backups are not known. */
    readonly backupsError: string | null;
  }[];
}

/** A run that takes longer holds nothing back any more. */
const settlesWithinMs = 3_600_000;

export function observationOf(overview: Picture): Observation {
  const { at, host, history, problems, databases, running } = overview;
  const young = running.filter(({ startedAt }) => at.getTime() - startedAt.getTime() < settlesWithinMs);
  return {
    at,
    host,
    problems,
    mayBeSettled: ({ kind, schedule }) =>
      kind === 'overdue' && young.some((run) => schedule === null || run.schedule === schedule),
    absence: (database) => {
      if (history !== null) return 'unknown';
      if (database === null) return 'over';
      const views = databases.filter(({ name, group }) => name === database || group === database);
      if (views.length === 0) return 'unwatched';
      return views.some(({ backupsError }) => backupsError !== null) ? 'unknown' : 'over';
    },
  };
}

/** @param groupOf the name in the configuration of a database */
export function routed(
  { messages, states }: Transitions,
  channels: readonly ChannelConfig[],
  groupOf: (database: string) => string,
): { readonly entries: readonly Entry[]; readonly states: readonly AlertState[] } {
  const byKey = new Map(states.map((state) => [state.key, state]));
  const entries: Entry[] = [];
  for (const message of messages) {
    const state = byKey.get(message.key);
    if (state === undefined) continue;
    const told = new Set(state.told);
    for (const { name } of channels.filter((channel) => isFor(channel, message, told, groupOf))) {
      entries.push({ channel: name, message, opens: message.event !== 'recovery' && !told.has(name) });
      if (message.event !== 'recovery') told.add(name);
    }
    byKey.set(state.key, { ...state, told: [...told] });
  }
  return { entries, states: [...byKey.values()] };
}

function isFor(
  { name, receiver, only, minSeverity, databases }: ChannelConfig,
  { event, kind, severity, database }: ProblemMessage,
  told: ReadonlySet<string>,
  groupOf: (database: string) => string,
): boolean {
  if (receiver.kind === 'ping') return false;
  if (event === 'recovery') return told.has(name);
  if (only !== null && !only.includes(kind)) return false;
  if (minSeverity === 'critical' && severity !== 'critical') return false;
  if (databases === null) return true;
  return database !== null && (databases.includes(database) || databases.includes(groupOf(database)));
}

/** For the channels that watch this schedule. */
export function routedRun(message: RunMessage, channels: readonly ChannelConfig[]): Entry[] {
  return channels
    .filter(({ receiver }) => receiver.kind === 'ping' && receiver.options.schedule === message.schedule)
    .map(({ name }) => ({ channel: name, message, opens: false }));
}
