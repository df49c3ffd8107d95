/** The whole in one line. Pure: it promises no more than the records say. */
import { relative } from '../../html/time.js';
import type { Tone } from '../../html/tone.js';
import type { DatabaseView, Overview } from '../../overview/overview.js';
import { counted } from '../../units.js';
import { needsSomebody, toneOn, verdictOn, worstFirst } from './databases.js';

export interface WholeVerdict {
  readonly tone: Tone;
  readonly sentence: string;
}

export function wholeVerdict({ at, databases, history, problems, schedules }: Overview): WholeVerdict {
  const critical = problems.filter(({ severity }) => severity === 'critical');
  const others = problems.length - critical.length;
  const [worst] = problems;
  if (worst !== undefined) {
    // Whatever the list of problems says: a damaged database is never only a warning.
    const bad = critical.length > 0 || history !== null || databases.some((one) => toneOn(one) === 'bad');
    const tone = bad ? 'bad' : 'warn';
    if (problems.length === 1) return { tone, sentence: worst.title };
    const counts = [
      ...(critical.length > 0 ? [counted(critical.length, 'critical problem')] : []),
      ...(others > 0 ? [counted(others, 'warning')] : []),
    ];
    return { tone, sentence: `${counts.join(' and ')}. First: ${worst.title}` };
  }
  if (history !== null) return { tone: 'bad', sentence: `What happens cannot be recorded: ${history}` };
  if (databases.length === 0) return { tone: 'warn', sentence: 'No database is configured, or none was found' };
  const unwell = databases.filter((one) => one.status !== 'healthy' || needsSomebody(one));
  if (unwell.length > 0) {
    const tone = unwell.some((one) => toneOn(one) === 'bad') ? 'bad' : 'warn';
    return { tone, sentence: notHealthy(worstFirst(unwell), databases.length) };
  }
  const late = schedules.find(({ secondsOverdue }) => secondsOverdue > 0);
  if (late !== undefined) return { tone: 'warn', sentence: `The schedule ${late.name} is overdue` };
  const allBackedUp = databases.every(({ lastGoodBackup }) => lastGoodBackup !== null);
  return { tone: allBackedUp ? 'good' : 'warn', sentence: allHealthy(databases, at) };
}

function notHealthy(unwell: readonly DatabaseView[], of: number): string {
  const first = unwell.slice(0, 1).map((database) => `${database.name} is ${verdictOn(database)}`);
  return unwell.length === 1
    ? first.join('')
    : `${unwell.length} of ${of} databases are not healthy. First: ${first.join('')}`;
}

function allHealthy(databases: readonly DatabaseView[], at: Date): string {
  const one = databases.length === 1;
  const who = one
    ? 'The database is'
    : databases.length === 2
      ? 'Both databases are'
      : `All ${databases.length} databases are`;
  const made = databases.flatMap(({ lastGoodBackup }) => (lastGoodBackup === null ? [] : [lastGoodBackup.createdAt]));
  const missing = databases.length - made.length;
  if (missing > 0) return `${who} healthy; ${one ? 'it has' : `${missing} of them have`} no good backup yet`;
  const oldest = relative(new Date(Math.min(...made.map((moment) => moment.getTime()))), at);
  return `${who} healthy; ${one ? 'its last good backup is from' : 'the oldest of their last good backups is from'} ${oldest}`;
}
