/**
 * The databases measured on. Each measurement gets a fresh copy, synced, so that no one pays for another's writes; and memory that has been
 * written to right before: a virtual machine gives free memory back to its host, all the time, and has to ask for each page of it anew. A copy
 * of 1 GB took 0.55 s or 1.1 s, by nothing but that.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createDebuggleDatabase } from '../scripts/debuggle-database.mjs';

/**
 * @param {string} file
 * @param {number} sizeBytes
 */
export function makeOriginal(file, sizeBytes) {
  if (!fs.existsSync(file)) createDebuggleDatabase(file, { sizeBytes, journalMode: 'wal' });
  return file;
}

/**
 * @param {string} original
 * @param {string} directory emptied first
 */
export function freshCopy(original, directory) {
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, 'logs.db');
  fs.copyFileSync(original, file);
  const descriptor = fs.openSync(file, 'r+');
  fs.fsyncSync(descriptor);
  fs.closeSync(descriptor);
  askHostForMemory(3 * fs.statSync(file).size);
  return file;
}

/**
 * In pieces that Node.js gets and gives back by themselves, and in a process of its own: what it had is free when it has ended.
 * @param {number} bytes
 */
function askHostForMemory(bytes) {
  const pieceBytes = 64 * 1024 * 1024;
  const script = `const kept = []; for (let left = ${bytes}; left > 0; left -= ${pieceBytes}) kept.push(Buffer.alloc(${pieceBytes}, 1));`;
  const { status } = spawnSync(process.execPath, ['-e', script], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${bytes} bytes of memory cannot be had: measure with a smaller --size`);
}
