import { expect, test } from 'vitest';
import type { Backup } from '../../src/files/backups.js';
import { type BackupEvidence, goodBackups, newestOf } from '../../src/jobs/good-backups.js';
import { type BackupOptions, backupAt } from './backups.js';

type Check = 'full' | 'quick' | 'none';

function backup(day: string, integrity: Check, options: BackupOptions = {}): Backup {
  const { manifest, ...rest } = backupAt(`2026-11-${day}T02:00:00Z`, options);
  return { ...rest, manifest: { ...manifest, verification: { ...manifest.verification, integrity } } };
}

const days = (backups: readonly Backup[], over: Partial<BackupEvidence> = {}): string[] =>
  goodBackups(backups, { bad: new Set(), isDamaged: false, lastFoundSound: undefined, ...over }).map(({ manifest }) =>
    manifest.created_at.slice(8, 10),
  );

test('of a database not known to be damaged every backup is good but those that are not intact or were found bad', () => {
  const bad = backup('04', 'full');
  const all = [backup('01', 'full'), backup('02', 'quick'), backup('03', 'none'), bad];
  expect(days([...all, backup('05', 'full', { intact: false })], { bad: new Set([bad.stem]) })).toEqual([
    '01',
    '02',
    '03',
  ]);
});

test('of a damaged database a backup that passed less than the full check is good only from when it was last found sound', () => {
  const all = [backup('01', 'none'), backup('02', 'quick'), backup('03', 'quick'), backup('04', 'full')];
  const isDamaged = true;
  expect(days(all, { isDamaged })).toEqual(['04']);
  expect(days(all, { isDamaged, lastFoundSound: new Date('2026-11-02T03:00:00Z') })).toEqual(['01', '02', '04']);
});

test('the newest is none from the future', () => {
  const [older, newer] = [backupAt('2026-11-22T02:00:00Z'), backupAt('2026-11-23T02:00:00Z')];
  const now = new Date('2026-11-23T02:00:00Z');
  expect(newestOf([older, newer], now)).toBe(newer);
  expect(newestOf([older, newer, backupAt('2031-01-01T00:00:00Z')], now)).toBe(newer);
  expect(newestOf([backupAt('2031-01-01T00:00:00Z')], now)).toBeUndefined();
});
