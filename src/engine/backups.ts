/** The backups of a database: a child process reads the directory, and the host says what of it are backups. */
import { type Backups, backupsAmong } from '../files/backups.js';
import type { CallOptions, Session } from './engine.js';

/** @throws JobError `io`, `permission`, … when the directory cannot be read; one that is not there holds none */
export async function readBackups(
  session: Pick<Session, 'call'>,
  of: { readonly directory: string; readonly database: string },
  options?: CallOptions,
): Promise<Backups> {
  return backupsAmong(await session.call('readCatalog', of, options), of);
}
