/** What a child process can do, one line each. Types only flow from here to the host; the code runs in worker.ts. */

import { illegibleManifests, listBackups } from '../files/catalog.js';
import { lookAtDestination } from '../files/destination.js';
import { claimDirectory } from '../files/directories.js';
import { freeBytes } from '../files/disk-space.js';
import { expand } from '../files/expand.js';
import { healHeader } from '../files/heal-header.js';
import { holdersOf } from '../files/holders.js';
import { identify } from '../files/identify.js';
import { look } from '../files/look.js';
import { discard } from '../files/partial.js';
import { setPin } from '../files/pin.js';
import { placeRestored, refuseTaken } from '../files/place.js';
import { probeDatabase } from '../files/probe.js';
import { prune } from '../files/prune.js';
import { publish } from '../files/publish.js';
import { noteInQuarantine, quarantine } from '../files/quarantine.js';
import { replaceSet } from '../files/replace-set.js';
import { findQuarantine } from '../files/restore-marks.js';
import { compress, digest, unpack } from '../files/store.js';
import { surroundings } from '../files/surroundings.js';
import { sweep } from '../files/sweep.js';
import { thaw } from '../files/thaw.js';
import { closeMonitor, openMonitor, readMonitor } from '../sqlite/monitor.js';
import { gatherStatistics, publishStatistics } from '../sqlite/operations/analyze.js';
import { checkLive } from '../sqlite/operations/check.js';
import { compareIndexes } from '../sqlite/operations/compare-indexes.js';
import { drill } from '../sqlite/operations/drill.js';
import { examine } from '../sqlite/operations/examine.js';
import { incrementalVacuum } from '../sqlite/operations/incremental-vacuum.js';
import { inspect } from '../sqlite/operations/inspect.js';
import { makeWhole } from '../sqlite/operations/make-whole.js';
import { matchPageSize } from '../sqlite/operations/match-page-size.js';
import { measure } from '../sqlite/operations/measure.js';
import { measureIndexes } from '../sqlite/operations/measure-indexes.js';
import { livePageSize } from '../sqlite/operations/page-size.js';
import { pin, unpin } from '../sqlite/operations/pin.js';
import { prove } from '../sqlite/operations/prove.js';
import { rawCopy } from '../sqlite/operations/raw-copy.js';
import { rebuildIndexes } from '../sqlite/operations/rebuild-indexes.js';
import { reindexOne } from '../sqlite/operations/reindex.js';
import { restoreLive } from '../sqlite/operations/restore-live.js';
import { salvage } from '../sqlite/operations/salvage.js';
import { schemaVersion } from '../sqlite/operations/schema-version.js';
import { settle } from '../sqlite/operations/settle.js';
import { snapshot } from '../sqlite/operations/snapshot.js';
import { vacuum } from '../sqlite/operations/vacuum.js';

/** Reports how far a long operation is. Units are the operation's own: pages. */
export type Progress = (done: number, total: number) => void;

export const operations = {
  probe: ({ path }: { path: string }) => probeDatabase(path),
  expand,
  identify,
  claimDirectory,
  freeBytes,
  holders: holdersOf,
  pin,
  rawCopy,
  unpin,
  makeWhole,
  snapshot,
  prove,
  checkLive,
  drill,
  measure,
  surroundings,
  inspect,
  measureIndexes,
  vacuum,
  incrementalVacuum,
  reindexOne,
  gatherStatistics,
  publishStatistics,
  openMonitor,
  readMonitor,
  closeMonitor,
  look,
  settle,
  examine,
  compareIndexes,
  rebuildIndexes,
  digest,
  compress,
  unpack,
  publish,
  placeRestored,
  refuseTaken: ({ destination, force }: { destination: string; force: boolean }) => refuseTaken(destination, force),
  lookAtDestination,
  quarantine,
  noteInQuarantine,
  thaw,
  salvage,
  matchPageSize,
  healHeader,
  replaceSet,
  restoreLive,
  livePageSize,
  findQuarantine,
  schemaVersion,
  listBackups,
  illegibleManifests,
  sweep,
  prune,
  setPin,
  discard,
} as const satisfies Record<string, (request: never, progress: Progress) => unknown>;

export type OperationName = keyof typeof operations;
export type Request<Name extends OperationName> = Parameters<(typeof operations)[Name]>[0];
export type Reply<Name extends OperationName> = Awaited<ReturnType<(typeof operations)[Name]>>;
