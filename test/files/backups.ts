/** What the tests of files/ share: manifests and stored backups made from a few words. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type Backup, backupsAmong } from '../../src/files/backups.js';
import { readCatalog } from '../../src/files/catalog.js';
import { type Manifest, parseManifest } from '../../src/files/manifest.js';
import { formatManifest, readManifestFile } from '../../src/files/manifest-file.js';
import { backupExtensions } from '../../src/files/names.js';

/** As a child reads it and the host believes it. */
export const listBackups = (of: { directory: string; database: string }): readonly Backup[] =>
  backupsAmong(readCatalog(of), of).backups;

export const readManifest = (file: string): Manifest | 'illegible' | undefined =>
  parseManifest(readManifestFile(file) ?? '{}');

const sha256Of = (bytes: string): string => createHash('sha256').update(bytes).digest('hex');

/** The manifest of a small backup of `logs`, without the file's name, as `publish` wants it. */
export function manifest(over: Partial<Manifest> = {}): Omit<Manifest, 'file'> {
  return {
    format: 1,
    database: 'logs',
    source: '/data/logs.db',
    source_device: 1,
    source_inode: 2,
    created_at: '2026-11-23T02:00:00.500Z',
    schedule: 'daily',
    run_id: 'daily-1',
    compression: 'none',
    size_bytes: 4096,
    sha256: sha256Of('database'),
    stored_bytes: 5,
    stored_sha256: sha256Of('bytes'),
    page_count: 1,
    page_size: 4096,
    journal_mode: 'wal',
    application_id: 0,
    sqlite_version: '3.53.2',
    program_version: '0.1.0',
    tables: { logs: 3 },
    schema_sha256: sha256Of('schema'),
    verified_at: '2026-11-23T02:00:01.000Z',
    verification: { integrity: 'full', checks: ['size'] },
    ...over,
  };
}

/** Puts a backup of five bytes and its manifest where the catalogue looks. */
export function storeBackup(directory: string, stem: string, over: Partial<Manifest> = {}): void {
  const made = manifest(over);
  const file = over.file ?? `${stem}${backupExtensions[made.compression]}`;
  fs.writeFileSync(path.join(directory, `${stem}${backupExtensions[made.compression]}`), 'bytes', { mode: 0o600 });
  fs.writeFileSync(path.join(directory, `${stem}.json`), formatManifest({ ...made, file }), { mode: 0o600 });
}

export const stemAt = (time: string, { database = 'logs', schedule = 'daily' } = {}): string =>
  `${database}-${time}-${schedule}`;
