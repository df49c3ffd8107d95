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
  | { readonly way: 'rewrite-first-page' }
  | { readonly way: 'heal-header' }
  | { readonly way: 'rename' }
  | { readonly way: 'refuse'; readonly why: string };

export interface Tried {
  /**
   * Of a restore that must lose nothing: whether a monitor can write the first page anew, or is to. Then nothing else is done to a file that
   * SQLite cannot open: who mends it from outside lets others in whom nobody would notice. `none`: a restore that may lose what came since.
   */
  readonly monitor: 'none' | 'may-write' | 'may-not' | 'writes';
  /** The header was mended. */
  readonly healed: boolean;
  /** The pages of what is restored now. */
  readonly pageSize: number;
  /** The backup API was refused: SQLite could not open the destination. */
  readonly unreadable: boolean;
}

export const nothingTried = (manifest: Pick<Manifest, 'page_size'>, monitor: Tried['monitor']): Tried => ({
  monitor,
  healed: false,
  pageSize: manifest.page_size,
  unreadable: false,
});

export function wayIn(
  { path, file, header, companions, holders }: Pick<Destination, 'path' | 'file' | 'header' | 'companions' | 'holders'>,
  { monitor, healed, pageSize, unreadable }: Tried,
): Way {
  const isEmpty = file === null || file.sizeBytes === 0;
  if (!unreadable && isEmpty) return { way: 'backup-api' };
  if (!unreadable && header !== null) {
    const isWal = header.journal === 'wal' || (companions['-wal'] ?? 0) > 0;
    // In rollback-journal mode the backup API changes the page size by itself.
    if (!isWal || header.pageSize === pageSize) return { way: 'backup-api' };
    return { way: 'match-page-size', pageSize: header.pageSize };
  }
  if (monitor === 'may-write') return { way: 'rewrite-first-page' };
  // Its header may be in the log only.
  if (monitor === 'writes' && !unreadable) return { way: 'backup-api' };
  if (monitor !== 'none') {
    const why = `${path} cannot be opened, and none of our connections that knew it before can mend it: nothing was restored`;
    return { way: 'refuse', why };
  }
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
