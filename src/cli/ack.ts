/** `ack DATABASE`: what stands open for a database is settled: a marked backup, a replaced file, a job's failure. */
import { directoriesOf } from '../jobs/targets.js';
import { Watch } from '../overview/watch.js';
import { plain } from '../plain.js';
import { chosenTargets, type GlobalOptions, openParts, readConfig } from './open.js';
import { print } from './terminal.js';

/** To acknowledge must be possible also where a backup directory does not answer. */
const listingPatienceMs = 5000;

export async function ack(options: GlobalOptions, name: string): Promise<number> {
  const config = readConfig(options);
  const parts = openParts({ ...config, log: { level: 'error', file: null } }, 'none');
  try {
    const targets = await chosenTargets(parts, [name]);
    const watch = new Watch(parts, { startedAt: null, only: [name], patienceMs: listingPatienceMs });
    await watch.refresh();
    const { databases } = watch.overview();
    for (const { target } of targets) {
      const open = parts.history.openProblems(target.name);
      const incident = parts.history.openIncident(target.name);
      // An anomaly, say, of which nothing else would be seen any more.
      const waits = databases.find((database) => database.name === target.name)?.retentionWaits ?? null;
      const recorded = parts.history.acknowledge(target.name, new Date(), directoriesOf(target));
      if (!recorded.ok) throw recorded.error;
      print(
        `${target.name}: acknowledged${open.length === 0 && incident === undefined && waits === null ? '; no failed job and no decision stood open' : ''}`,
        ...(incident === undefined ? [] : [`  incident ${incident.row}: ${incident.message}`]),
        ...open.map((problem) => `  ${problem.job}: ${problem.message}`),
        ...(waits === null || incident !== undefined ? [] : [plain(`  retention waited: ${waits}`)]),
      );
    }
    return 0;
  } finally {
    await parts.close();
  }
}
