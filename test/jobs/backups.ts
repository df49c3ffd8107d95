/** Backups as the catalogue lists them, from a few words. Nothing of them is on a disk. */
import type { Backup } from '../../src/files/backups.js';
import { compactUtc } from '../../src/units.js';
import { manifest } from '../files/backups.js';

export interface BackupOptions {
  readonly pinned?: boolean;
  readonly intact?: boolean;
  readonly anomaly?: string;
  readonly schedule?: string;
  readonly preOperation?: boolean;
}

export function backupAt(time: string | Date, options: BackupOptions = {}): Backup {
  const { pinned = false, intact = true, anomaly, schedule = 'daily', preOperation = false } = options;
  const taken = new Date(time);
  const stem = `logs-${compactUtc(taken)}-${schedule}`;
  const created = { created_at: taken.toISOString(), schedule, ...(preOperation ? { pre_operation: true } : {}) };
  return {
    stem,
    path: `/backups/${stem}.db`,
    manifest: { ...manifest({ ...created, ...(anomaly === undefined ? {} : { anomaly }) }), file: `${stem}.db` },
    pinned,
    intact,
    own: intact,
    base: [],
  };
}
