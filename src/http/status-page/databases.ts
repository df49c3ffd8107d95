/** All databases in one table, the worst first. */
import { type Html, html, name } from '../../html/markup.js';
import { table } from '../../html/table.js';
import { machineTime, relative } from '../../html/time.js';
import { type Tone, toned, toneOfStatus } from '../../html/tone.js';
import type { HealthStatus } from '../../jobs/health-verdict.js';
import type { DatabaseView } from '../../overview/overview.js';
import { counted, formatBytes, formatDuration } from '../../units.js';

/** Beyond, a page would be of no use to anybody; those left out are the healthy ones. */
const mostRows = 1000;

const order: readonly HealthStatus[] = ['unhealthy', 'warning', 'degraded', 'healthy'];

/** Those to look at first; otherwise in the order of the configuration. */
export function worstFirst(databases: readonly DatabaseView[]): readonly DatabaseView[] {
  const rank = (database: DatabaseView): number => {
    if (needsSomebody(database)) return -1;
    return failingIn(database) === null ? order.indexOf(database.status) : 0;
  };
  return databases.toSorted((a, b) => rank(a) - rank(b));
}

/** Damaged, or waiting for a decision. */
export function needsSomebody({ intact, incident }: DatabaseView): boolean {
  return intact === false || incident !== null;
}

/** What a measurement from before it failed does not know: `backup fails`, `2 jobs fail`; null: every job ended well. */
export function failingIn({ operations }: DatabaseView): string | null {
  const failing = operations.filter((one) => one.failing).map(({ operation }) => operation);
  if (failing.length > 1) return `${failing.length} jobs fail`;
  return failing.length === 1 ? `${failing.join('')} fails` : null;
}

/** The verdict on a database in a word. */
export function verdictOn({ incident, intact, status }: DatabaseView): string {
  if (incident !== null) return 'held';
  return intact === false ? 'damaged' : status;
}

export function toneOn(database: DatabaseView): Tone {
  return needsSomebody(database) ? 'bad' : toneOfStatus(database.status);
}

export function databasesTable(
  databases: readonly DatabaseView[],
  now: Date,
  link: (database: string) => string,
): Html {
  const shown = databases.slice(0, mostRows);
  const left = databases.length - shown.length;
  return html`<div class="card names">
${table({
  caption: html`${counted(databases.length, 'database')}, those to look at first`,
  columns: [
    { title: 'Database', cell: (database) => html`<a href="${link(database.name)}">${name(database.name)}</a>` },
    { title: 'Verdict', cell: verdictCell },
    {
      title: 'Size',
      kind: 'spare number',
      cell: ({ sizeBytes }) => (sizeBytes === null ? '–' : formatBytes(sizeBytes)),
    },
    {
      title: 'Last good backup',
      cell: ({ lastGoodBackup, backupsError }) =>
        lastGoodBackup === null && backupsError !== null
          ? toned('bad', 'not known')
          : ago(lastGoodBackup?.createdAt ?? null, now),
    },
    {
      title: 'Proven restore',
      kind: 'spare',
      cell: ({ lastProvenRestore }) => ago(lastProvenRestore?.at ?? null, now),
    },
    { title: 'Disk full', kind: 'spare', cell: ({ secondsUntilFull }) => untilFull(secondsUntilFull) },
  ],
  rows: shown,
  none: 'No database.',
})}
${left === 0 ? null : html`<p>And ${left} more. <code>debuggle-maintenance status</code> lists them all.</p>`}
</div>`;
}

/** Nobody is told that all is well, or nearly, with a database whose backup fails. */
function verdictCell(database: DatabaseView): Html {
  const failing = failingIn(database);
  return failing !== null && toneOn(database) !== 'bad'
    ? toned('bad', failing)
    : toned(toneOn(database), verdictOn(database));
}

function ago(at: Date | null, now: Date): Html {
  if (at === null) return toned('bad', 'never');
  return html`<time datetime="${machineTime(at)}">${relative(at, now)}</time>`;
}

/** `in 43 d`; a dash where nothing grows or nobody knows. */
export function untilFull(seconds: number | null): Html {
  if (seconds === null) return html`<span class="soft">–</span>`;
  const days = seconds / 86_400;
  const text =
    days > 730 ? 'in years' : days >= 2 ? `in ${Math.floor(days)} d` : `in ${formatDuration(seconds * 1000)}`;
  if (days < 7) return toned('bad', text);
  if (days < 30) return toned('warn', text);
  return html`${text}`;
}
