/** Which files some paths name, links resolved: what shows that two paths are one file. */
import { realpathSync, statSync } from 'node:fs';

export interface FoundFile {
  readonly device: number;
  readonly inode: number;
  readonly realPath: string;
}

/** In the order of the paths; null for one that names nothing, or nothing that may be looked at. */
export function identify({ paths }: { paths: readonly string[] }): (FoundFile | null)[] {
  return paths.map((path) => {
    try {
      const { dev, ino } = statSync(path);
      return { device: dev, inode: ino, realPath: realpathSync(path) };
    } catch {
      return null;
    }
  });
}
