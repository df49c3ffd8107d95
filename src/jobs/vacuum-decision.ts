/**
 * Whether a VACUUM is worth its stall, and how it is done. Pure: measured facts and the rule in, the decision with the figures behind it
 * out. A full VACUUM makes writers wait for its whole length and needs room twice over; so it is done when there is enough to gain, when
 * writers can bear it and when it will fit.
 */
import type { AutoVacuum } from '../sqlite/operations/inspect.js';
import { formatBytes, formatDuration } from '../units.js';

export interface VacuumFacts {
  readonly path: string;
  readonly journalMode: string;
  readonly autoVacuum: AutoVacuum;
  readonly pageSize: number;
  readonly pageCount: number;
  readonly freelistCount: number;
  readonly disk: {
    readonly directory: string;
    readonly freeBytes: number;
    readonly tempDirectory: string;
    readonly freeTempBytes: number;
    readonly sameDisk: boolean;
  };
  /** How long writers waited for the last full VACUUM, and how large its result was. */
  readonly earlier: { readonly stallMs: number; readonly sizeBytes: number } | undefined;
  readonly now: Date;
  /** When the schedule's window closes; null: it has none. */
  readonly windowEnd: Date | null;
}

export interface VacuumRule {
  readonly mode: 'auto' | 'full' | 'incremental';
  readonly minFreelistRatio: number;
  readonly minReclaimableBytes: number;
  readonly maxWriterStallMs: number;
  readonly convertToIncremental: boolean;
}

export interface Space {
  /** Next to the database: its write-ahead log, or its rollback journal. */
  readonly besideBytes: number;
  readonly tempBytes: number;
}

export type VacuumDecision =
  | { readonly do: 'skip'; readonly why: string }
  /** It should be done, and there is no room: somebody must make some. */
  | { readonly do: 'refuse'; readonly why: string }
  | {
      readonly do: 'full';
      readonly why: string;
      readonly convert: boolean;
      readonly space: Space;
      readonly predictedStallMs: number;
    }
  | {
      readonly do: 'incremental';
      readonly why: string;
      readonly space: Space;
      /** How much time there is; null: as long as it takes. */
      readonly budgetMs: number | null;
    };

/** Measured: 2.5 to 6.6 s a gigabyte of result, by machine. The real one's own figure is known after the first time, or a rehearsal. */
const stallMsPerGB = 6000;
/** Room left beyond what is needed. */
const marginBytes = 16 * 1024 ** 2;
/** The log is checkpointed on the way; readers may keep it from shrinking for a while. */
const incrementalLogBytes = 64 * 1024 ** 2;
const frameHeaderBytes = 24;
const journalHeaderBytes = 8;

export function decideVacuum(facts: VacuumFacts, rule: VacuumRule): VacuumDecision {
  const convert = rule.convertToIncremental && facts.autoVacuum !== 'incremental';
  const below = belowThreshold(facts, rule);
  if (below !== undefined && !convert) return { do: 'skip', why: below };
  if (facts.autoVacuum === 'incremental' && rule.mode !== 'full') return incremental(facts);
  if (rule.mode === 'incremental' && !convert) {
    return {
      do: 'skip',
      why: `mode is incremental and the database has auto_vacuum=${facts.autoVacuum.toUpperCase()}: convert_to_incremental: true changes that, once, with a full VACUUM`,
    };
  }
  return full(facts, rule, convert);
}

/** What a full VACUUM of this size is expected to make writers wait, from the last one or from the size alone. */
export function predictStallMs({
  earlier,
  ...facts
}: Pick<VacuumFacts, 'earlier' | 'pageSize' | 'pageCount' | 'freelistCount'>): number {
  const bytes = resultBytes(facts);
  if (earlier === undefined || earlier.sizeBytes === 0) return Math.ceil((bytes / 1e9) * stallMsPerGB);
  return Math.ceil((bytes / earlier.sizeBytes) * earlier.stallMs);
}

export function freelistRatio({ pageCount, freelistCount }: Pick<VacuumFacts, 'pageCount' | 'freelistCount'>): number {
  return pageCount === 0 ? 0 : freelistCount / pageCount;
}

function belowThreshold(facts: VacuumFacts, rule: VacuumRule): string | undefined {
  const ratio = freelistRatio(facts);
  const reclaimable = reclaimableBytes(facts);
  if (ratio < rule.minFreelistRatio)
    return `${percent(ratio)} of its pages are free (${formatBytes(reclaimable)}), less than min_freelist_ratio (${percent(rule.minFreelistRatio)})`;
  if (reclaimable < rule.minReclaimableBytes)
    return `${formatBytes(reclaimable)} would be reclaimed, less than min_reclaimable (${formatBytes(rule.minReclaimableBytes)})`;
  return undefined;
}

