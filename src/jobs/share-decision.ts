/**
 * Whether two processes check a copy together, and what the pieces are: pure. The file is checked by quick_check and each table by
 * integrity_check, which reads every page twice; that pays where no single table is most of the work, and where the second process is not
 * busy hashing for as long as the check takes anyway.
 */
import type { Weights } from '../sqlite/operations/weigh-tables.js';

/** Measured, the file in memory: quick_check takes 0.45 s a gigabyte, integrity_check 0.25 to 0.4 µs more for each entry, by the table's size. */
const quickMsPerMB = 0.45;
const entryMs = 0.0003;
/** What is smaller than this part of all entries is checked together with the next: each piece opens the file anew. */
const smallestShare = 0.05;
/**
 * What must be gained: the estimates are rough, and the application has a use for a processor, too: a fifth more of its time is taken when the
 * check is shared. Beside a hash with instructions of its own a tenth would be gained.
 */
const worthwhile = 0.8;

/**
 * @param hashes whether the second process hashes the file before it can help
 * @returns the pieces beside the structure of the file, largest first; undefined: one process checks the file as a whole
 */
export function decideShare(
  { tables, hashMsPerMB }: Weights,
  { sizeBytes, hashes }: { readonly sizeBytes: number; readonly hashes: boolean },
): readonly (readonly string[])[] | undefined {
  const entries = tables.reduce((sum, table) => sum + table.entries, 0);
  const sizeMB = sizeBytes / 1e6;
  const structureMs = sizeMB * quickMsPerMB;
  const hashMs = hashes ? sizeMB * hashMsPerMB : 0;
  const costOf = (entriesOf: number): number => entriesOf * entryMs + (entriesOf / Math.max(1, entries)) * structureMs;

  const pieces: { names: string[]; entries: number }[] = [];
  for (const table of tables.toSorted((one, other) => other.entries - one.entries)) {
    let piece = pieces.at(-1);
    if (piece === undefined || (piece.entries >= entries * smallestShare && table.entries > 0))
      pieces.push((piece = { names: [], entries: 0 }));
    piece.names.push(table.name);
    piece.entries += table.entries;
  }

  // Each takes the next piece when it is done with the last, as shared-proof.ts lets them.
  const busyUntil: [number, number] = [structureMs, hashMs];
  for (const piece of pieces) busyUntil[busyUntil[0] <= busyUntil[1] ? 0 : 1] += costOf(piece.entries);
  const togetherMs = Math.max(...busyUntil);
  const wholeMs = Math.max(structureMs + entries * entryMs, hashMs);
  return togetherMs <= wholeMs * worthwhile ? pieces.map(({ names }) => names) : undefined;
}
