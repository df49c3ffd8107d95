/**
 * Which indexes are rebuilt, and why: on proof only, because a rebuild makes writers wait and gains space, not speed. Pure. Proof is
 * damage, pages that are largely unused, or another SQLite than the one that last looked after the indexes. How ordered the pages are is
 * none: they are as disordered right after a rebuild.
 */
import type { IndexPages } from '../sqlite/operations/measure-indexes.js';
import { formatBytes, formatDuration } from '../units.js';

export interface ReindexFacts {
  readonly indexes: readonly IndexPages[];
  /** Indexes that a check found to disagree with their tables. */
  readonly damaged: ReadonlySet<string>;
  /** A full VACUUM of this run has just written every index anew. */
  readonly vacuumed: boolean;
  readonly sqliteVersion: string;
  /** The version that did or judged this job last; undefined: never. */
  readonly earlierVersion: string | undefined;
  /** Indexes that were to be rebuilt for another version, and were left for later. */
  readonly left: ReadonlySet<string>;
  readonly now: Date;
  readonly windowEnd: Date | null;
}

export interface ReindexRule {
  readonly when: 'needed' | 'always';
  readonly minUnusedRatio: number;
  readonly minReclaimableBytes: number;
  readonly maxWriterStallMs: number;
  readonly pauseMs: number;
}

export interface Rebuild {
  readonly index: string;
  readonly why: string;
  readonly predictedMs: number;
  readonly sizeBytes: number;
  readonly unusedBytes: number;
}

export interface ReindexDecision {
  /** In this order. */
  readonly rebuild: readonly Rebuild[];
  /** Of those, the ones that disagree with their tables: rebuilt however long it takes. */
  readonly damaged: ReadonlySet<string>;
  /** Of all indexes, those that another SQLite has written last; until they are rebuilt. */
  readonly outdated: ReadonlySet<string>;
  /** Those that should be rebuilt and are not, with the reason. */
  readonly postponed: readonly { readonly index: string; readonly why: string }[];
  /** In one sentence, with figures. */
  readonly why: string;
}

/** Measured: 3.6 s for eight indexes of a gigabyte: each reads its table and sorts and writes itself. Rather too long than too short. */
const msPerIndexByte = 15_000 / 1e9;
const msPerTableByte = 1000 / 1e9;

export function decideReindex(facts: ReindexFacts, rule: ReindexRule): ReindexDecision {
  const wanted = facts.indexes
    .flatMap((index) => {
      const why = reasonFor(index, facts, rule);
      return why === undefined ? [] : [{ ...index, why, damaged: facts.damaged.has(index.name) }];
    })
    // What is damaged first, then what there is most to gain from: the window may close.
    .sort((a, b) => Number(b.damaged) - Number(a.damaged) || b.unusedBytes - a.unusedBytes);
  const rebuild: Rebuild[] = [];
  const postponed: { index: string; why: string }[] = [];
  let leftMs = facts.windowEnd === null ? Number.POSITIVE_INFINITY : facts.windowEnd.getTime() - facts.now.getTime();
  for (const { name: index, why, damaged, sizeBytes, unusedBytes, tableBytes } of wanted) {
    const predictedMs = Math.ceil(sizeBytes * msPerIndexByte + tableBytes * msPerTableByte);
    const against = damaged ? undefined : tooSlow(predictedMs, leftMs, rule);
    if (against === undefined) {
      rebuild.push({ index, why, predictedMs, sizeBytes, unusedBytes });
      leftMs -= predictedMs + rule.pauseMs;
    } else postponed.push({ index, why: against });
  }
  const outdated = new Set(facts.indexes.filter((index) => isOutdated(index, facts)).map(({ name }) => name));
  return { rebuild, postponed, damaged: facts.damaged, outdated, why: summaryOf(facts, rule, rebuild, postponed) };
}

/** The indexes that findings of an integrity check name: they end with the name, which could itself say anything. */
export function damagedAmong(
  indexes: readonly { readonly name: string }[],
  findings: readonly string[],
): ReadonlySet<string> {
  return new Set(
    indexes.map(({ name }) => name).filter((name) => findings.some((finding) => finding.endsWith(` index ${name}`))),
  );
}

/** Those whose rebuild took too long on a copy; what is damaged is rebuilt all the same. */
export function slowAsRehearsed(
  rehearsed: readonly { readonly index: string; readonly lockedMs: number }[],
  damaged: ReadonlySet<string>,
  maxWriterStallMs: number,
): { readonly index: string; readonly why: string }[] {
  return rehearsed
    .filter(({ index, lockedMs }) => lockedMs > maxWriterStallMs && !damaged.has(index))
    .map(({ index, lockedMs }) => ({
      index,
      why: `writers would wait about ${formatDuration(lockedMs)} (as it took on a copy), longer than max_writer_stall (${formatDuration(maxWriterStallMs)})`,
    }));
}

function reasonFor(index: IndexPages, facts: ReindexFacts, rule: ReindexRule): string | undefined {
  if (facts.damaged.has(index.name)) return 'it disagrees with its table';
  if (facts.vacuumed) return undefined;
  if (rule.when === 'always') return 'when is always';
  if (isOutdated(index, facts)) return versionsOf(facts);
  if (index.unusedBytes < rule.minReclaimableBytes || unusedRatio(index) < rule.minUnusedRatio) return undefined;
  return `${percent(unusedRatio(index))} of its ${formatBytes(index.sizeBytes)} is unused`;
}

function isOutdated({ name }: IndexPages, { vacuumed, sqliteVersion, earlierVersion, left }: ReindexFacts): boolean {
  if (vacuumed) return false;
  return left.has(name) || (earlierVersion !== undefined && earlierVersion !== sqliteVersion);
}

function versionsOf({ sqliteVersion, earlierVersion }: ReindexFacts): string {
  return earlierVersion === sqliteVersion
    ? `SQLite is ${sqliteVersion}, and was another when it was last written`
    : `SQLite is ${sqliteVersion}, and was ${earlierVersion ?? 'another'}`;
}

function tooSlow(predictedMs: number, leftMs: number, rule: ReindexRule): string | undefined {
  if (predictedMs > rule.maxWriterStallMs)
    return `writers would wait about ${formatDuration(predictedMs)}, longer than max_writer_stall (${formatDuration(rule.maxWriterStallMs)})`;
  if (predictedMs > leftMs) return "the schedule's window closes before it would be done";
  return undefined;
}

function summaryOf(
  { indexes, vacuumed }: ReindexFacts,
  rule: ReindexRule,
  rebuild: readonly Rebuild[],
  postponed: ReindexDecision['postponed'],
): string {
  const later = postponed.map(({ index, why }) => `; not ${index}: ${why}`).join('');
  if (rebuild.length > 0) {
    const named = rebuild.map(({ index, why }) => `${index} (${why})`).join(', ');
    return `rebuild ${rebuild.length} of ${indexes.length} indexes: ${named}${later}`;
  }
  if (vacuumed) return 'the VACUUM of this run has written all indexes anew, and none is damaged';
  if (indexes.length === 0) return 'it has no index';
  const fullest = Math.max(...indexes.map(unusedRatio));
  return `none of ${indexes.length} indexes is to be rebuilt: at most ${percent(fullest)} of one is unused (min_unused_ratio ${percent(rule.minUnusedRatio)}, min_reclaimable ${formatBytes(rule.minReclaimableBytes)})${later}`;
}

function unusedRatio({ sizeBytes, unusedBytes }: IndexPages): number {
  return sizeBytes === 0 ? 0 : unusedBytes / sizeBytes;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}
