/**
 * The configuration document: every key with its meaning, unit and default. Made from this one schema: the checks, the defaults, the
 * types, and config.schema.json for editors.
 */
import { z } from 'zod';
import { backupPlace } from '../jobs/backup-place.js';
import { type JobKindName, jobKindNames, jobKinds } from '../jobs/registry.js';
import { notifySchema } from '../notify/settings.js';
import { profileNames } from '../profiles/profile.js';
import { duration, formatDuration, size, timerDuration } from '../units.js';
import { cronMistake, timeZoneMistake } from './cron.js';
import { listenMistake } from './listen.js';

/** Relative to the configuration file, as all paths are. */
export const defaultDirectories = { state: './var/state', reports: './var/reports' } as const;

/** Databases and schedules are named in files, metrics and on the command line. */
const nameSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, {
    error: 'a name begins with a letter or digit and goes on with letters, digits, - and _',
  })
  .max(100, { error: 'a name has at most 100 characters: that of a backup has a database and a schedule in it' });

/** A text that some function finds fault with, or not. */
const text = (mistakeIn: (value: string) => string | undefined) =>
  z
    .string()
    .min(1)
    .superRefine((value, context) => {
      const message = value === '' ? undefined : mistakeIn(value);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    });

function pathMistake(value: string): string | undefined {
  if (value.startsWith('~')) return '~ is not expanded here: write the whole path, or ${HOME}/…';
  return value.includes('\0') ? 'a path cannot contain a NUL character' : undefined;
}

const path = () => text(pathMistake);

const backupPath = () =>
  text((value) => {
    const braces = /\{[^}/]*\}/.exec(backupPlace(value).directory)?.[0];
    if (braces === undefined) return pathMistake(value);
    return `${braces} stands for nothing here: only a whole last part {database} does, as in /backups/{database}`;
  });

const notEmpty = (what: string) =>
  [(value: object) => Object.keys(value).length > 0, { error: `at least one ${what} is needed` }] as const;

const logSchema = z.strictObject({
  level: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('The least severe messages that are written.'),
  file: path()
    .nullable()
    .default(null)
    .describe('Also written to this file, one JSON object a line. Default: standard output only.'),
});

/** The options of every kind of job, as the registry has them. Each kind may be left out: then its defaults hold. */
const jobsShape = Object.fromEntries(
  jobKindNames.map((name) => {
    const { options, description }: { options: z.ZodObject; description: string } = jobKinds[name];
    return [name, options.prefault({}).describe(description)];
  }),
) as { [Name in JobKindName]: z.ZodPrefault<(typeof jobKinds)[Name]['options']> }; // fromEntries forgets which name has which options

const httpSchema = z.strictObject({
  listen: text(listenMistake)
    .default('127.0.0.1:8080')
    .describe('Address and port. Anything but a loopback address can be reached by others: set a token then.'),
  token: z
    .string()
    .min(16, { error: 'at least 16 characters are needed: a longer one cannot be guessed' })
    .optional()
    .describe(
      'Every request must then carry it: as a bearer token, or as the password of any user. At least 16 characters; better as { file } or { credential }.',
    ),
  hosts: z
    .array(z.string().regex(/^[A-Za-z0-9._-]+$/, { error: 'a host name without port is needed' }))
    .default([])
    .describe("Names by which others reach it, besides localhost, this machine's name and addresses: a proxy's, say."),
  max_connections: z.int().min(1).max(10_000).default(100).describe('With one more than these, the oldest is closed.'),
});

/** Options by kind of job; parsed, all of them with all defaults. */
export const jobsSchema = z.strictObject(jobsShape);

/** A program and its arguments; no shell splits or expands anything. */
const hook = () => z.array(z.string()).min(1).optional();

const hooksSchema = z.strictObject({
  before_restore: hook().describe(
    'A program and its arguments, as a list, run without a shell: to stop the application, say. When it fails, nothing is restored.',
  ),
  after_restore: hook().describe('The same, afterwards, also when nothing was restored: to start it again.'),
  timeout: timerDuration().default(300_000).describe('A hook still going after this is stopped, and has failed.'),
});

const databaseSchema = z.strictObject({
  path: path().describe('The SQLite file, or a glob (*, **, ?, [ab], {a,b}) that makes each matching file a database.'),
  backup_directory: backupPath().describe(
    'Where backups are stored; created with mode 0700 on first use. Ending in `/{database}`: a directory for each database, by its name.',
  ),
  profile: z
    .enum(profileNames)
    .optional()
    .describe('What the application is, when it is a known one: its tables and typical queries.'),
  jobs: jobsSchema.prefault({}).describe('Options for this database only, over the common ones.'),
  hooks: hooksSchema
    .prefault({})
    .describe('Programs of yours that run before and after this database is restored in place.'),
});

