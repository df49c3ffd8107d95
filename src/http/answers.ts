/** Which address answers what. Pure but for the metrics, which count. */
import type { Overview } from '../overview/overview.js';
import { databaseHealth, programHealth } from './health-answer.js';
import type { ChannelCounts, Metrics } from './metrics.js';
import { contentSecurityPolicy, type StatusPageChoice, statusPage, statusPageChoice } from './status-page.js';

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Content security policy; null: nothing at all is loaded or run. */
  readonly policy: string | null;
}

export interface AnswerSources {
  readonly overview: () => Overview;
  readonly metrics: Metrics;
  readonly channels: () => readonly ChannelCounts[];
}

/** What is asked for, and what of it: of the query no more than makes another answer, so that equal questions have equal answers. */
export interface Question {
  readonly path: Path | 'unknown';
  readonly choice: StatusPageChoice;
}

const choiceUsed = {
  '/': (choice: StatusPageChoice) => choice,
  '/health': () => ({}),
  '/health/database': ({ database }: StatusPageChoice) => (database === undefined ? {} : { database }),
  '/metrics': () => ({}),
} as const satisfies Record<string, (choice: StatusPageChoice) => StatusPageChoice>;

type Path = keyof typeof choiceUsed;

/** @param target whatever a client sends: a path with a query, an absolute address, nonsense (undefined) */
export function parseTarget(target: string): Question | undefined {
  try {
    // Nothing here is a file: a path is only ever compared.
    const { pathname, searchParams } = new URL(target, 'http://localhost');
    if (!isPath(pathname)) return { path: 'unknown', choice: {} };
    return { path: pathname, choice: choiceUsed[pathname](statusPageChoice(searchParams)) };
  } catch {
    return undefined;
  }
}

function isPath(text: string): text is Path {
  return Object.hasOwn(choiceUsed, text);
}

export async function answerTo({ path, choice }: Question, sources: AnswerSources): Promise<Answer> {
  const { overview, metrics, channels } = sources;
  switch (path) {
    case '/health':
      return json(200, programHealth(overview()));
    case '/health/database':
      return healthAnswer(overview(), choice);
    case '/metrics': {
      const body = await metrics.text(overview(), channels());
      return { status: 200, contentType: metrics.contentType, body, policy: null };
    }
    case '/':
      return pageAnswer(overview(), choice);
    case 'unknown':
      return text(404, 'there is /, /health, /health/database and /metrics');
  }
}

/** 500 when unhealthy, so that a load balancer or probe needs to read nothing. */
function healthAnswer({ at, databases, unlisted }: Overview, { database }: StatusPageChoice): Answer {
  const chosen = databases.filter(
    ({ name, group }) => database === undefined || name === database || group === database,
  );
  const missing = unlisted.filter(({ name }) => database === undefined || name === database);
  if (database !== undefined && chosen.length + missing.length === 0)
    return json(404, { error: 'there is no such database', databases: databases.map(({ name }) => name) });
  const health = databaseHealth(at, chosen, missing);
  return json(health.status === 'unhealthy' ? 500 : 200, health);
}

function pageAnswer(overview: Overview, choice: StatusPageChoice): Answer {
  const { database } = choice;
  if (database !== undefined && !overview.databases.some(({ name }) => name === database))
    return text(404, 'there is no such database');
  return {
    status: 200,
    contentType: 'text/html; charset=utf-8',
    body: statusPage(overview, choice),
    policy: `${contentSecurityPolicy}; frame-ancestors 'none'`,
  };
}

export function text(status: number, message: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${message}\n`, policy: null };
}

function json(status: number, document: object): Answer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(document, undefined, 2)}\n`, policy: null };
}
