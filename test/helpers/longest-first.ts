/**
 * The order of test files: those known to take longest begin first, so that the end is not one long file alone while the other processes have
 * nothing left to do. All else in vitest's own order: by what it has seen before, where there is a cache, or by size.
 */
import path from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** By seconds, not by processor time: a file that waits should begin early, too. */
const longest = [
  'daemon/deltas',
  'daemon/meanwhile',
  'daemon/full-disk',
  'daemon/lifecycle',
  'engine/engine',
  'daemon/command-line',
  'daemon/kill',
  'deploy/prometheus',
  'daemon/http',
  'browser/status-page',
  'daemon/restore-in-place',
  'schedule/run',
  'daemon/bad-databases',
  'daemon/damage',
  'daemon/weekly',
  'daemon/restore-kill',
  'daemon/verify',
  'guard/guarded-run',
  'deploy/rules',
  'daemon/notifications',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const name = path.relative(path.join(import.meta.dirname, '..'), moduleId).replace(/\.test\.ts$/, '');
      const at = longest.indexOf(name);
      return at === -1 ? longest.length : at;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}
