/** The report as one HTML file. Names and messages are hostile input: html`…` escapes them. */

import { type Html, html, name } from '../html/markup.js';
import { page } from '../html/page.js';
import { table } from '../html/table.js';
import { outcomeWord, toned, toneOf } from '../html/tone.js';
import type { DatabaseReport, JobReport, RunReport } from '../jobs/outcome.js';
import { formatDuration } from '../units.js';
import { readableFacts } from './facts.js';
import type { ReportContext } from './json.js';
import { durationOf, type Problem, problemsOf, subjectOf, verdictOf } from './verdict.js';

export function reportAsHtml(report: RunReport, context: ReportContext): string {
  const verdict = verdictOf(report);
  const problems = problemsOf(report);
  return page({
    title: verdict,
    body: html`<main>
<h1 class="${toneOf(report.outcome)}">${verdict}</h1>
${problems.length === 0 ? null : section('What needs attention', problems.map(problemCard))}
${section('Databases', report.databases.length === 0 ? [html`<p>None.</p>`] : databaseCards(report))}
${report.jobs.length === 0 ? null : section('The run as a whole', [card(jobTable(html`Jobs about the whole run`, report.jobs))])}
</main>
${about(report, context)}`,
  });
}

function section(title: string, parts: readonly Html[]): Html {
  return html`<section>\n<h2>${title}</h2>\n${parts}\n</section>`;
}

function card(content: Html): Html {
  return html`<div class="card jobs">\n${content}\n</div>`;
}

function problemCard(problem: Problem): Html {
  const tone = toneOf(problem.outcome);
  return html`<div class="card ${tone}">
<p><strong>${name(subjectOf(problem))}</strong> ${toned(tone, outcomeWord(problem.outcome))}: ${problem.message}</p>
${problem.advice === '' ? null : html`<p class="next">${problem.advice}</p>`}
</div>`;
}

function databaseCards(report: RunReport): readonly Html[] {
  const longest = Math.max(...report.databases.flatMap(({ jobs }) => jobs.map((job) => job.duration_ms)));
  return report.databases.map((database) => {
    const title = html`${name(database.name)}: ${toned(toneOf(database.outcome), outcomeWord(database.outcome))}<small>${database.path}</small>`;
    return card(html`${jobTable(title, database.jobs, longest)}${factsOf(database)}`);
  });
}

/** With `longest`, a line under each duration shows which job took the time; the figure beside it says how much. */
function jobTable(caption: Html, jobs: readonly JobReport[], longest = 0): Html {
  return table({
    caption,
    columns: [
      { title: 'Job', cell: ({ job }) => job },
      { title: 'Outcome', cell: ({ outcome }) => toned(toneOf(outcome), outcomeWord(outcome)) },
      {
        title: 'Duration',
        cell: ({ duration_ms, outcome }) =>
          html`${formatDuration(duration_ms)}${outcome === 'skipped' ? null : share(duration_ms, longest)}`,
      },
      { title: 'Summary', cell: ({ error, summary }) => error?.message ?? summary },
    ],
    rows: jobs,
    none: 'No job ran.',
  });
}

function share(durationMs: number, longest: number): Html | null {
  if (longest === 0) return null;
  const width = Math.max(1, Math.round((100 * durationMs) / longest));
  return html`<svg class="share" aria-hidden="true" viewBox="0 0 100 4" preserveAspectRatio="none"><rect width="${width}" height="4" fill="currentColor"></rect></svg>`;
}

function factsOf(database: DatabaseReport): Html | null {
  const facts = database.jobs.flatMap((job) =>
    readableFacts(job.facts).map(({ label, text }) => html`<dt>${job.job}: ${label}</dt><dd>${text}</dd>`),
  );
  if (facts.length === 0) return null;
  return html`\n<details><summary>What was measured</summary>\n<dl>\n${facts}\n</dl>\n</details>`;
}

function about(report: RunReport, { generatedAt, version, host, nextRuns = [] }: ReportContext): Html {
  const rows: readonly (readonly [string, string])[] = [
    ['Run', `${report.run_id} (${report.trigger}${report.slot === null ? '' : ` for ${report.slot}`})`],
    ['Started', report.started_at],
    ['Finished', `${report.finished_at}, after ${formatDuration(durationOf(report))}`],
    ...nextRuns.map(({ schedule, at }) => [`Next ${schedule}`, at.toISOString()] as const),
    ...(host === undefined ? [] : [['Host', host] as const]),
    ['Written', `${generatedAt.toISOString()}${version === undefined ? '' : ` by debuggle-maintenance ${version}`}`],
  ];
  return html`<footer>\n<dl>\n${rows.map(([label, value]) => html`<dt>${label}</dt><dd>${value}</dd>`)}\n</dl>\n</footer>`;
}
