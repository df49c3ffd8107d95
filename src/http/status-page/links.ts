/** Where a link of the page leads: the choice of the reader, kept from one page to the next. */

/** What the reader asked for, by the query of the address. */
export interface StatusPageChoice {
  /** Show this one database, with all its backups. */
  readonly database?: string;
  /** Load the page anew so often. */
  readonly refreshSeconds?: number;
}

/** Seconds. Few, because each makes a page of its own: a stranger who asks for all numbers there are must not keep the program busy. */
const refreshes: readonly number[] = [10, 30, 60, 300];

/** `?database=NAME&refresh=30`. What makes no sense in it is as if it were not there. */
export function statusPageChoice(query: URLSearchParams): StatusPageChoice {
  const database = query.get('database');
  const seconds = Number(query.get('refresh') ?? Number.NaN);
  return {
    ...(database !== null && database !== '' && { database }),
    ...(refreshes.includes(seconds) && { refreshSeconds: seconds }),
  };
}

/** The same page with another choice, relative to wherever it is served. */
export function linkTo({ database, refreshSeconds }: StatusPageChoice, anchor = ''): string {
  const query = new URLSearchParams();
  if (database !== undefined) query.set('database', database);
  if (refreshSeconds !== undefined) query.set('refresh', String(refreshSeconds));
  const text = query.toString();
  return `${text === '' ? '.' : `?${text}`}${anchor === '' ? '' : `#${anchor}`}`;
}
