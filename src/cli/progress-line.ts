/** One line on a terminal that says how far the work is and how long it will take. Without a terminal it says nothing. */
import type { RunProgress } from '../schedule/run.js';
import { formatDuration } from '../units.js';

export interface ProgressLine {
  readonly show: (progress: RunProgress) => void;
  readonly clear: () => void;
}

export function createProgressLine(stream: NodeJS.WriteStream): ProgressLine {
  if (!stream.isTTY) return { show: () => undefined, clear: () => undefined };
  let task = '';
  let began = 0;
  return {
    show: ({ database, job, done, total }) => {
      const now = performance.now();
      if (task !== `${database} ${job}`) {
        task = `${database} ${job}`;
        began = now;
      }
      stream.write(`\r\x1b[K${describe(task, done, total, now - began)}`);
    },
    clear: () => {
      if (task !== '') stream.write('\r\x1b[K');
    },
  };
}

/** `logs backup: 43 %, about 3.1 s left`; the estimate comes with the second look. Pure. */
function describe(task: string, done: number, total: number, elapsedMs: number): string {
  const share = total === 0 ? 0 : done / total;
  const left =
    share > 0.02 && elapsedMs > 500 ? `, about ${formatDuration((elapsedMs / share) * (1 - share))} left` : '';
  return `${task}: ${Math.floor(share * 100)} %${left}`;
}
