/**
 * The databases measured on. Each measurement gets a fresh copy, synced, so that no one pays for another's writes; and memory for one more,
 * written to right before: a virtual machine gives free memory back to its host, and has to ask for each page of it anew (1 GB took 0.4 s
 * or 0.9 s and more).
 */
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
  const touched = path.join(directory, 'touched');
  fs.copyFileSync(original, touched);
  fs.rmSync(touched);
  return file;
}
