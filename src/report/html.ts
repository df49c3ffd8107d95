/**
 * The report as one HTML file: no scripts, nothing loaded from anywhere. Names and messages are hostile input: everything goes through
 * escape(), and the content security policy allows this file's own style and nothing else.
 */
import { createHash } from 'node:crypto';
import type { DatabaseReport, JobOutcome, JobReport, RunReport } from '../jobs/outcome.js';
import { formatDuration } from '../units.js';
import { readableFacts } from './facts.js';
import type { ReportContext } from './json.js';
import { plain } from './plain.js';
import { durationOf, type Problem, problemsOf, subjectOf, verdictOf } from './verdict.js';

const style = `
:root { color-scheme: light dark; --text: #1c1e21; --soft: #5a6068; --line: #d5d9de; --back: #fff; --panel: #f5f6f8;
  --good: #14692f; --bad: #b3151b; --warn: #8a5300; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --soft: #a2a9b2; --line: #3a4048; --back: #15181c; --panel: #1e2228;
  --good: #6fce8c; --bad: #ff8a85; --warn: #f0b45a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.3; border-left: .4rem solid; padding-left: .75rem; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
section > ul { padding-left: 1.2rem; }
li { margin-bottom: .5rem; }
table { width: 100%; border-collapse: collapse; margin: 1rem 0 .5rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
caption small { display: block; font-weight: 400; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-top: 1px solid var(--line); }
thead th { font-size: .85rem; color: var(--soft); border-top: 0; overflow-wrap: normal; }
tbody th { font-weight: 500; }
th:nth-child(-n+3), td:nth-child(-n+3) { width: 1%; white-space: nowrap; }
details { background: var(--panel); border-radius: .4rem; padding: .4rem .75rem; margin-bottom: 1.5rem; }
summary { cursor: pointer; color: var(--soft); }
dl { display: grid; grid-template-columns: minmax(7rem, auto) 1fr; gap: .2rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
footer { margin-top: 2rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; }
.good { color: var(--good); }
.bad { color: var(--bad); font-weight: 600; }
.warn { color: var(--warn); font-weight: 600; }
.soft { color: var(--soft); }
@media (max-width: 34rem) {
  th:nth-child(-n+3), td:nth-child(-n+3) { white-space: normal; padding-right: .4rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
}
`;

const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;

const tones: Readonly<Record<JobOutcome, string>> = {
  succeeded: 'good',
  repaired: 'warn',
  skipped: 'soft',
  interrupted: 'warn',
  'timed-out': 'bad',
  failed: 'bad',
  damaged: 'bad',
  held: 'bad',
  restored: 'warn',
};

export function reportAsHtml(report: RunReport, context: ReportContext): string {
  const verdict = escape(verdictOf(report));
  const problems = problemsOf(report);
  return `${page(
    verdict,
    `<h1 class="${tones[report.outcome]}">${verdict}</h1>
${problems.length === 0 ? '' : section('What needs attention', `<ul>\n${problems.map(problemItem).join('\n')}\n</ul>`)}
${section('Databases', report.databases.length === 0 ? '<p>None.</p>' : report.databases.map(databasePart).join('\n'))}
${report.jobs.length === 0 ? '' : section('The run as a whole', jobTable('Jobs about the whole run', '', report.jobs))}
${about(report, context)}`,
  )}\n`;
}

/** A whole document around a body that is already escaped. */
function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>`;
}

/** Text as HTML shows it, one line, nothing hidden in it. */
function escape(text: string): string {
  return plain(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** An outcome is a word first; its colour only repeats it. */
function outcome(of: JobOutcome): string {
  return `<span class="${tones[of]}">${of}</span>`;
}

function section(title: string, body: string): string {
  return `<section>\n<h2>${title}</h2>\n${body}\n</section>`;
}

function problemItem(problem: Problem): string {
  const next = problem.advice === '' ? '' : `<br><span class="soft">${escape(problem.advice)}</span>`;
  return `<li><strong><bdi>${escape(subjectOf(problem))}</bdi></strong> ${outcome(problem.outcome)}: ${escape(problem.message)}${next}</li>`;
}

function databasePart(database: DatabaseReport): string {
  const title = `<bdi>${escape(database.name)}</bdi>: ${outcome(database.outcome)}`;
  return `${jobTable(title, database.path, database.jobs)}${factsOf(database)}`;
}

function jobTable(title: string, note: string, jobs: readonly JobReport[]): string {
  const rows = jobs.map(
    (job) =>
      `<tr><th scope="row">${escape(job.job)}</th><td>${outcome(job.outcome)}</td><td>${formatDuration(job.duration_ms)}</td><td>${escape(job.error?.message ?? job.summary)}</td></tr>`,
  );
  return `<table>
<caption>${title}${note === '' ? '' : `<small>${escape(note)}</small>`}</caption>
<thead><tr><th scope="col">Job</th><th scope="col">Outcome</th><th scope="col">Duration</th><th scope="col">Summary</th></tr></thead>
<tbody>
${rows.length === 0 ? '<tr><td colspan="4">No job ran.</td></tr>' : rows.join('\n')}
</tbody>
</table>`;
}

function factsOf(database: DatabaseReport): string {
  const facts = database.jobs.flatMap((job) =>
    readableFacts(job.facts).map(
      ({ label, text }) => `<dt>${escape(job.job)}: ${escape(label)}</dt><dd>${escape(text)}</dd>`,
    ),
  );
  if (facts.length === 0) return '';
  return `\n<details><summary>What was measured</summary>\n<dl>\n${facts.join('\n')}\n</dl>\n</details>`;
}

function about(report: RunReport, { generatedAt, version, host, nextRuns = [] }: ReportContext): string {
  const rows: readonly (readonly [string, string])[] = [
    ['Run', `${report.run_id} (${report.trigger}${report.slot === null ? '' : ` for ${report.slot}`})`],
    ['Started', report.started_at],
    ['Finished', `${report.finished_at}, after ${formatDuration(durationOf(report))}`],
    ...nextRuns.map(({ schedule, at }) => [`Next ${schedule}`, at.toISOString()] as const),
    ...(host === undefined ? [] : [['Host', host] as const]),
    ['Written', `${generatedAt.toISOString()}${version === undefined ? '' : ` by debuggle-maintenance ${version}`}`],
  ];
  return `<footer>\n<dl>\n${rows.map(([name, value]) => `<dt>${escape(name)}</dt><dd>${escape(value)}</dd>`).join('\n')}\n</dl>\n</footer>`;
}
