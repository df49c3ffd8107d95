/** How each kind of job last ended on a database. */
import { type Html, html } from '../../html/markup.js';
import { scrolling } from '../../html/table.js';
import { moment } from '../../html/time.js';
import { outcomeWord, toned, toneOf } from '../../html/tone.js';
import type { DatabaseView, OperationView } from '../../overview/overview.js';
import { formatDuration } from '../../units.js';

export function operationsPart({ name: database, operations }: DatabaseView, now: Date): Html | null {
  if (operations.length === 0) return null;
  const wrong = operations.filter(({ last }) => last !== null && toneOf(last.outcome) === 'bad');
  return html`<details><summary>Jobs${wrong.length === 0 ? null : html`, <span class="bad">not well: ${wrong.map(({ operation }) => operation).join(', ')}</span>`}</summary>
${scrolling(`Jobs of ${database}`, {
  caption: html`How each kind of job last ended`,
  columns: [
    {
      title: 'Job',
      cell: ({ operation, scheduled }) =>
        html`${operation}${scheduled ? null : html` <small class="soft">not scheduled</small>`}`,
    },
    { title: 'Outcome', cell: outcomeOf },
    { title: 'When', cell: ({ last }) => (last === null ? '–' : moment(last.at, now)) },
    { title: 'Took', kind: 'number', cell: ({ last }) => (last === null ? '–' : formatDuration(last.durationMs)) },
    { title: 'Summary', cell: (operation) => summaryOf(operation, now) },
  ],
  rows: operations,
  none: 'None.',
})}
</details>`;
}

function outcomeOf({ last }: OperationView): Html {
  return last === null ? toned('soft', 'never ran') : toned(toneOf(last.outcome), outcomeWord(last.outcome));
}

function summaryOf({ last, lastSuccessAt }: OperationView, now: Date): Html {
  if (last === null) return html`–`;
  if (toneOf(last.outcome) !== 'bad') return html`${last.summary}`;
  return html`${last.summary}<br><small class="soft">Last success: ${lastSuccessAt === null ? 'never' : moment(lastSuccessAt, now)}</small>`;
}
