/** One database: its figures at a glance; behind a click what they rest on. */
import { sizeChart } from '../../html/chart.js';
import { type Html, html, name } from '../../html/markup.js';
import { moment, relative } from '../../html/time.js';
import { badge, toned, toneOf, toneOfStatus } from '../../html/tone.js';
import type { DatabaseView } from '../../overview/overview.js';
import { formatBytes, formatDuration } from '../../units.js';
import { anchorOf } from './anchor.js';
import { backupsPart } from './backups.js';
import { failingIn, untilFull } from './databases.js';
import { operationsPart } from './operations.js';
import { proof } from './proof.js';

/** How many backups are listed; null: all. */
const mostBackups = { all: null, much: 12, little: 5 } as const;

export interface DatabaseCardOptions {
  readonly now: Date;
  /** `all` that is known; `much`, with so many of its backups as a reader looks at; `little`, the figures and the newest backups. */
  readonly detail: 'all' | 'much' | 'little';
  /** The page of this database alone. */
  readonly link: string;
}

export function databaseCard(database: DatabaseView, { now, detail, link }: DatabaseCardOptions): Html {
  const id = anchorOf(database.name);
  const days = database.samples.length < 2 ? '' : ' over the last 30 days';
  const chart = sizeChart(`${id}-chart`, `Size of ${database.name}${days}`, database.samples);
  return html`<section class="card" id="${id}" aria-labelledby="${id}-title">
<div class="head"><h3 id="${id}-title">${name(database.name)}</h3><span class="badges">${badges(database)}</span></div>
<p class="small soft"><code>${name(database.path)}</code></p>
${notes(database, now)}
<div class="split">
${figures(database, now)}
${chart === null ? html`<p class="soft small">No measurements of its size yet: the job <code>health</code> makes them.</p>` : html`<figure>\n<figcaption>Size${days}</figcaption>\n${chart}\n</figure>`}
</div>
${backupsPart(database, { now, most: mostBackups[detail], link })}
${
  detail === 'little'
    ? html`<p class="small"><a href="${link}">Jobs, measurements and all backups of ${name(database.name)}</a></p>`
    : html`${operationsPart(database, now)}\n${measuredPart(database, now)}`
}
</section>`;
}

function badges(database: DatabaseView): readonly Html[] {
  const { incident, intact, status } = database;
  const failing = failingIn(database);
  return [
    ...(incident === null ? [] : [badge('bad', 'needs a decision')]),
    ...(intact === false ? [badge('bad', 'damaged')] : []),
    ...(failing === null ? [] : [badge('bad', failing)]),
    // The verdict of a measurement, which may be older than what fails.
    ...(failing !== null && status === 'healthy' ? [] : [badge(toneOfStatus(status), status)]),
  ];
}

/** What must not be overlooked, the worst first. */
function notes(database: DatabaseView, now: Date): Html | null {
  const { incident, damagedSince, lastRestore, warnings, retentionWaits } = database;
  const bad: readonly Html[] = [
    ...(incident === null
      ? []
      : [
          html`<strong>Everything that writes waits for a decision</strong>, since ${moment(incident.since, now)}: ${incident.message} <code>debuggle-maintenance explain ${incident.runId}</code> says how it came to this.`,
        ]),
    ...(damagedSince === null ? [] : [html`<strong>Damaged</strong>, known since ${moment(damagedSince, now)}.`]),
  ];
  const others: readonly Html[] = [
    ...(lastRestore === null
      ? []
      : [
          html`<span class="${toneOf(lastRestore.outcome)}">Restored in place</span> ${moment(lastRestore.at, now)}: ${lastRestore.summary}`,
        ]),
    ...warnings.map((warning) => html`${warning}`),
    ...(retentionWaits === null ? [] : [html`Retention deletes nothing: ${retentionWaits}`]),
  ];
  if (bad.length + others.length === 0) return null;
  const tone = bad.length > 0 || toneOfStatus(database.status) === 'bad' ? 'bad' : 'warn';
  return html`<ul class="notes ${tone}">\n${[...bad, ...others].map((note) => html`<li>${note}</li>`)}\n</ul>`;
}

