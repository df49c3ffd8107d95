/**
 * Whether a database may be rewritten at all, by what stands around it and what its schema uses. Pure: facts and the operator's word in,
 * the reason against it out. Decided before anything starts; what is left out here is met later as an error, and never as a restore.
 */
import type { Surroundings } from '../files/surroundings.js';
import type { SchemaFeatures, Use } from '../sqlite/schema-features.js';

export interface EligibilityFacts {
  readonly operation: 'vacuum' | 'reindex';
  readonly features: SchemaFeatures;
  readonly surroundings: Pick<Surroundings, 'litestream' | 'networkFileSystem'>;
  /** Of the library in this program. */
  readonly sqliteVersion: string;
}

/** What the operator has taken upon himself. */
export interface Permissions {
  readonly withLitestream: boolean;
  readonly rowidChange: boolean;
}

/** Before it, two connections that checkpoint at once can corrupt a WAL database. https://www.sqlite.org/releaselog/3_51_3.html */
const safeVersion = [3, 51, 3] as const;

/** The reason not to, as a sentence; undefined: it may be rewritten. */
export function ineligibleBecause(facts: EligibilityFacts, permissions: Permissions): string | undefined {
  const { operation, features } = facts;
  const unsafe = unsafeToWrite(facts, permissions);
  if (unsafe !== undefined) return unsafe;
  if (operation === 'reindex') {
    const [collation, ...moreCollations] = features.collations;
    if (collation !== undefined)
      return `${describe('collation', collation, moreCollations)}, which this program would order otherwise than the application`;
    const [foreign, ...moreFunctions] = features.functions;
    if (foreign !== undefined)
      return `${describe('function', foreign, moreFunctions)}, which is the application's and not known here`;
  }
  const [bound, ...moreBound] = features.boundToRowids;
  if (operation === 'vacuum' && bound !== undefined && !permissions.rowidChange) {
    return `VACUUM may number the rows of ${bound.by} anew, and the full-text table ${bound.name}${more(moreBound)} finds them by number; give it an INTEGER PRIMARY KEY, or rebuild the full-text index after each VACUUM and say vacuum_allow_rowid_change: true`;
  }
  return undefined;
}

/** Why nothing of ours may be written to the database, be it ever so little. */
export function unsafeToWrite(
  { surroundings, sqliteVersion }: Pick<EligibilityFacts, 'surroundings' | 'sqliteVersion'>,
  { withLitestream }: Pick<Permissions, 'withLitestream'>,
): string | undefined {
  if (isOlder(sqliteVersion))
    return `SQLite ${sqliteVersion} of this program is older than ${safeVersion.join('.')}, in which a WAL database can be damaged by two checkpoints at once: update the program`;
  if (surroundings.networkFileSystem !== null)
    return `it lies on a network file system (${surroundings.networkFileSystem}), where SQLite's locks cannot be trusted`;
  if (surroundings.litestream !== null && !withLitestream)
    return `Litestream replicates it (${surroundings.litestream}), and would have to copy all that is written; with_litestream: true allows it`;
  return undefined;
}

function describe(what: string, { name, by }: Use, others: readonly Use[]): string {
  return `${by}${more(others)} uses the ${what} ${name}`;
}

function more(others: readonly Use[]): string {
  return others.length === 0 ? '' : ` (and ${others.length} more)`;
}

function isOlder(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, wanted] of safeVersion.entries()) {
    const found = parts[index] ?? 0;
    if (found !== wanted) return found < wanted;
  }
  return false;
}
