/**
 * Which way a backup gets into the live path: the gentlest that can work. Pure: what stands there and what was tried in, a way out.
 *
 * SQLite's backup API into the file that is there keeps applications attached and is atomic. Before it, where SQLite would refuse: a copy
 * of the backup with the destination's page size, or a mended header. A new file in the place of the old one is the last resort.
 */
import type { Destination } from '../files/destination.js';
import type { Manifest } from '../files/manifest.js';

export type Way =
  | { readonly way: 'backup-api' }
  | { readonly way: 'match-page-size'; readonly pageSize: number }
  | { readonly way: 'lengthen'; readonly toBytes: number }
  | { readonly way: 'heal-header' }
  | { readonly way: 'rename' }
  | { readonly way: 'refuse'; readonly why: string };

export interface Tried {
  /** It was given the length that its header speaks of. */
  readonly lengthened: boolean;
  /** The header was mended. */
  readonly healed: boolean;
  /** The pages of what is restored now. */
  readonly pageSize: number;
  /** The backup API was refused: SQLite could not open the destination. */
  readonly unreadable: boolean;
}

export const nothingTried = (manifest: Pick<Manifest, 'page_size'>): Tried => ({
  lengthened: false,
  healed: false,
  pageSize: manifest.page_size,
  unreadable: false,
});

export function wayIn(
  { path, file, header, companions, holders }: Pick<Destination, 'path' | 'file' | 'header' | 'companions' | 'holders'>,
  { lengthened, healed, pageSize, unreadable }: Tried,
): Way {
  const isEmpty = file === null || file.sizeBytes === 0;
  if (!unreadable && isEmpty) return { way: 'backup-api' };
  if (!unreadable && header !== null) {
    const isWal = header.journal === 'wal' || (companions['-wal'] ?? 0) > 0;
    // In rollback-journal mode the backup API changes the page size by itself.
    if (!isWal || header.pageSize === pageSize) return { way: 'backup-api' };
    return { way: 'match-page-size', pageSize: header.pageSize };
  }
  const missing = lengthened || healed ? undefined : lengthOf(file, header, companions);
  if (missing !== undefined) return missing;
  if (!healed && !isEmpty) return { way: 'heal-header' };
  if (holders.known.length === 0 && holders.unreadableProcesses === 0) return { way: 'rename' };
  const who =
    holders.known.length === 0
      ? `${holders.unreadableProcesses} processes of other users may have it open`
      : `${holders.known.map(({ pid, command }) => `${command} (${pid})`).join(', ')} has it open`;
  return {
    way: 'refuse',
    why: `${path} is too damaged to be restored into, and cannot be replaced while ${who}: stop what uses it (as root everybody can be seen), and restore again`,
  };
}

/** No file was cut by more than this: a header that says so is not believed. */
const mostTimes = 64;

/** Of a file in rollback-journal mode that ends too early: elsewhere the log says how many pages there are. */
function lengthOf(
  file: Destination['file'],
  header: Destination['header'],
  companions: Destination['companions'],
): Way | undefined {
  if (file === null || header?.pageCount == null || header.journal === 'wal') return undefined;
  if ((companions['-wal'] ?? 0) > 0) return undefined;
  const toBytes = header.pageCount * header.pageSize;
  return toBytes > file.sizeBytes && toBytes <= file.sizeBytes * mostTimes ? { way: 'lengthen', toBytes } : undefined;
}
