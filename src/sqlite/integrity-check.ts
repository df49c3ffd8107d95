/**
 * SQLite's own check, as far as this program can carry it. integrity_check stops on sound databases whose functions, collations or
 * tokenizers we lack: what cannot be verified is not damaged, and what can be verified still is. So where the file cannot be checked as
 * a whole its tables are, one by one; rows found before a check stopped are as true as any.
 *
 * quick_check of the file and integrity_check of each table are together as good as the full check: SQLite runs the same code for all
 * three, of which quick_check leaves out only what compares a table's rows with its indexes, and the check of a table only what belongs to
 * no table. So two processes can share it (jobs/shared-proof.ts).
 *
 * Changes nothing but settings of the connection it is given.
 */
import { errorCodeOf } from '../errors.js';
import { classifyFindings, type Findings, joined, together } from './findings.js';
import type { Connection } from './open.js';
import { toDatabaseError } from './result-codes.js';
import { checkableTables, quoteIdentifier } from './schema.js';

export type CheckMode = 'full' | 'quick';

export interface Checked {
  /** The strongest check of the whole file that came to its end; `none`: the schema needs what this program lacks (`limited`). */
  readonly integrity: CheckMode | 'none';
  readonly findings: Findings;
  /** Why a lesser check than asked for had to do, table by table where that is known. */
  readonly limited?: string;
  /**
   * Set where only single tables could be checked. SQLite then looks neither for pages that nobody uses nor for those used twice, and
   * not at the list of free ones.
   */
  readonly byTable?: { readonly checked: number; readonly unchecked: readonly string[] };
}

/** What one pragma answered; `lack` is what stopped it when this program does not have what it needs. */
export interface Answer {
  readonly findings: Findings;
  readonly lack: string | undefined;
}

type Constraints = 'checked' | 'ignored';

/**
 * The strongest check that this program is able to do; findings are returned, not thrown.
 *
 * @throws JobError as SQLite's code says, when the check fails otherwise than for want of something, before it has found damage
 */
export function checkIntegrity(connection: Connection, mode: CheckMode): Checked {
  const asked = ask(connection, mode, 'checked');
  if (asked.lack === undefined) return { integrity: mode, findings: asked.findings };
  const limited = `${nameOf(mode)}: ${asked.lack}`;
  // Where only a CHECK constraint needs what we lack, all the rest is checked as asked for.
  const lenient = ask(connection, mode, 'ignored');
  if (lenient.lack === undefined)
    return { integrity: mode, findings: joined([asked.findings, lenient.findings]), limited };
  const already = joined([asked.findings, lenient.findings]);
  if (already.damage.length > 0) return { integrity: 'none', findings: already, limited };

  const structure = mode === 'full' ? ask(connection, 'quick', 'ignored') : lenient;
  const tables = checkableTables(connection).map((name) => checkTable(connection, name, mode));
  const findings = joined([asked, lenient, structure, ...tables].map((answer) => answer.findings));
  const wholeFile = structure.lack === undefined;
  const limits = tables.flatMap((table) => limitOf(table, wholeFile));
  const more = limits.length > 10 ? [`${limits.length - 10} more tables`] : [];
  const said = limits.length === 0 ? limited : [...limits.slice(0, 10), ...more].join('; ');
  if (wholeFile) return { integrity: 'quick', findings, limited: said };
  return {
    integrity: 'none',
    findings,
    limited: said,
    byTable: {
      // SQLite's own tables are always readable: they prove nothing about the application's.
      checked: tables.filter(({ name, depth }) => depth !== 'none' && !name.startsWith('sqlite_')).length,
      unchecked: tables.filter(({ depth }) => depth === 'none').map(({ name }) => name),
    },
  };
}

/**
 * The full check of these tables and their indexes alone, up to the first that needs what this program lacks.
 *
 * @param names each of which can be checked alone
 * @throws JobError as checkIntegrity does
 */
