/** Every schedule: how it last ended, when it runs next, whether it is late, and how long its runs took. */
import { durationChart, outcomesInWords } from '../../html/chart.js';
import { type Html, html, name } from '../../html/markup.js';
import { moment } from '../../html/time.js';
import { badge, outcomeWord, toned, toneOf } from '../../html/tone.js';
import type { ScheduleView } from '../../overview/overview.js';
import { counted, formatDuration } from '../../units.js';

export function schedulesPart(schedules: readonly ScheduleView[], now: Date): Html {
  return html`<section id="schedules" aria-labelledby="schedules-title">
<h2 id="schedules-title">Schedules</h2>
${schedules.length === 0 ? html`<p class="soft">None: nothing runs by itself.</p>` : html`<div class="cards">\n${schedules.map((schedule, n) => scheduleCard(schedule, `schedule-${n}`, now))}\n</div>`}
</section>`;
}

function scheduleCard(schedule: ScheduleView, id: string, now: Date): Html {
  const { lastRun, lastSuccessAt, nextRunAt, recentRuns } = schedule;
  const chart = durationChart(
    `${id}-chart`,
    `How long the last ${counted(recentRuns.length, 'run')} of ${schedule.name} took`,
    recentRuns,
  );
  return html`<article class="card" aria-labelledby="${id}">
<div class="head"><h3 id="${id}">${name(schedule.name)}</h3>${punctuality(schedule)}</div>
<p class="small soft"><code>${schedule.cron}</code> · ${schedule.jobs.join(', ')}</p>
<dl class="figures">
<div><dt>Last run</dt><dd>${lastRun === null ? 'never' : html`${toned(toneOf(lastRun.outcome), outcomeWord(lastRun.outcome))} <small>${moment(lastRun.startedAt, now)}</small><small>took ${formatDuration(lastRun.durationMs)}</small>`}</dd></div>
<div><dt>Next run</dt><dd>${nextRunAt === null ? 'none planned' : moment(nextRunAt, now)}</dd></div>
${lastRun?.outcome === 'succeeded' ? null : html`<div><dt>Last success</dt><dd>${lastSuccessAt === null ? 'never' : moment(lastSuccessAt, now)}</dd></div>`}
</dl>
${chart === null ? null : html`<figure>\n<figcaption>${counted(recentRuns.length, 'run')}: ${outcomesInWords(recentRuns)}</figcaption>\n${chart}\n</figure>`}
</article>`;
}

/** Whether it runs when it should; how its last run ended is told beside it. */
function punctuality({ lastRun, secondsOverdue }: ScheduleView): Html {
  if (secondsOverdue > 0) return badge('bad', `overdue by ${formatDuration(secondsOverdue * 1000)}`);
  if (lastRun === null) return badge('soft', 'never ran');
  // A green label over a run that failed would be read first.
  return badge(toneOf(lastRun.outcome) === 'good' ? 'good' : 'soft', 'on time');
}
