/** How far a run of this process is: told by the run as it goes, asked for by whoever shows it. */
import type { RunProgress } from '../schedule/run.js';
import type { RunningView } from './overview.js';

export class RunUnderWay {
  #step: RunningView['step'] = null;

  constructor(
    readonly runId: string,
    private readonly schedule: string,
    private readonly startedAt: Date,
  ) {}

  /** A job has begun, or says how far it is. */
  progress({ database, job, done, total }: RunProgress): void {
    this.#step = { database, job, doneRatio: total === 0 ? null : Math.min(1, done / total) };
  }

  view(): RunningView {
    return { schedule: this.schedule, runId: this.runId, startedAt: this.startedAt, step: this.#step };
  }
}
