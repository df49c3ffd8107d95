/** The kinds of job, one line each. To add one: its file, its line here, its test, its block in config.example.yaml. */
import { analyze } from './analyze.js';
import { backup } from './backup.js';
import { health } from './health.js';
import { integrity } from './integrity.js';
import { reindex } from './reindex.js';
import { report } from './report.js';
import { retention } from './retention.js';
import { vacuum } from './vacuum.js';
import { verify } from './verify.js';

export type { JobOptions } from './options.js';

/** Kinds that work on one database at a time. */
export const databaseKinds = { backup, integrity, vacuum, reindex, analyze, verify, retention, health } as const;

/** `report` is about the whole run and comes after all databases. */
export const jobKinds = { ...databaseKinds, report } as const;

export type DatabaseKindName = keyof typeof databaseKinds;
export type JobKindName = keyof typeof jobKinds;

export const jobKindNames = Object.keys(jobKinds) as readonly JobKindName[];

export function isDatabaseKind(name: JobKindName): name is DatabaseKindName {
  return name in databaseKinds;
}
