/**
 * What is told of the open problems, and when. Pure: what was told before, what is seen now, the time; answered with messages and with
 * what is to be remembered.
 *
 * - A problem is told when it is new, and again when it is worse than it was ever told: more severe, of a worse kind, or another restore.
 * - What is only late is not told while a run is under way that may settle it: after a start, the missed run that is made up for.
 * - What is still open is told again after `remindAfterMs`.
 * - Its end is told when it is not among the problems any more, and that proves something: not while the records cannot be read.
 * - What has come three times within an hour is flapping: its third message says so, and then nothing is told until it has stayed away
 *   for an hour, or is worse, or a reminder is due.
 */
import type { OpenProblem, ProblemMessage } from './message.js';

/** What is remembered of a problem from its first message until an hour after its last. Plain JSON; times are ISO 8601. */
export interface AlertState {
  readonly key: string;
  readonly dedupKey: string;
  /** As bad as it was ever told. */
  readonly kind: OpenProblem['kind'];
  readonly severity: OpenProblem['severity'];
  readonly database: string | null;
  readonly schedule: string | null;
  readonly title: string;
  readonly since: string;
  readonly toldAt: string;
  /** The moment of the newest picture that was compared with it. */
  readonly seenAt: string;
  /** When it appeared, those within an hour. */
  readonly openings: readonly string[];
  /** Since when it has been gone; null: it is open. */
  readonly goneAt: string | null;
  readonly isOverTold: boolean;
  /** The channels that know of it. */
  readonly told: readonly string[];
}

export interface Observation {
  readonly at: Date;
  readonly host: string;
  readonly problems: readonly OpenProblem[];
  readonly mayBeSettled: (problem: OpenProblem) => boolean;
  /**
   * What it means that a problem of this database (null: of none) is not among them. `unwatched`: nobody looks at this database any more;
   * it was taken out of the configuration, or is not found at the moment.
   */
  readonly absence: (database: string | null) => 'over' | 'unknown' | 'unwatched';
}

export interface Transitions {
  readonly messages: readonly ProblemMessage[];
  readonly states: readonly AlertState[];
}

const flapsMs = 3_600_000;
const flapsFrom = 3;
const unwatchedMs = 86_400_000;
/** Two processes look at once, and the slower one may come second with the older picture. A larger difference is a clock put right. */
const lateMs = 600_000;

export function transitions(
  previous: readonly AlertState[],
  seen: Observation,
  now: Date,
  remindAfterMs: number,
): Transitions {
  const open = worstByKey(seen.problems);
  const known = new Map(previous.map((state) => [state.key, state]));
  const messages: ProblemMessage[] = [];
  const states: AlertState[] = [];
  const keep = ({ state, message }: Step): void => {
    if (state !== undefined) states.push(state);
    if (message !== undefined) messages.push(message);
  };
  for (const problem of open.values()) {
    const state = known.get(problem.key);
    if (state === undefined) keep(seen.mayBeSettled(problem) ? { state } : begun(problem, seen, now));
    else if (isLate(state, seen)) keep({ state });
    else keep(present(state, problem, seen, now, remindAfterMs));
  }
  for (const state of previous) {
    if (open.has(state.key)) continue;
    keep(isLate(state, seen) ? { state } : absent(state, seen, now));
  }
  return { messages, states };
}

interface Step {
  readonly state: AlertState | undefined;
  readonly message?: ProblemMessage;
}

function begun(problem: OpenProblem, seen: Observation, now: Date): Step {
  const at = now.toISOString();
  const state: AlertState = {
    ...worst(problem),
    dedupKey: `${seen.host}/${problem.key}`,
    toldAt: at,
    seenAt: seen.at.toISOString(),
    openings: [at],
    goneAt: null,
    isOverTold: false,
    told: [],
  };
  return { state, message: told('problem', problem, state, seen, now) };
}

function present(state: AlertState, problem: OpenProblem, seen: Observation, now: Date, remindAfterMs: number): Step {
  const at = now.toISOString();
  const openings = recent(state.openings, now);
  const here: AlertState = {
    ...state,
    seenAt: seen.at.toISOString(),
    // A clock that ran ahead must not keep the reminders back.
    toldAt: Date.parse(state.toldAt) > now.getTime() ? at : state.toldAt,
    openings: state.goneAt === null ? openings : [...openings, at],
    goneAt: null,
  };
  if (state.isOverTold) {
    const again: AlertState = { ...here, ...worst(problem), toldAt: at, isOverTold: false, told: [] };
    return { state: again, message: told('problem', problem, again, seen, now) };
  }
  if (isWorse(problem, state)) {
    const worse: AlertState = { ...here, ...worst(problem, state), toldAt: at };
    return { state: worse, message: told('problem', problem, worse, seen, now) };
  }
  if (remindAfterMs > 0 && now.getTime() - Date.parse(here.toldAt) >= remindAfterMs) {
    const reminded: AlertState = { ...here, toldAt: at };
    return { state: reminded, message: told('reminder', problem, reminded, seen, now) };
  }
  return { state: here };
}

