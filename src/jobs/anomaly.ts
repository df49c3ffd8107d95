/** A backup that is suddenly much less than the one before: kept and marked, because it may be an empty application's, or an accident. Pure. */
import type { Backup } from '../files/backups.js';
import type { Manifest } from '../files/manifest.js';
import { newestOf } from './good-backups.js';

interface Extent {
  readonly sizeBytes: number;
  readonly tables: Readonly<Record<string, number>>;
}

/** Half of the tables or half of the bytes gone; small databases may shrink as they like. */
const smallBytes = 1024 * 1024;

/**
 * Against the backup before. One from right before an operation is none of these: it may hold already what should be noticed.
 *
 * @param earlier oldest first
 */
export function anomalyAmong(
  earlier: readonly Pick<Backup, 'manifest'>[],
  copied: Extent,
  now: Date,
): string | undefined {
  const regular = earlier.filter(({ manifest }) => manifest.pre_operation !== true);
  return anomalyOf(copied, newestOf(regular, now)?.manifest);
}

export function anomalyOf(
  now: Extent,
  previous: Pick<Manifest, 'size_bytes' | 'tables'> | undefined,
): string | undefined {
  if (previous === undefined) return undefined;
  const tables = Object.keys(now.tables).length;
  const tablesBefore = Object.keys(previous.tables).length;
  if (tables * 2 <= tablesBefore) return `${tables} tables, where the backup before had ${tablesBefore}`;
  if (now.sizeBytes * 2 <= previous.size_bytes && previous.size_bytes >= smallBytes) {
    return `${now.sizeBytes} bytes, where the backup before had ${previous.size_bytes}`;
  }
  const emptied = Object.entries(previous.tables).filter(([name, rows]) => rows > 0 && (now.tables[name] ?? 0) === 0);
  const [first] = emptied;
  return first !== undefined && emptied.length * 2 > tablesBefore
    ? `table ${first[0]} is empty, where the backup before had ${first[1]} rows`
    : undefined;
}
