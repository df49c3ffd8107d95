/** What is running at this moment, and how far it is. */
import { type Html, html, name } from '../../html/markup.js';
import { moment } from '../../html/time.js';
import type { RunningView } from '../../overview/overview.js';

export function runningPart(running: readonly RunningView[], now: Date): Html {
  return html`<section id="running" aria-labelledby="running-title">
<h2 id="running-title">Running now</h2>
${running.map((run, n) => runCard(run, n, now))}
</section>`;
}

function runCard({ schedule, runId, startedAt, step }: RunningView, n: number, now: Date): Html {
  return html`<article class="card">
<div class="head"><h3>${name(schedule)}</h3><span class="small soft">Started ${moment(startedAt, now)}</span></div>
${step === null ? html`<p>Before its first job, or at work in another process.</p>` : progress(step, `progress-${n}`)}
<p class="small soft">Run <code>${runId}</code></p>
</article>`;
}

function progress({ database, job, doneRatio }: NonNullable<RunningView['step']>, id: string): Html {
  const what = html`${job} of ${name(database)}`;
  if (doneRatio === null) return html`<p>${what}</p>`;
  const percent = Math.floor(Math.min(1, Math.max(0, doneRatio)) * 100);
  return html`<p><label for="${id}">${what}</label></p>
<p><progress id="${id}" max="100" value="${percent}">${percent} %</progress> ${percent} %</p>`;
}
