/**
 * What tells, after a restore that was cut off, whether it was carried out: SQLite counts a database's schema version up with each restore.
 * What it was before stands in the quarantine.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { errorCodeOf, toFileError } from '../errors.js';

const quarantineSchema = z.object({
  database: z.string(),
  runId: z.string(),
  backup: z.string().nullish(),
  files: z.array(z.object({ name: z.string(), sizeBytes: z.number(), sha256: z.string() })),
});

const checkSchema = z.object({ schemaVersion: z.number().nullable() });

export interface FoundQuarantine {
  readonly directory: string;
  readonly files: z.output<typeof quarantineSchema>['files'];
  /** What the database had before; null: it could not be read. */
  readonly schemaVersion: number | null;
}

/**
 * The quarantine of that restore; null: it was cut off before there was one, and nothing was changed.
 *
 * @throws JobError `io`, `permission`, … when one cannot be read
 */
export function findQuarantine(request: {
  readonly directory: string;
  readonly database: string;
  readonly runId: string;
  /** What was to be restored: a repair of the same run has put files into quarantine, too. */
  readonly backup: string;
}): FoundQuarantine | null {
  for (const name of namesIn(request.directory)) {
    const directory = join(request.directory, name);
    const document = quarantineSchema.safeParse(parsed(join(directory, 'quarantine.json')));
    if (!document.success) continue;
    const { runId, database, backup } = document.data;
    if (runId !== request.runId || database !== request.database || backup !== request.backup) continue;
    const check = checkSchema.safeParse(parsed(join(directory, 'check.json')));
    // Only half of a quarantine: no more has been done.
    if (!check.success) return null;
    return { directory, files: document.data.files, schemaVersion: check.data.schemaVersion };
  }
  return null;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return [];
    throw toFileError(error, `cannot list ${directory}`);
  }
}

/** Undefined: there is none, or only half of one. @throws JobError when it cannot be read: that says nothing about what is in it */
function parsed(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCodeOf(error) ?? '')) return undefined;
    throw toFileError(error, `cannot read ${path}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
