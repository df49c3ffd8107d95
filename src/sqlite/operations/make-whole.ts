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

/**
 * @param frames how many of the log's frames were committed when it was copied. SQLite reads a log up to its first bad checksum, without
 *   a word: a copy of it that is cut short, or has one wrong bit, would be an older database, or a torn one.
 * @throws JobError `io` when the copied log is not all there; `damaged`, `full`, …
 */
export function makeWhole({ path, frames }: { path: string; frames: number }): Whole {
  let connection: Connection | undefined;
  try {
    connection = openCopyForWriting(path);
    const [passive] = connection.pragma('wal_checkpoint(PASSIVE)') as readonly Checkpointed[];
    if (passive === undefined || passive.log < frames || passive.checkpointed !== passive.log)
      throw new JobError(
        'io',
        `of the log copied to ${path} only ${passive?.checkpointed ?? 0} frames could be used, of at least ${frames}: the copy was thrown away`,
      );
    const [truncated] = connection.pragma('wal_checkpoint(TRUNCATE)') as readonly Checkpointed[];
    const mode = connection.pragma('journal_mode = DELETE', { simple: true });
    const facts = { pageCount: numberPragma(connection, 'page_count'), schemaSha256: schemaSha256(connection) };
    connection.close();
    if (truncated?.busy !== 0 || mode !== 'delete' || existsSync(`${path}-wal`))
      throw new JobError('io', `the log of ${path}, a copy of ours, could not be brought into it`);
    return facts;
  } catch (error) {
    connection?.close();
    throw toDatabaseError(error, `cannot make ${path} whole`);
  }
}

interface Checkpointed {
  readonly busy: number;
  readonly log: number;
  readonly checkpointed: number;
}
