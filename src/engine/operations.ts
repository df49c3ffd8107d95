/** What a child process can do, one line each. Types only flow from here to the host; the code runs in worker.ts. */
import { illegibleManifests, listBackups } from '../files/catalog.js';
import { claimDirectory } from '../files/directories.js';
import { freeBytes } from '../files/disk-space.js';
import { syncFile } from '../files/durable.js';
import { expand } from '../files/expand.js';
import { holdersOf } from '../files/holders.js';
import { identify } from '../files/identify.js';
import { discard } from '../files/partial.js';
import { setPin } from '../files/pin.js';
import { placeRestored, refuseTaken } from '../files/place.js';
import { probeDatabase } from '../files/probe.js';
import { prune } from '../files/prune.js';
import { publish } from '../files/publish.js';
import { compress, digest, unpack } from '../files/store.js';
import { sweep } from '../files/sweep.js';
import { gatherStatistics, publishStatistics } from '../sqlite/operations/analyze.js';
import { checkLive } from '../sqlite/operations/check.js';
import { drill } from '../sqlite/operations/drill.js';
import { makeWhole } from '../sqlite/operations/make-whole.js';
import { measure } from '../sqlite/operations/measure.js';
import { pin, unpin } from '../sqlite/operations/pin.js';
import { prove } from '../sqlite/operations/prove.js';
import { rawCopy } from '../sqlite/operations/raw-copy.js';
import { snapshot } from '../sqlite/operations/snapshot.js';

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
  gatherStatistics,
  publishStatistics,
  digest,
  syncFile,
  compress,
  unpack,
  publish,
  placeRestored,
  refuseTaken: ({ destination, force }: { destination: string; force: boolean }) => refuseTaken(destination, force),
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