function figures(database: DatabaseView, now: Date): Html {
  const { lastGoodBackup: backup, lastProvenRestore: restore, measured } = database;
  return html`<dl class="figures">
<div><dt>Last good backup</dt><dd>${backup === null ? html`<span class="bad">${database.backupsError === null ? 'none' : 'not known'}</span>` : html`${moment(backup.createdAt, now)}<small>${formatBytes(backup.storedBytes)}, proven by ${proof(backup.verified)}</small>`}</dd></div>
<div><dt>Last proven restore</dt><dd>${restore === null ? html`never` : html`${moment(restore.at, now)}<small>took ${formatDuration(restore.restoreMs)}</small>`}</dd></div>
<div><dt>Size</dt><dd>${database.sizeBytes === null ? 'not known' : formatBytes(database.sizeBytes)}${growth(measured?.growthBytesPerDay ?? null)}</dd></div>
<div><dt>Damage</dt><dd>${damageWord(database, now)}</dd></div>
<div><dt>Free on its disk</dt><dd>${bytes(measured?.freeDiskBytes ?? null)}</dd></div>
<div><dt>Disk full</dt><dd>${fullIn(database)}</dd></div>
</dl>`;
}

function damageWord({ intact, operations }: DatabaseView, now: Date): Html {
  if (intact === null) return html`<span class="soft">nobody has looked</span>`;
  if (!intact) return toned('bad', 'found');
  const checkedAt = operations.find(({ operation }) => operation === 'integrity')?.lastSuccessAt ?? null;
  return html`none found${checkedAt === null ? null : html`<small>checked ${relative(checkedAt, now)}</small>`}`;
}

function growth(bytesPerDay: number | null): Html | null {
  if (bytesPerDay === null) return null;
  if (bytesPerDay === 0) return html`<small>not growing</small>`;
  return html`<small>${bytesPerDay > 0 ? '+' : '−'}${formatBytes(Math.abs(bytesPerDay))} a day</small>`;
}

/** Null is two things: it does not grow, or nobody knows. */
function fullIn({ secondsUntilFull, measured }: DatabaseView): Html {
  if (secondsUntilFull !== null) return untilFull(secondsUntilFull);
  return measured?.growthBytesPerDay == null ? html`<span class="soft">not known</span>` : html`not in sight`;
}

function bytes(amount: number | null): string {
  return amount === null ? 'not known' : formatBytes(amount);
}

function measuredPart(
  { measured, lastWriterStallMs, backupDirectory, group, name: own }: DatabaseView,
  now: Date,
): Html {
  const rows: readonly (readonly [string, Html | string | null])[] = [
    ['Configured as', group === own ? null : name(group)],
    ['Backups in', html`<code>${name(backupDirectory)}</code>`],
    [
      'Free on the disk of the backups',
      measured?.freeBackupDiskBytes == null ? null : formatBytes(measured.freeBackupDiskBytes),
    ],
    ['Write-ahead log', measured === null ? null : formatBytes(measured.walBytes)],
    ['Unused pages', measured === null ? null : `${(measured.freelistRatio * 100).toFixed(1)} %`],
    ['Probe query', measured === null ? null : formatDuration(measured.queryMs)],
    ['Rows', measured?.totalRows == null ? null : rowsInWords(measured.totalRows, measured.recentRows)],
    [
      'Open in',
      measured?.connections == null
        ? null
        : `${measured.connections} ${measured.connections === 1 ? 'process' : 'processes'}`,
    ],
    ['Journal mode', measured?.journalMode ?? null],
    ['Longest wait of a writer', lastWriterStallMs === null ? null : formatDuration(lastWriterStallMs)],
    ['Measured', measured === null ? 'never' : moment(measured.at, now)],
  ];
  return html`<details><summary>Measurements</summary>
<dl>
${rows.flatMap(([label, value]) => (value === null ? [] : [html`<dt>${label}</dt><dd>${value}</dd>`]))}
</dl>
</details>`;
}

function rowsInWords(total: number, recent: number | null): string {
  const grouped = (count: number): string => count.toLocaleString('en-GB').replaceAll(',', '\u202f');
  return `${grouped(total)}${recent === null ? '' : `, ${grouped(recent)} of them in the last 24 hours`}`;
}
