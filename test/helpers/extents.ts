/** Where the blocks of a file lie on its disk, as the kernel says (FIEMAP, through e2fsprogs' filefrag). */
import { spawnSync } from 'node:child_process';

const blockBytes = 4096;

/** For each block of the file, in its order, where it lies. */
export function blocksOf(file: string): readonly number[] {
  const blocks: number[] = [];
  for (const [, from, , start, length] of extents(file)) {
    for (let block = 0; block < Number(length); block += 1) blocks[Number(from) + block] = Number(start) + block;
  }
  return blocks;
}

/** How many blocks the one has at other places than the other. */
export function ownBlocks(file: string, other: string): number {
  const others = blocksOf(other);
  return blocksOf(file).filter((block, index) => block !== others[index]).length;
}

/** Whether the kernel calls any extent of it shared. */
export function saysShared(file: string): boolean {
  return extents(file).some(([line]) => /\bshared\b/.test(line));
}

/** Synced first: what still waits in memory lies nowhere. */
function extents(file: string): readonly RegExpMatchArray[] {
  const { status, error, stdout, stderr } = spawnSync('filefrag', ['-s', '-v', `-b${blockBytes}`, file], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`filefrag ${file}: ${error?.message ?? stderr}`);
  return [...stdout.matchAll(/^ *\d+: +(\d+)\.\. *(\d+): +(\d+)\.\. *\d+: +(\d+):.*$/gm)];
}
