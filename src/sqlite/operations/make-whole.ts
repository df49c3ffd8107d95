/**
 * Makes a copied database and its copied log one file, in rollback-journal mode: what every stored backup is. Only for copies of ours that
 * nobody else has; a crash leaves them, under temporary names, to be swept.
 */
import { existsSync } from 'node:fs';
import { JobError } from '../../errors.js';
import { type Connection, openCopyForWriting } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { numberPragma, schemaSha256 } from '../schema.js';

export interface Whole {
  readonly pageCount: number;
  readonly schemaSha256: string;
}

/** @throws JobError `damaged`, `full`, `io`, … */
export function makeWhole({ path }: { path: string }): Whole {
  let connection: Connection | undefined;
  try {
    connection = openCopyForWriting(path);
    const checkpoint = connection.pragma('wal_checkpoint(TRUNCATE)') as readonly { readonly busy: number }[];
    const mode = connection.pragma('journal_mode = DELETE', { simple: true });
    const facts = { pageCount: numberPragma(connection, 'page_count'), schemaSha256: schemaSha256(connection) };
    connection.close();
    if (checkpoint[0]?.busy !== 0 || mode !== 'delete' || existsSync(`${path}-wal`))
      throw new JobError('io', `the log of ${path}, a copy of ours, could not be brought into it`);
    return facts;
  } catch (error) {
    connection?.close();
    throw toDatabaseError(error, `cannot make ${path} whole`);
  }
}