const kindsSchema = z
  .array(z.enum(jobKindNames))
  .min(1)
  .superRefine((kinds, context) => {
    for (const [index, kind] of kinds.entries()) {
      if (kinds.indexOf(kind) === index) continue;
      context.addIssue({ code: 'custom', path: [index], message: `\`${kind}\` is listed twice` });
    }
  });

const scheduleShape = z.strictObject({
  cron: text(cronMistake).describe(
    'When: five fields (minute hour day-of-month month day-of-week), or @hourly, @daily, @weekly, @monthly, @yearly. In quotes.',
  ),
  jobs: kindsSchema.describe('What is done, in this order.'),
  catch_up: z
    .boolean()
    .optional()
    .describe(
      'Whether a run missed while the program was down is made up for at start. Default: true, unless health is all it does.',
    ),
  jitter: duration()
    .default(0)
    .describe(
      'Each run starts later by up to this much, always by the same amount on one installation. Shorter than the window.',
    ),
  timeout: timerDuration().optional().describe('A run still going after this is stopped. Default: never.'),
  window: duration().optional().describe('No job starts later than this after the scheduled time. Default: no limit.'),
  pre_backup: z
    .boolean()
    .default(true)
    .describe(
      'Whether jobs that rewrite a database (vacuum, reindex) first store a backup of it, proven in full. Without one nothing can be restored.',
    ),
  on_damage: z
    .enum(['restore', 'restore_lossy', 'report'])
    .default('restore')
    .describe(
      'When such a job itself has left the database damaged. restore: put that backup back if nothing was committed since, provably, else hold; restore_lossy: also when something was, after it was salvaged; report: never restore.',
    ),
});

/** Where the delay of an installation is beyond the window, all jobs of all runs would be skipped, and nothing would fail. */
const scheduleSchema = scheduleShape.superRefine(({ jitter, window }, context) => {
  if (window === undefined || jitter === 0 || jitter < window) return;
  const message = `not shorter than window (${formatDuration(window)}), which may be over before a run starts: shorten it, or lengthen window`;
  context.addIssue({ code: 'custom', path: ['jitter'], message });
});

export const documentSchema = z.strictObject({
  timezone: text(timeZoneMistake).default('UTC').describe('The zone of all cron patterns: an IANA name.'),
  state_directory: path()
    .default(defaultDirectories.state)
    .describe('History, locks, quarantine and control. One daemon at a time.'),
  report_directory: path().default(defaultDirectories.reports).describe('Where the reports of runs are written.'),
  scratch_directory: path()
    .optional()
    .describe(
      'Where temporary copies are made; as much free space as the largest database is needed. Default: scratch in the state directory.',
    ),
  log: logSchema.prefault({}).describe('The log.'),
  http: z
    .union([httpSchema, z.literal(false)])
    .prefault({})
    .describe('Health, metrics and the status page over HTTP, read-only; false switches it off.'),
  concurrency: z.int().min(1).max(64).default(1).describe('At most this many databases are worked on at a time.'),
  shutdown_timeout: timerDuration()
    .default(10_000)
    .describe('How long running work may go on after SIGTERM before it is stopped.'),
  child_memory: size()
    .default(1024 ** 3)
    .describe('A child process that uses more memory than this is ended.'),
  databases: z
    .record(nameSchema, databaseSchema)
    .refine(...notEmpty('database'))
    .describe('The databases, by the name used everywhere.'),
  schedules: z
    .record(nameSchema, scheduleSchema)
    .refine(...notEmpty('schedule'))
    .describe('What is done when, by name.'),
  jobs: jobsSchema.prefault({}).describe('Options of each kind of job, for all databases.'),
  notify: notifySchema.prefault({}).describe('Who is told when something is wrong.'),
});

export type ConfigDocument = z.output<typeof documentSchema>;

/** The schema one step down, at this key of a mapping or index of a list; undefined where nothing is known. */
export function childSchema(schema: z.core.$ZodType | undefined, key: PropertyKey): z.core.$ZodType | undefined {
  const bare = unwrapped(schema);
  if (bare instanceof z.ZodUnion) return childSchema(mappingAmong(bare), key);
  if (bare instanceof z.ZodObject) {
    const shape: Readonly<Record<PropertyKey, z.core.$ZodType>> = bare.shape;
    return Object.hasOwn(shape, key) ? shape[key] : undefined;
  }
  if (bare instanceof z.ZodRecord) return bare.valueType;
  if (bare instanceof z.ZodArray) return bare.element;
  return undefined;
}

/** Of the alternatives, the one that is a mapping; the others are single values. */
export function mappingAmong(union: z.ZodUnion): z.core.$ZodType | undefined {
  return union.options.find((option) => option instanceof z.ZodObject);
}

/** A schema without what only says that the value may be absent. */
export function unwrapped(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let bare = schema;
  while (
    bare instanceof z.ZodDefault ||
    bare instanceof z.ZodPrefault ||
    bare instanceof z.ZodOptional ||
    bare instanceof z.ZodNullable
  ) {
    bare = bare.unwrap();
  }
  return bare;
}
