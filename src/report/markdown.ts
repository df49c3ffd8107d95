/** The report for people who read text: the verdict, what to do, then everything. */
import type { DatabaseReport, JobReport, RunReport } from '../jobs/outcome.js';
import { plain } from '../plain.js';
import { formatDuration } from '../units.js';
import { readableFacts } from './facts.js';
import type { ReportContext } from './json.js';
import { durationOf, type Problem, problemsOf, subjectOf, verdictOf } from './verdict.js';

export function reportAsMarkdown(report: RunReport, context: ReportContext): string {
  const problems = problemsOf(report);
  const blocks = [
    `# ${escape(verdictOf(report))}`,
    ...(problems.length === 0 ? [] : ['## What needs attention', ...problems.map(problemItem)]),
    '## Databases',
    ...(report.databases.length === 0 ? ['None.'] : report.databases.flatMap(databaseSection)),
    ...(report.jobs.length === 0 ? [] : ['## The run as a whole', jobTable(report.jobs)]),
    '## About this run',
    aboutList(report, context),
  ];
  return `${blocks.join('\n\n')}\n`;
}

function problemItem(problem: Problem): string {
  const head = `- **${escape(subjectOf(problem))}** ${problem.outcome}: ${escape(problem.message)}`;
  return problem.advice === '' ? head : `${head}\n  ${escape(problem.advice)}`;
}

function databaseSection(database: DatabaseReport): readonly string[] {
  const facts = database.jobs.flatMap((job) =>
    readableFacts(job.facts).map(({ label, text }) => `- ${escape(job.job)}: ${escape(label)}: ${escape(text)}`),
  );
  return [
    `### ${escape(database.name)}: ${database.outcome}`,
    escape(database.path),
    ...(database.jobs.length === 0 ? ['No job ran.'] : [jobTable(database.jobs)]),
    ...(facts.length === 0 ? [] : [facts.join('\n')]),
  ];
}

function jobTable(jobs: readonly JobReport[]): string {
  const rows = jobs.map((job) => [
    job.job,
    job.outcome,
    formatDuration(job.duration_ms),
    job.error?.message ?? job.summary,
  ]);
  return [
    '| Job | Outcome | Duration | Summary |',
    '| --- | --- | ---: | --- |',
    ...rows.map((cells) => `| ${cells.map(escape).join(' | ')} |`),
  ].join('\n');
}

function aboutList(report: RunReport, { generatedAt, version, host, nextRuns = [] }: ReportContext): string {
  const items = [
    `run: ${report.run_id} (${report.trigger}${report.slot === null ? '' : ` for ${report.slot}`})`,
    `started ${report.started_at}, finished ${report.finished_at}, took ${formatDuration(durationOf(report))}`,
    ...nextRuns.map(({ schedule, at }) => `next ${schedule}: ${at.toISOString()}`),
    `written ${generatedAt.toISOString()}${host === undefined ? '' : ` on ${host}`}${version === undefined ? '' : ` by debuggle-maintenance ${version}`}`,
  ];
  return items.map((item) => `- ${escape(item)}`).join('\n');
}

/** One line in which nothing is markup. https://spec.commonmark.org/0.31.2/#backslash-escapes */
function escape(text: string): string {
  return plain(text).replace(/[\\`*_[\]<>&|#~!$]/g, '\\$&');
}
