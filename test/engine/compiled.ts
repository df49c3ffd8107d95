/**
 * Compiled modules of the program. Children are forked from `worker.js` beside the module that forks them, so what forks must be taken
 * from dist/: in src/ there is only worker.ts. What works with it comes from there too, so that an error is of the one class that all of
 * them know. The types are those of the sources.
 */
import { afterAll } from 'vitest';
import type * as DisplayModule from '../../src/cli/display.js';
import type * as NotifierOfModule from '../../src/cli/notifier-of.js';
import type * as OpenModule from '../../src/cli/open.js';
import type * as EngineModule from '../../src/engine/engine.js';
import type * as ErrorsModule from '../../src/errors.js';
import type * as RestoreModule from '../../src/guard/restore-in-place.js';
import type * as HistoryModule from '../../src/history/history.js';
import type * as WatchModule from '../../src/overview/watch.js';
import type * as QueueModule from '../../src/schedule/queue.js';
import type * as RunModule from '../../src/schedule/run.js';
import type * as LockModule from '../../src/sqlite/operations/lock.js';

const compiled = (module: string): Promise<unknown> =>
  import(/* @vite-ignore */ new URL(`../../dist/${module}`, import.meta.url).href);

// tsc has made each from the source whose types are given.
export const { Display } = (await compiled('cli/display.js')) as typeof DisplayModule;
export const { notifierOf } = (await compiled('cli/notifier-of.js')) as typeof NotifierOfModule;
export const { openParts, readConfig } = (await compiled('cli/open.js')) as typeof OpenModule;
export const { Engine } = (await compiled('engine/engine.js')) as typeof EngineModule;
export const { restoreInPlace } = (await compiled('guard/restore-in-place.js')) as typeof RestoreModule;
export const { JobError } = (await compiled('errors.js')) as typeof ErrorsModule;
export const { History } = (await compiled('history/history.js')) as typeof HistoryModule;
export const { Watch } = (await compiled('overview/watch.js')) as typeof WatchModule;
export const { DatabaseQueue } = (await compiled('schedule/queue.js')) as typeof QueueModule;
export const { runSchedule } = (await compiled('schedule/run.js')) as typeof RunModule;
export const { holderOf, takeLock } = (await compiled('sqlite/operations/lock.js')) as typeof LockModule;

/**
 * For tests that are about what is done in children, and not about the children: one for all tests of the file that calls this at its top, so
 * that a child which one test gives back is the next one's. A test closes its sessions.
 */
export function engineOfFile(): EngineModule.Engine {
  const engine = new Engine({ memoryBytes: 1024 ** 3 });
  afterAll(() => engine.close());
  return engine;
}
