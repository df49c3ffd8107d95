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
  | { readonly do: 'lay'; readonly stem: string; readonly on: string; readonly why: 'history' | 'base-goes' };

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
  const newerBase = (backup: Backup): Backup | undefined => bases.find((other) => byMoment(backup, other) < 0);

  const needed = new Set<Backup>();
  const relaid: Step[] = [];
  const released = oldestFirst(prune);
  for (const backup of kept) {
    const below = released.find(({ stem }) => stem === backup.manifest.delta?.base);
    if (below === undefined) continue;
    const base = newerBase(backup);
    if (base === undefined) for (const each of [below, ...basesOf(below, released)]) needed.add(each);
    else relaid.push({ do: 'lay', stem: backup.stem, on: base.stem, why: 'base-goes' });
  }

  const going = released.filter((backup) => !needed.has(backup));
  const isNeededYet = (backup: Backup): boolean =>
    kept.some(({ base }) => base.some(({ stem }) => stem === backup.stem));
  const newest = kept.findLast((backup) => isSound(backup, bad) && !isPreOperation(backup));
  const laid = !asDeltas
    ? []
    : kept.flatMap((backup): Step[] => {
        const base = newerBase(backup);
        const stays = backup.pinned || backup === newest || backup.stem === fresh || whole.has(backup.stem);
        if (stays || base === undefined || !isPlain(backup) || !isSound(backup, bad)) return [];
        return [{ do: 'lay', stem: backup.stem, on: base.stem, why: 'history' }];
      });
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
