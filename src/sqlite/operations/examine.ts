/** All that can be said of a live database without changing it: is it sound, has it the schema it had, how many rows has each table. */
import { JobError } from '../../errors.js';
import { classifyFindings, type Findings } from '../findings.js';
import { checkIntegrity } from '../integrity-check.js';
import { type Connection, type Identity, openForReading } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { countRows, schemaSha256, tableNames } from '../schema.js';

export interface Examination {
  readonly findings: Findings;
  /** Null where it cannot be read. */
  readonly schemaSha256: string | null;
  readonly tables: Readonly<Record<string, number>> | null;
}

/**
 * As of one moment: in WAL mode others go on writing, in rollback-journal mode their commits wait meanwhile.
 *
 * @throws JobError as SQLite's code says, but for damage met while it is read: that is a finding
 */
export function examine({ path, identity }: { path: string; identity: Identity }): Examination {
  const connection = openForReading(path, identity);
  try {
    connection.exec('BEGIN');
    const findings = orDamage(path, () => wholeCheck(path, connection));
    const schema = orDamage(path, () => schemaSha256(connection));
    const tables = orDamage(path, () => rowsOf(connection));
    const met = [findings, schema, tables].flatMap((each) => (each.ok ? [] : [each.message]));
    const seen = findings.ok ? findings.value : classifyFindings([]);
    return {
      findings: { ...seen, damage: [...seen.damage, ...met] },
      schemaSha256: schema.ok ? schema.value : null,
      tables: tables.ok ? tables.value : null,
    };
  } catch (error) {
    throw toDatabaseError(error, `cannot check ${path}`);
  } finally {
    connection.close();
  }
}

/** Less than the whole check says nothing about what a rewrite has left. @throws JobError `unverifiable` */
function wholeCheck(path: string, connection: Connection): Findings {
  const { findings, limited } = checkIntegrity(connection, 'full');
  if (limited !== undefined && findings.damage.length === 0)
    throw new JobError('unverifiable', `cannot check ${path}: ${limited}`);
  return findings;
}

type Read<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly message: string };

function orDamage<Value>(path: string, read: () => Value): Read<Value> {
  try {
    return { ok: true, value: read() };
  } catch (thrown) {
    const error = toDatabaseError(thrown, `cannot check ${path}`);
    if (error.code !== 'damaged') throw error;
    return { ok: false, message: error.message };
  }
}

const rowsOf = (connection: Connection): Record<string, number> => countRows(connection, tableNames(connection));
