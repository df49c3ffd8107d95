/** What somebody should look at: what it is, what happened, what to do, and since when. */
import { type Html, html, name, prose } from '../../html/markup.js';
import { moment } from '../../html/time.js';
import { badge } from '../../html/tone.js';
import type { Problem } from '../../overview/overview.js';

/** Beyond, they are counted: a disk that is full concerns every database on it in the same way. */
const mostShown = 100;

export function problemsPart(
  problems: readonly Problem[],
  now: Date,
  linkToDatabase: (database: string) => string | null,
): Html {
  const shown = problems.slice(0, mostShown);
  return html`<section id="problems" aria-labelledby="problems-title">
<h2 id="problems-title">Open problems</h2>
${shown.length === 0 ? html`<p class="soft">None.</p>` : shown.map((problem) => problemCard(problem, now, linkToDatabase))}
${problems.length === shown.length ? null : html`<p>And ${problems.length - shown.length} more: <code>debuggle-maintenance status</code> lists them all.</p>`}
</section>`;
}

function problemCard(
  { severity, database, schedule, title, message, advice, since }: Problem,
  now: Date,
  linkToDatabase: (database: string) => string | null,
): Html {
  const tone = severity === 'critical' ? 'bad' : 'warn';
  const link = database === null ? null : linkToDatabase(database);
  const about = [
    database === null
      ? null
      : html`Database ${link === null ? name(database) : html`<a href="${link}">${name(database)}</a>`}`,
    schedule === null ? null : html`Schedule ${name(schedule)}`,
    html`Since ${moment(since, now)}`,
  ].filter((part) => part !== null);
  return html`<article class="card ${tone}">
<div class="head"><h3>${title}</h3>${badge(tone, severity)}</div>
${message === '' || message === title ? null : html`<p>${prose(message)}</p>`}
${advice === '' ? null : html`<p class="next"><strong>What to do:</strong> ${prose(advice)}</p>`}
<p class="about small soft">${about.map((part) => html`<span>${part}</span>`)}</p>
</article>`;
}
