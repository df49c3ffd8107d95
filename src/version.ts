/** Who we are: written into manifests and reports. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const packageSchema = z.object({ version: z.string() });

const read = (path: string): string =>
  packageSchema.parse(JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))).version;

export const programVersion = read('../package.json');
/** The SQLite that the pinned better-sqlite3 contains; a test compares it with what the library answers. */
export const sqliteVersion = '3.53.2';
