/**
 * What the rows of an integrity check mean. Pure.
 *
 * Not every row speaks of damage: SQLite also reports values that break a constraint (an application's matter: the file is sound), and
 * pages that it could not read (the storage's matter: one transient EIO makes a healthy file look corrupt).
 */
export interface Findings {
  /** The structure of the file is damaged, or an index disagrees with its table. */
  readonly damage: readonly string[];
  /** The storage failed while the check ran: says nothing about the database. */
  readonly unreadable: readonly string[];
  /**
   * What is the application's to mend: values that break the schema's constraints, a full-text index that is behind its content (FTS has
   * a `rebuild` for that) or whose content is gone. Reported, never damage.
   */
  readonly constraints: readonly string[];
}

/** What the pages say comes in one row under this heading, a line each. It never contains a name, which could say anything. */
const pageHeading = /^\*\*\* in database \w+ \*\*\*\n/;
const unreadable = /error code=|unable to get the page/i;
const constraint =
  /^(?:NULL value in|CHECK constraint failed in|(?:NUMERIC|TEXT|BLOB|INT|INTEGER|REAL|ANY|non-\w+) value in|(?:unable to validate the|malformed) inverted index)/i;

/** Sorts what `PRAGMA integrity_check` or `quick_check` answered; the row `ok` is no finding. */
export function classifyFindings(rows: readonly string[]): Findings {
  const pages = rows
    .filter((row) => pageHeading.test(row))
    .flatMap((row) => row.replace(pageHeading, '').split('\n'))
    .filter((line) => line !== '');
  const others = rows.filter((row) => row !== 'ok' && !pageHeading.test(row));
  return {
    damage: [...pages.filter((line) => !unreadable.test(line)), ...others.filter((row) => !constraint.test(row))],
    unreadable: pages.filter((line) => unreadable.test(line)),
    constraints: others.filter((row) => constraint.test(row)),
  };
}

/** All of them together, each row once. */
export function joined(found: readonly Findings[]): Findings {
  const each = (rows: (findings: Findings) => readonly string[]): string[] => [...new Set(found.flatMap(rows))];
  return {
    damage: each(({ damage }) => damage),
    unreadable: each((findings) => findings.unreadable),
    constraints: each(({ constraints }) => constraints),
  };
}

/** What checks of different tables have found: every row of each. */
export function together(found: readonly Findings[]): Findings {
  return {
    damage: found.flatMap(({ damage }) => damage),
    unreadable: found.flatMap(({ unreadable }) => unreadable),
    constraints: found.flatMap(({ constraints }) => constraints),
  };
}

/** What two checks of the same have found: each row as often as the one that has it more often. */
export function united(one: Findings, other: Findings): Findings {
  const each = (rows: (findings: Findings) => readonly string[]): string[] => {
    const known = [...rows(one)];
    const left = new Map<string, number>();
    for (const row of known) left.set(row, (left.get(row) ?? 0) + 1);
    for (const row of rows(other)) {
      const count = left.get(row) ?? 0;
      if (count > 0) left.set(row, count - 1);
      else known.push(row);
    }
    return known;
  };
  return {
    damage: each(({ damage }) => damage),
    unreadable: each(({ unreadable }) => unreadable),
    constraints: each(({ constraints }) => constraints),
  };
}

/** What the check says of an index that differs from its table. What it calls a row is a count, not the rowid. */
const ofIndex =
  /^(?:row -?\d+ (?:missing from|values differ from) index|rowid not at end-of-record for row -?\d+ of index|non-unique entry in index|wrong # of entries in index) (?<name>.+)$/;

/** As many findings as a check tells at most: there may be more, of any kind. */
const mostFindings = 100;

/** The indexes that differ from their tables, when that is all that is wrong; undefined: it is not, or not known to be. */
export function damagedIndexes(damage: readonly string[]): readonly string[] | undefined {
  if (damage.length === 0 || damage.length >= mostFindings) return undefined;
  const names = damage.map((row) => ofIndex.exec(row)?.groups?.['name']);
  const known = names.filter((name) => name !== undefined);
  return known.length === names.length ? [...new Set(known)] : undefined;
}
