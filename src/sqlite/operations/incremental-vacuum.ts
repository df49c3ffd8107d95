/**
 * The incremental vacuum in small steps, each a transaction of its own, with pauses in which writers come first. It gives back free pages;
 * it does not defragment. Its pace (stepping.ts) decides how long a commit waits: all in one go it was 631 ms at worst.
 *
 * Killed between two steps or in one, what was freed stays freed and the rest is free pages as before: the next run goes on.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { errorCodeOf } from '../../errors.js';
import { checkpoint } from '../checkpoint.js';
import { monitorConnection } from '../monitor.js';
import { type Connection, openCopyForRehearsal } from '../open.js';
import { toDatabaseError } from '../result-codes.js';
import { numberPragma } from '../schema.js';
import { firstPages, nextPages, pauseAfter } from '../stepping.js';
import { afterFailure, mayTruncateNow, type RewriteSite } from './vacuum.js';

/** In a step where nobody waits, on a copy: there it takes long by its syncs only. */
const pagesAlone = 500;
/** Pauses for a database that is locked, within the budget. */
const busyPauseMs = 100;

export interface IncrementallyVacuumed {
  readonly pageSize: number;
  readonly freedPages: number;
  /** Free pages that are left: the time was over, or an application has freed more meanwhile. */
  readonly pagesLeft: number;
  /** Whether as many are freed as were free at the beginning. */
  readonly finished: boolean;
  readonly steps: number;
  /** The longest that a writer had to wait for one step. */
  readonly worstStepMs: number;
  readonly durationMs: number;
}

/**
 * Until as many pages are freed as were free at the beginning, or the budget is used up.
 *
 * @param budgetMs at least one step is made, whatever it is
 * @throws JobError `busy` when the database was locked from beginning to end; otherwise as SQLite's code says
 */
export async function incrementalVacuum(
  { site, budgetMs }: { site: RewriteSite; budgetMs: number },
  progress: (done: number, total: number) => void,
): Promise<IncrementallyVacuumed> {
  const isShared = site.on === 'monitor';
  const connection = isShared ? monitorConnection() : openCopyForRehearsal(site.path);
  const started = performance.now();
  const spent = (): number => performance.now() - started;
  try {
    const free = numberPragma(connection, 'freelist_count');
    let freed = 0;
    let steps = 0;
    let worstStepMs = 0;
    let pages = isShared ? firstPages : pagesAlone;
    let nothingLeft = false;
    while (freed < free && (steps === 0 || spent() < budgetMs)) {
      const step = tryStep(connection, pages, spent() < budgetMs);
      if (step === undefined) {
        await pause(busyPauseMs);
        continue;
      }
      steps += 1;
      freed += step.freed;
      worstStepMs = Math.max(worstStepMs, step.durationMs);
      progress(Math.min(freed, free), free);
      // Nothing left to free, or a database that frees nothing this way.
      nothingLeft = step.freed <= 0;
      if (nothingLeft) break;
      if (isShared) {
        // Each time: an application whose commit finds a long log writes it into the database itself, and waits (up to 0.2 s, not 0.03).
        checkpoint(connection, 'passive');
        pages = nextPages(pages, step.durationMs);
      }
      await pause(isShared ? pauseAfter(step.durationMs, Math.random()) : 0);
    }
    checkpoint(connection, mayTruncateNow(site) ? 'truncate' : 'passive');
    return {
      pageSize: numberPragma(connection, 'page_size'),
      freedPages: freed,
      pagesLeft: numberPragma(connection, 'freelist_count'),
      finished: nothingLeft || freed >= free,
      steps,
      worstStepMs: Math.round(worstStepMs * 10) / 10,
      durationMs: Math.round(spent()),
    };
  } catch (error) {
    afterFailure(connection, site, error);
    throw toDatabaseError(error, `cannot vacuum ${site.path} step by step`);
  } finally {
    if (site.on === 'copy') connection.close();
  }
}

/** Undefined when another held the lock for as long as we wait, and there is time to try again. */
function tryStep(
  connection: Connection,
  pages: number,
  mayWait: boolean,
): { freed: number; durationMs: number } | undefined {
  try {
    connection.exec('BEGIN IMMEDIATE');
    const began = performance.now();
    const before = numberPragma(connection, 'page_count');
    // exec, which steps the statement to its end: each row it answers is one page freed.
    connection.exec(`PRAGMA incremental_vacuum(${pages})`);
    const freed = before - numberPragma(connection, 'page_count');
    connection.exec('COMMIT');
    return { freed, durationMs: performance.now() - began };
  } catch (error) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    if (mayWait && errorCodeOf(error)?.startsWith('SQLITE_BUSY') === true) return undefined;
    throw error;
  }
}
