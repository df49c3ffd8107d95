/** `report`: the last report, from the history. */

import { JobError } from '../errors.js';
import { reportAsJson } from '../report/json.js';
import { reportAsMarkdown } from '../report/markdown.js';
import { type GlobalOptions, openForReadingOnly, readConfig } from './open.js';
import { reportContext } from './parts-of-run.js';
import { print } from './terminal.js';

export async function report(options: GlobalOptions): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  try {
    const latest = parts.history.latestReport();
    if (latest === undefined)
      throw new JobError('missing', parts.history.degraded ?? 'no run has finished yet: there is no report');
    const format = options.json === true ? reportAsJson : reportAsMarkdown;
    print(format(latest, reportContext(parts.config)).trimEnd());
    return 0;
  } finally {
    await parts.close();
  }
}
