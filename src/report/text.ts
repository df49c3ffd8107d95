/** A run in a few lines for a terminal. */
import { styleText } from 'node:util';
import type { JobOutcome, JobReport, RunReport } from '../jobs/outcome.js';
import { plain } from '../plain.js';
import { formatDuration } from '../units.js';
import { problemsOf, subjectOf, verdictOf } from './verdict.js';

const colors: Readonly<Record<JobOutcome, 'green' | 'red' | 'yellow' | 'gray'>> = {
  succeeded: 'green',
  repaired: 'yellow',
  skipped: 'gray',
  interrupted: 'yellow',
  'timed-out': 'red',
  failed: 'red',
  damaged: 'red',
  held: 'red',
  restored: 'yellow',
};

/** Databases that went well are one line each up to this many; beyond, only those with problems are shown. */
const mostSound = 20;

/** Ends in a newline. With colour the words stay the same. */
export function formatRunSummary(report: RunReport, { color = false } = {}): string {
  const paint = (outcome: JobOutcome, text: string): string =>
    color ? styleText(colors[outcome], text, { validateStream: false }) : text;
  const describeJob = ({ job, outcome, duration_ms, error, summary }: JobReport): string =>
    `    ${plain(job).padEnd(10)} ${paint(outcome, outcome.padEnd(11))} ${formatDuration(duration_ms).padStart(10)}  ${plain(error?.message ?? summary)}`;
  const lines = [paint(report.outcome, verdictOf(report))];
  const sound = report.databases.filter(({ outcome }) => outcome === 'succeeded');
  for (const database of report.databases) {
    if (database.outcome === 'succeeded' && sound.length > mostSound) continue;
    lines.push(`  ${plain(database.name)}`);
    lines.push(...database.jobs.map(describeJob));
  }
  if (sound.length > mostSound) lines.push(`  ${sound.length} databases without problems`);
  if (report.jobs.length > 0) lines.push('  the run', ...report.jobs.map(describeJob));
  for (const problem of problemsOf(report)) {
    if (problem.advice !== '') lines.push(`  ${subjectOf(problem)}: ${problem.advice}`);
  }
  return `${lines.join('\n')}\n`;
}
