/** Where damaged files go: beside the history, outside of what retention and sweeping look at. */
import { join } from 'node:path';
import type { JobContext } from '../jobs/job.js';

export const quarantineOf = ({ stateDirectory }: Pick<JobContext<unknown>, 'stateDirectory'>): string =>
  join(stateDirectory, 'quarantine');
