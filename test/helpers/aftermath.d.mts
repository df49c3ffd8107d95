/** What lies in a backup directory, its lock aside. */
export interface BackupsOnDisk {
  /** Stems of the files that bear a backup's name and are one: manifest, hashes, integrity and rows agree. In order of their names. */
  readonly whole: readonly string[];
  /** Files that bear a backup's name and are none, with the reason. */
  readonly half: readonly string[];
  /** Everything else: unfinished files, manifests, and somebody's `keep`, without their backup. */
  readonly debris: readonly string[];
}

export function examineBackups(directory: string): BackupsOnDisk;

/** A run as the history has it; `outcome` is null while it is unfinished. */
export interface RecordedRun {
  readonly run_id: string;
  readonly schedule: string;
  readonly trigger: string;
  readonly outcome: string | null;
}

/** In the order they began. */
export function runsOf(stateDirectory: string): readonly RecordedRun[];

/** What integrity_check says of a database, which is opened for writing, as its application would after a crash. */
export function findingsOf(file: string): readonly string[];