function absent(state: AlertState, seen: Observation, now: Date): Step {
  const absence = seen.absence(state.database);
  if (absence === 'unknown') return { state };
  const at = now.toISOString();
  const goneAt = state.goneAt === null || Date.parse(state.goneAt) > now.getTime() ? at : state.goneAt;
  const goneMs = now.getTime() - Date.parse(goneAt);
  const gone: AlertState = { ...state, goneAt, seenAt: seen.at.toISOString() };
  if (state.isOverTold) return { state: goneMs >= flapsMs ? undefined : gone };
  const patienceMs = absence === 'unwatched' ? unwatchedMs : isFlapping(state.openings, now) ? flapsMs : 0;
  if (goneMs < patienceMs) return { state: gone };
  const over: AlertState = { ...gone, isOverTold: true };
  const message =
    absence === 'unwatched'
      ? 'Nobody looks at this database any more.'
      : 'It no longer stands open: it went well since, or somebody has acknowledged it.';
  return {
    state: over,
    message: told('recovery', { ...state, message, advice: '', since: new Date(state.since) }, over, seen, now),
  };
}

/** What the state says of the worst that was told. */
function worst(
  problem: OpenProblem,
  before?: Pick<AlertState, 'kind' | 'severity' | 'since'>,
): Pick<AlertState, 'key' | 'kind' | 'severity' | 'database' | 'schedule' | 'title' | 'since'> {
  const { key, database, schedule, title } = problem;
  return {
    key,
    database,
    schedule,
    title,
    kind: before !== undefined && kindRank[before.kind] > kindRank[problem.kind] ? before.kind : problem.kind,
    severity: before?.severity === 'critical' ? 'critical' : problem.severity,
    since: problem.since.toISOString(),
  };
}

const kindRank: Readonly<Record<OpenProblem['kind'], number>> = { overdue: 0, failure: 1, damage: 2, restore: 3 };

function isWorse(problem: OpenProblem, state: AlertState): boolean {
  if (problem.severity === 'critical' && state.severity === 'warning') return true;
  if (kindRank[problem.kind] > kindRank[state.kind]) return true;
  return problem.kind === 'restore' && problem.since.getTime() > Date.parse(state.since);
}

/** Two findings may go by one key: the worse one speaks for both. */
function worstByKey(problems: readonly OpenProblem[]): Map<string, OpenProblem> {
  const rank = ({ severity, kind }: OpenProblem): number => (severity === 'critical' ? 10 : 0) + kindRank[kind];
  const byKey = new Map<string, OpenProblem>();
  for (const problem of problems) {
    const other = byKey.get(problem.key);
    if (other === undefined || rank(problem) > rank(other)) byKey.set(problem.key, problem);
  }
  return byKey;
}

function recent(openings: readonly string[], now: Date): string[] {
  return openings.filter((at) => Math.abs(now.getTime() - Date.parse(at)) < flapsMs);
}

function isFlapping(openings: readonly string[], now: Date): boolean {
  return recent(openings, now).length >= flapsFrom;
}

function isLate({ seenAt }: AlertState, { at }: Observation): boolean {
  const behindMs = Date.parse(seenAt) - at.getTime();
  return behindMs > 0 && behindMs < lateMs;
}

function told(
  event: ProblemMessage['event'],
  about: Pick<
    OpenProblem,
    'key' | 'kind' | 'severity' | 'database' | 'schedule' | 'title' | 'message' | 'advice' | 'since'
  >,
  state: AlertState,
  { host }: Observation,
  now: Date,
): ProblemMessage {
  const { key, kind, severity, database, schedule, title, message, advice } = about;
  return {
    event,
    dedupKey: state.dedupKey,
    key,
    kind,
    severity,
    database,
    schedule,
    title,
    message,
    advice,
    since: about.since.toISOString(),
    at: now.toISOString(),
    host,
    flapping: isFlapping(state.openings, now),
  };
}
