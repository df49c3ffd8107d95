/** The whole in one line. Pure: it promises no more than the records say. */
import { relative } from '../../html/time.js';
import { type Tone, toneOfStatus } from '../../html/tone.js';
import type { DatabaseView, Overview } from '../../overview/overview.js';
import { counted } from '../../units.js';
import { needsSomebody } from './databases.js';

export interface WholeVerdict {
  readonly tone: Tone;
  readonly sentence: string;
}

export function wholeVerdict({ at, databases, history, problems }: Overview): WholeVerdict {
  const critical = problems.filter(({ severity }) => severity === 'critical');
  const others = problems.length - critical.length;
  const [worst] = problems;
  if (worst !== undefined) {
    const tone = critical.length > 0 ? 'bad' : 'warn';
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
    const tone = unwell.some((one) => toneOfStatus(one.status) === 'bad' || needsSomebody(one)) ? 'bad' : 'warn';
    return { tone, sentence: `${unwell.length} of ${counted(databases.length, 'database')} not healthy` };
  }
  const allBackedUp = databases.every(({ lastGoodBackup }) => lastGoodBackup !== null);
  return { tone: allBackedUp ? 'good' : 'warn', sentence: allHealthy(databases, at) };
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
