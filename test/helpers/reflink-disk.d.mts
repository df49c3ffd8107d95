export type ReflinkKind = 'xfs' | 'btrfs';

export interface ReflinkDisk {
  /** Empty, mode 0700. */
  readonly directory: string;
  /** Whatever is still open there; the directory is gone afterwards. */
  readonly unmount: () => void;
}

/**
 * Makes a file system whose files can share their extents, in a file beside its directory, both in `parent` (by default the directory for
 * temporary files). Not less than 320 MB (10^6 bytes), of which the file takes what is written.
 */
export function mountReflinkDisk(
  kind: ReflinkKind,
  sizeMB: number,
  parent?: string,
): ReflinkDisk | { readonly why: string };
