/** The backups of a database: what each holds, how it was proven, and why it is still there. */
import { type Html, html, name } from '../../html/markup.js';
import { scrolling } from '../../html/table.js';
import { absolute, machineTime, relative } from '../../html/time.js';
import { toned } from '../../html/tone.js';
import type { BackupView, DatabaseView } from '../../overview/overview.js';
import { counted, formatBytes } from '../../units.js';
import { proof } from './proof.js';

export interface BackupsOptions {
  readonly now: Date;
  /** How many are listed; null: all. */
  readonly most: number | null;
  /** Where all of them are. */
  readonly link: string;
}

export function backupsPart(
  { name: database, backups, backupsError, areBackupsPending, retentionWaits }: DatabaseView,
  { now, most, link }: BackupsOptions,
): Html {
  if (backups.length === 0) {
    const unlisted = areBackupsPending ? 'Its backups are being listed.' : 'Its backups cannot be listed.';
    return html`<p class="small soft">${backupsError === null ? 'No backups.' : unlisted}</p>`;
  }
  const shown = most === null ? backups : backups.slice(0, most);
  const unsound = backups.filter(({ sound }) => !sound).length;
  return html`<details><summary>${counted(backups.length, 'backup')}${unsound === 0 ? null : html`, <span class="bad">${unsound} not sound</span>`}</summary>
<div class="backups">${scrolling(`Backups of ${database}`, {
    caption: html`${shown.length === backups.length ? 'All backups' : `The newest ${shown.length} backups`}, newest first`,
    columns: [
      { title: 'Backup', cell: (backup) => html`${backup.name}` },
      { title: 'State of (UTC)', cell: ({ createdAt }) => stateOf(createdAt, now) },
      {
        title: 'Stored',
        kind: 'number',
        cell: ({ storedBytes, builtOn }) => `${formatBytes(storedBytes)}${builtOn === null ? '' : ' (delta)'}`,
      },
      { title: 'Proven by', cell: (backup) => provenBy(backup, now) },
      { title: 'Kept because', cell: (backup) => keptBecause(backup, retentionWaits !== null) },
    ],
    rows: shown,
    none: 'None.',
  })}</div>
${shown.length === backups.length || most === null ? null : html`<p class="small"><a href="${link}">All ${backups.length} backups of ${name(database)}</a></p>`}
</details>`;
}

function stateOf(at: Date, now: Date): Html {
  return html`<time datetime="${machineTime(at)}">${absolute(at).slice(0, 16)} <small class="soft">${relative(at, now)}</small></time>`;
}

function provenBy({ sound, verified, restoredAt, anomaly }: BackupView, now: Date): Html {
  const how = sound ? html`${proof(verified)}` : toned('bad', proof(verified));
  return html`${how}${restoredAt === null ? null : html`; restored ${relative(restoredAt, now)}`}${anomaly === null ? null : html`<br><span class="warn">${anomaly}</span>`}`;
}

function keptBecause({ keptBecause: reasons, pinned }: BackupView, retentionWaits: boolean): Html {
  const all = [...(pinned && !reasons.includes('pinned') ? ['pinned'] : []), ...reasons];
  return all.length === 0
    ? html`<span class="soft">${retentionWaits ? 'would go, but retention waits' : 'goes with the next retention'}</span>`
    : html`${all.join(', ')}`;
}
