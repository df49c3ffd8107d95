/**
 * From the path in the configuration to the names of databases: what is a glob, what its matches are called, and whether two of them
 * are one. Pure: whoever looks at the disk hands in what was found.
 */
import { dirname, relative, sep } from 'node:path';
import { JobError } from '../errors.js';

const globSyntax = /[*?]|\[[^\]]+\]|\{[^}]*(?:,|\.\.)[^}]*\}/;

/** Whether a path stands for many files: `*`, `**`, `?`, `[ab]`, `{a,b}`. */
export function isGlob(path: string): boolean {
  return globSyntax.test(path);
}

/** The directory in which a glob begins to look: `/data` for `/data/*.db`. For a path that is no glob: its directory. */
export function globBase(path: string): string {
  const segments = path.split(sep);
  const first = segments.findIndex((segment) => isGlob(segment));
  if (first === -1) return dirname(path);
  return segments.slice(0, first).join(sep) || sep;
}

/**
 * The name of one match of a glob: `tenants--a` for `/data/a.db` of the group `tenants` over `/data`. The extension goes; a separator
 * and every character that is not safe in a file name become %XX, so that different files have different names.
 */
export function targetName(group: string, base: string, file: string): string {
  const stem = relative(base, file).replace(/\.(?:db|sqlite|sqlite3|db3)$/i, '');
  return `${group}--${stem.replace(/[^A-Za-z0-9._-]/gu, percentEncoded)}`;
}

/** What `only` asks for of this glob and its files do not have: an error, since zero work is no success. Undefined: all is there. */
export function missingFiles(
  { name: group, path, isGlob }: { readonly name: string; readonly path: string; readonly isGlob: boolean },
  only: readonly string[],
  found: readonly string[],
  databases: readonly { readonly name: string }[],
): JobError | undefined {
  const missing = only.filter(
    (name) =>
      isGlob &&
      name.startsWith(`${group}--`) &&
      !found.includes(name) &&
      !databases.some((database) => database.name === name),
  );
  if (missing.length === 0) return undefined;
  return new JobError('missing', `${missing.join(', ')}: no file of that name matches ${path}`);
}

function percentEncoded(character: string): string {
  return [...Buffer.from(character, 'utf8')]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}

/** What a look at one database's file has found. */
export interface FoundDatabase {
  readonly name: string;
  /** Its name in the configuration. */
  readonly group: string;
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** The path with symbolic links resolved. */
  readonly realPath: string;
}

/** A mistake of the configuration that the files have shown, with the entry that is to be changed. */
export interface Overlap {
  readonly group: string;
  readonly message: string;
}

/** One for each database that is listed twice, by whatever path, and for each two names that would share files: of the last of them. */
export function overlaps(found: readonly FoundDatabase[]): Overlap[] {
  const twice = groups(found, fileOf).map((same) => ({
    group: lastOf(same).group,
    message: `${listed(same, ({ name, path }) => `${name} (${path})`)} are one file, ${same[0].realPath}: list it once`,
  }));
  const alike = groups(found, ({ name }) => name.toLowerCase())
    .filter((same) => new Set(same.map(fileOf)).size > 1)
    .map((same) => ({
      group: lastOf(same).group,
      message: `${listed(same, ({ path }) => path)} would both be called ${same[0].name} (upper and lower case count as the same): rename one`,
    }));
  return [...twice, ...alike];
}

const fileOf = ({ device, inode }: FoundDatabase): string => `${device}:${inode}`;

const listed = (found: readonly FoundDatabase[], say: (one: FoundDatabase) => string): string =>
  found.map(say).join(' and ');

const lastOf = (same: Group): FoundDatabase => same.at(-1) ?? same[0];

type Group = readonly [FoundDatabase, ...FoundDatabase[]];

/** Those that share a key with another. */
function groups(found: readonly FoundDatabase[], keyOf: (one: FoundDatabase) => string): Group[] {
  const byKey = new Map<string, [FoundDatabase, ...FoundDatabase[]]>();
  for (const one of found) {
    const group = byKey.get(keyOf(one));
    if (group === undefined) byKey.set(keyOf(one), [one]);
    else group.push(one);
  }
  return [...byKey.values()].filter((group) => group.length > 1);
}