function incremental(facts: VacuumFacts): VacuumDecision {
  const space = {
    besideBytes: Math.min(incrementalLogBytes, 2 * facts.freelistCount * (facts.pageSize + frameHeaderBytes)),
    tempBytes: 0,
  };
  const lack = lackOfSpace(facts, space);
  if (lack !== undefined) return { do: 'refuse', why: lack };
  const budgetMs = untilWindowEnd(facts);
  const until = budgetMs === null ? 'until done' : `for at most ${formatDuration(budgetMs)}, until the window closes`;
  return {
    do: 'incremental',
    why: `${gain(facts)}; in small steps with pauses, ${until}`,
    space,
    budgetMs,
  };
}

function full(facts: VacuumFacts, rule: VacuumRule, convert: boolean): VacuumDecision {
  const predictedStallMs = predictStallMs(facts);
  const slow = tooSlow(
    predictedStallMs,
    facts,
    rule,
    facts.earlier === undefined ? 'by its size' : 'as the last one did',
  );
  if (slow !== undefined) return { do: 'skip', why: slow };
  const space = spaceForFull(facts);
  const lack = lackOfSpace(facts, space);
  if (lack !== undefined) return { do: 'refuse', why: lack };
  const conversion = convert ? '; it also changes auto_vacuum to INCREMENTAL' : '';
  return {
    do: 'full',
    why: `${gain(facts)}; writers would wait about ${formatDuration(predictedStallMs)}; ${formatBytes(space.besideBytes)} needed in ${facts.disk.directory} and ${formatBytes(space.tempBytes)} in ${facts.disk.tempDirectory}${conversion}`,
    convert,
    space,
    predictedStallMs,
  };
}

/** Asked of the prediction, again of what the rehearsal took, and of the clock right before the work. */
export function tooSlow(
  stallMs: number,
  facts: Pick<VacuumFacts, 'now' | 'windowEnd'>,
  rule: Pick<VacuumRule, 'maxWriterStallMs'>,
  basis: string,
): string | undefined {
  if (stallMs > rule.maxWriterStallMs)
    return `a VACUUM would make writers wait about ${formatDuration(stallMs)} (${basis}), longer than max_writer_stall (${formatDuration(rule.maxWriterStallMs)})`;
  const left = untilWindowEnd(facts);
  if (left !== null && stallMs > left)
    return `a VACUUM would take about ${formatDuration(stallMs)} (${basis}), and the schedule's window closes in ${formatDuration(left)}`;
  return undefined;
}

/** The result once more in the temporary file, and once more in the log; in rollback-journal mode the journal takes the old pages. */
function spaceForFull(facts: VacuumFacts): Space {
  const pages = facts.pageCount - facts.freelistCount;
  return {
    besideBytes:
      facts.journalMode === 'wal'
        ? pages * (facts.pageSize + frameHeaderBytes)
        : facts.pageCount * (facts.pageSize + journalHeaderBytes),
    tempBytes: resultBytes(facts),
  };
}

function lackOfSpace({ path, disk }: VacuumFacts, { besideBytes, tempBytes }: Space): string | undefined {
  const advice = 'free some, or move scratch_directory (or SQLITE_TMPDIR, if set) to another disk';
  if (disk.sameDisk) {
    const needed = besideBytes + tempBytes + marginBytes;
    if (disk.freeBytes >= needed) return undefined;
    return `cannot vacuum ${path}: ${formatBytes(disk.freeBytes)} free on the disk of ${disk.directory} and ${disk.tempDirectory}, ${formatBytes(needed)} needed (${formatBytes(besideBytes)} beside the database, ${formatBytes(tempBytes)} for SQLite's temporary file): ${advice}`;
  }
  if (disk.freeBytes < besideBytes + marginBytes)
    return `cannot vacuum ${path}: ${formatBytes(disk.freeBytes)} free in ${disk.directory}, ${formatBytes(besideBytes + marginBytes)} needed: free some`;
  if (tempBytes > 0 && disk.freeTempBytes < tempBytes + marginBytes)
    return `cannot vacuum ${path}: ${formatBytes(disk.freeTempBytes)} free in ${disk.tempDirectory}, where SQLite puts temporary files, ${formatBytes(tempBytes + marginBytes)} needed: ${advice}`;
  return undefined;
}

function untilWindowEnd({ now, windowEnd }: Pick<VacuumFacts, 'now' | 'windowEnd'>): number | null {
  return windowEnd === null ? null : Math.max(0, windowEnd.getTime() - now.getTime());
}

function gain(facts: VacuumFacts): string {
  return `${percent(freelistRatio(facts))} of its pages are free: ${formatBytes(reclaimableBytes(facts))} to reclaim`;
}

function reclaimableBytes({ pageSize, freelistCount }: Pick<VacuumFacts, 'pageSize' | 'freelistCount'>): number {
  return freelistCount * pageSize;
}

function resultBytes({
  pageSize,
  pageCount,
  freelistCount,
}: Pick<VacuumFacts, 'pageSize' | 'pageCount' | 'freelistCount'>): number {
  return (pageCount - freelistCount) * pageSize;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(1)} %`;
}
