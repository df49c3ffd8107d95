export interface DebuggleDatabaseOptions {
  /** How many rows; either this or `sizeBytes` is needed. With both, whichever is reached first. */
  readonly rows?: number;
  /** The file becomes at least this large, and a few rows larger at most. */
  readonly sizeBytes?: number;
  /** Default `wal`. */
  readonly journalMode?: 'wal' | 'delete';
  /** The same seed and options give the same rows. Default 1. */
  readonly seed?: number;
  /** About what one row takes in the file, indexes included. Default 1500. */
  readonly rowBytes?: number;
  /** Default 4096. */
  readonly pageSize?: number;
  /** The time of the newest row. Default the first instant of 2026. */
  readonly until?: Date;
  /** The rows spread over this many days. Default 30. */
  readonly days?: number;
}

/** Makes the database at `path`, which must not exist, and closes it. Not synced. */
export function createDebuggleDatabase(
  path: string,
  options: DebuggleDatabaseOptions,
): { readonly rows: number; readonly sizeBytes: number };