export function checkTables(connection: Connection, names: readonly string[]): Answer {
  const found: Findings[] = [];
  for (const name of names) {
    const { findings, lack } = ask(connection, 'full', 'checked', name);
    found.push(findings);
    if (lack !== undefined) return { findings: together(found), lack };
  }
  return { findings: together(found), lack: undefined };
}

/** The pragma would take 12 of a table named 12_months for how many findings are wanted, and check the whole file. */
export const canBeCheckedAlone = (name: string): boolean => !/^[+-]?\d/.test(name);

interface TableCheck {
  readonly name: string;
  readonly findings: Findings;
  /** How far it could be checked. */
  readonly depth: 'as asked' | 'without CHECK constraints' | 'quick' | 'none';
  /** Why no further; empty: nothing is lacking. */
  readonly lack: string;
}

function checkTable(connection: Connection, name: string, mode: CheckMode): TableCheck {
  if (!canBeCheckedAlone(name)) {
    const lack = 'its name begins with a number, and SQLite cannot check such a table alone';
    return { name, findings: joined([]), depth: 'none', lack };
  }
  const found: Findings[] = [];
  let why: string | undefined;
  const depths = [
    ['as asked', mode, 'checked'],
    ['without CHECK constraints', mode, 'ignored'],
    ...(mode === 'full' ? ([['quick', 'quick', 'ignored']] as const) : []),
  ] as const;
  for (const [depth, check, constraints] of depths) {
    const { findings, lack } = ask(connection, check, constraints, name);
    found.push(findings);
    if (lack === undefined) return { name, findings: joined(found), depth, lack: why ?? '' };
    why ??= lack;
  }
  return { name, findings: joined(found), depth: 'none', lack: why ?? '' };
}

/** @param wholeFile whether quick_check has been through the whole file, and so through this table */
function limitOf({ name, depth, lack }: TableCheck, wholeFile: boolean): string[] {
  if (depth === 'as asked') return [];
  const extent = depth === 'none' && wholeFile ? 'quick' : depth;
  return [
    `${name}: ${{ 'without CHECK constraints': depth, quick: 'quick_check only', none: 'not checked' }[extent]} (${lack})`,
  ];
}

/**
 * One pragma, at most a hundred findings: more tell nobody more.
 *
 * Without `cell_size_check` meanwhile: the check validates each cell itself, and with the pragma takes 2.5 times as long (1.67 s instead
 * of 0.67 s for 300 MB).
 */
function ask(connection: Connection, check: CheckMode, constraints: Constraints, table?: string): Answer {
  const rows: string[] = [];
  connection.pragma('cell_size_check = OFF');
  connection.pragma(`ignore_check_constraints = ${constraints === 'ignored' ? 'ON' : 'OFF'}`);
  try {
    const of = table === undefined ? '100' : quoteIdentifier(table);
    for (const row of connection
      .prepare(`PRAGMA ${nameOf(check)}(${of})`)
      .pluck()
      .iterate())
      rows.push(String(row));
    return { findings: classifyFindings(rows), lack: undefined };
  } catch (error) {
    const findings = classifyFindings(rows);
    const lack = lackOf(error);
    if (lack !== undefined) return { findings, lack };
    const failure = toDatabaseError(error, nameOf(check));
    // What the storage failed to deliver proves nothing, and what was read before it is no better.
    if (failure.code === 'io' || findings.damage.length === 0) throw failure;
    return { findings: { ...findings, damage: [...findings.damage, failure.message] }, lack: undefined };
  } finally {
    connection.pragma('ignore_check_constraints = OFF');
    connection.pragma('cell_size_check = ON');
  }
}

/** What this program lacks, in SQLite's words; undefined: the check failed for another reason. */
function lackOf(error: unknown): string | undefined {
  const said = error instanceof Error ? error.message : String(error);
  // An FTS5 table whose tokenizer we lack says no more than "SQL logic error"; the pragma itself has none.
  if (errorCodeOf(error) === 'SQLITE_ERROR') return said;
  return toDatabaseError(error, '').code === 'unverifiable' ? said : undefined;
}

const nameOf = (check: CheckMode): string => (check === 'full' ? 'integrity_check' : 'quick_check');
