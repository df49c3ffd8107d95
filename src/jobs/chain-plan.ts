/**
 * What becomes of the stored forms of backups: which are turned into deltas, on which newer ones, and in which order what retention has
 * released goes, so that what stays can be rebuilt at every moment. Pure: the catalogue, what stays and what goes in; steps out.
 *
 * The newest is always a plain file. Those of before an operation are nobody's base: they soon go. What is kept by hand stays a plain file,
 * if it is one: whoever keeps it may want to use it without anything else.
 */
import type { Backup } from '../files/backups.js';
import { isSound } from './good-backups.js';

export type Step =
  /** These are deleted, in this order. */
  | { readonly do: 'prune'; readonly backups: readonly Backup[] }
  /** This one becomes a delta on that one. */
  | {
      readonly do: 'lay';
      readonly stem: string;
      readonly on: string;
      readonly why: 'history' | 'base-goes';
      /** What it is built on until then: it stays when this cannot be done. */
      readonly below: readonly string[];
    };

/**
 * How many deltas are laid over each other at most, where it can be helped: then a plain file stays one. Each costs a child process about a
 * third of a megabyte while the oldest is rebuilt, and a wrong bit in one may cost all that are built on it.
 */
export const maxLayers = 40;

export interface ChainPlan {
  readonly steps: readonly Step[];
  /** Released, and needed by what stays: there is nothing else to build that on. */
  readonly needed: readonly Backup[];
}

/**
 * @param keep and `prune` as retention has decided, together all backups
 * @param asDeltas whether plain backups are turned into deltas
 * @param fresh the backup that this run has made: it stays as it is
 * @param whole stems of those that were found to be hardly smaller as deltas
 */
export function planChain({
  keep,
  prune,
  bad,
  asDeltas,
  fresh,
  whole,
}: {
  readonly keep: readonly Backup[];
  readonly prune: readonly Backup[];
  readonly bad: ReadonlySet<string>;
  readonly asDeltas: boolean;
  readonly fresh: string | undefined;
  readonly whole: ReadonlySet<string>;
}): ChainPlan {
  const kept = oldestFirst(keep);
  const bases = kept.filter((backup) => isBase(backup) && isSound(backup, bad));
  const newerBases = (backup: Backup): Backup[] => bases.filter((other) => byMoment(backup, other) < 0);
  const chains = new Chains(kept);

  const needed = new Set<Backup>();
  const relaid: Step[] = [];
  const released = oldestFirst(prune);
  for (const backup of kept) {
    const below = released.find(({ stem }) => stem === backup.manifest.delta?.base);
    if (below === undefined) continue;
    const candidates = newerBases(backup);
    // The nearest differs least; too long a chain is worse than a larger delta.
    const base =
      candidates.find((each) => chains.layersWith(backup, each) <= maxLayers) ?? candidates.findLast(isPlain);
    if (base === undefined) for (const each of [below, ...basesOf(below, released)]) needed.add(each);
    else {
      chains.lay(backup, base);
      const below = backup.base.map(({ stem }) => stem);
      relaid.push({ do: 'lay', stem: backup.stem, on: base.stem, why: 'base-goes', below });
    }
  }

  const going = released.filter((backup) => !needed.has(backup));
  const isNeededYet = (backup: Backup): boolean =>
    kept.some(({ base }) => base.some(({ stem }) => stem === backup.stem));
  const newest = kept.findLast((backup) => isSound(backup, bad) && !isPreOperation(backup));
  const laid: Step[] = [];
  for (const backup of asDeltas ? kept : []) {
    const stays = backup.pinned || backup === newest || backup.stem === fresh || whole.has(backup.stem);
    if (stays || !isPlain(backup) || !isSound(backup, bad)) continue;
    const [base] = newerBases(backup);
    if (base === undefined) continue;
    if (chains.layersWith(backup, base) > maxLayers) continue;
    chains.lay(backup, base);
    laid.push({ do: 'lay', stem: backup.stem, on: base.stem, why: 'history', below: [] });
  }
  return {
    // What nothing stands on goes first: it makes room for what is written then.
    steps: [
      ...pruning(going.filter((backup) => !isNeededYet(backup))),
      ...relaid,
      ...pruning(going.filter(isNeededYet)),
      ...laid,
    ],
    needed: released.filter((backup) => needed.has(backup)),
  };
}

/**
 * The newest backup that is unsound only through what it is built on, and the one that it can be laid on instead: whether it is whole, its
 * sha256 then shows. What is built on it is sound again with it.
 *
 * @param lost stems of those that were found to be lost
 */
export function planRescue(
  backups: readonly Backup[],
  bad: ReadonlySet<string>,
  lost: ReadonlySet<string>,
): { readonly stem: string; readonly on: string } | undefined {
  const all = oldestFirst(backups);
  const bases = all.filter((backup) => isBase(backup) && isSound(backup, bad));
  const backup = all.findLast(
    (each) =>
      each.own &&
      each.base.length > 0 &&
      each.base[0]?.manifest.delta === undefined &&
      !bad.has(each.stem) &&
      !lost.has(each.stem) &&
      !isSound(each, bad),
  );
  const on = backup && bases.find((other) => byMoment(backup, other) < 0);
  return backup === undefined || on === undefined ? undefined : { stem: backup.stem, on: on.stem };
}

/** How many deltas lie over each other, and will when more are laid. */
class Chains {
  readonly #on = new Map<string, string>();
  readonly #below = new Map<string, number>();

  /** @param kept the oldest first */
  constructor(kept: readonly Backup[]) {
    for (const { stem, manifest } of kept) {
      const base = manifest.delta?.base;
      if (base === undefined) continue;
      this.#on.set(stem, base);
      this.#below.set(base, Math.max(this.#below.get(base) ?? 0, (this.#below.get(stem) ?? 0) + 1));
    }
  }

  /** Of the longest chain through both, once the first is laid on the second. */
  layersWith(backup: Backup, base: Backup): number {
    let above = 0;
    for (let stem = this.#on.get(base.stem); stem !== undefined; stem = this.#on.get(stem)) above += 1;
    return (this.#below.get(backup.stem) ?? 0) + 1 + above;
  }

  lay(backup: Backup, base: Backup): void {
    this.#on.set(backup.stem, base.stem);
    const layers = (this.#below.get(backup.stem) ?? 0) + 1;
    this.#below.set(base.stem, Math.max(this.#below.get(base.stem) ?? 0, layers));
  }
}

/** What is built on another is older than that one, and so goes before it. */
const pruning = (backups: readonly Backup[]): Step[] => (backups.length === 0 ? [] : [{ do: 'prune', backups }]);

function basesOf(backup: Backup, among: readonly Backup[]): Backup[] {
  return among.filter(({ stem }) => backup.base.some((below) => below.stem === stem));
}

const oldestFirst = (backups: readonly Backup[]): readonly Backup[] => [...backups].sort(byMoment);

/** As files/backups.ts lists them. */
function byMoment(one: Backup, other: Backup): number {
  return one.manifest.created_at.localeCompare(other.manifest.created_at) || one.stem.localeCompare(other.stem);
}

const isPreOperation = ({ manifest }: Backup): boolean => manifest.pre_operation === true;
const isPlain = ({ manifest }: Backup): boolean => manifest.delta === undefined && manifest.compression === 'none';
const isBase = (backup: Backup): boolean =>
  !isPreOperation(backup) && (isPlain(backup) || backup.manifest.delta !== undefined);
