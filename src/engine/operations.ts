/**
 * What a child process can do, one line each. Types only flow from here to the host; the code runs in worker.ts, which loads what it is asked
 * for: one that only copies files starts in two thirds of the time.
 */

/** Reports how far a long operation is. Units are the operation's own: pages. */
export type Progress = (done: number, total: number) => void;

export const operations = {
  probe: async () => (await import('../files/probe.js')).probeDatabase,
  expand: async () => (await import('../files/expand.js')).expand,
  identify: async () => (await import('../files/identify.js')).identify,
  claimDirectory: async () => (await import('../files/directories.js')).claimDirectory,
  freeBytes: async () => (await import('../files/disk-space.js')).freeBytes,
  holders: async () => (await import('../files/holders.js')).holdersOf,
  pin: async () => (await import('../sqlite/operations/pin.js')).pin,
  // What is loaded before a database is pinned, nobody waits for.
  copyAhead: async () =>
    (await Promise.all([import('../sqlite/operations/copy-ahead.js'), import('../sqlite/operations/raw-copy.js')]))[0]
      .copyAhead,
  rawCopy: async () => (await import('../sqlite/operations/raw-copy.js')).rawCopy,
  unpin: async () => (await import('../sqlite/operations/pin.js')).unpin,
  makeWhole: async () => (await import('../sqlite/operations/make-whole.js')).makeWhole,
  snapshot: async () => (await import('../sqlite/operations/snapshot.js')).snapshot,
  prove: async () => (await import('../sqlite/operations/prove.js')).prove,
  proveTables: async () => (await import('../sqlite/operations/prove-tables.js')).proveTables,
  weighTables: async () => (await import('../sqlite/operations/weigh-tables.js')).weighTables,
  checkLive: async () => (await import('../sqlite/operations/check.js')).checkLive,
  drill: async () => (await import('../sqlite/operations/drill.js')).drill,
  measure: async () => (await import('../sqlite/operations/measure.js')).measure,
  countRows: async () => (await import('../sqlite/operations/count-rows.js')).countRows,
  surroundings: async () => (await import('../files/surroundings.js')).surroundings,
  inspect: async () => (await import('../sqlite/operations/inspect.js')).inspect,
  measureIndexes: async () => (await import('../sqlite/operations/measure-indexes.js')).measureIndexes,
  vacuum: async () => (await import('../sqlite/operations/vacuum.js')).vacuum,
  incrementalVacuum: async () => (await import('../sqlite/operations/incremental-vacuum.js')).incrementalVacuum,
  reindexOne: async () => (await import('../sqlite/operations/reindex.js')).reindexOne,
  gatherStatistics: async () => (await import('../sqlite/operations/analyze.js')).gatherStatistics,
  publishStatistics: async () => (await import('../sqlite/operations/analyze.js')).publishStatistics,
  openMonitor: async () => (await import('../sqlite/monitor.js')).openMonitor,
  readMonitor: async () => (await import('../sqlite/monitor.js')).readMonitor,
  closeMonitor: async () => (await import('../sqlite/monitor.js')).closeMonitor,
  look: async () => (await import('../files/look.js')).look,
  settle: async () => (await import('../sqlite/operations/settle.js')).settle,
  examine: async () => (await import('../sqlite/operations/examine.js')).examine,
  compareIndexes: async () => (await import('../sqlite/operations/compare-indexes.js')).compareIndexes,
  rebuildIndexes: async () => (await import('../sqlite/operations/rebuild-indexes.js')).rebuildIndexes,
  digest: async () => (await import('../files/store.js')).digest,
  compress: async () => (await import('../files/store.js')).compress,
  unpack: async () => (await import('../files/store.js')).unpack,
  rebuild: async () => (await import('../files/rebuild.js')).rebuild,
  makeDelta: async () => (await import('../files/make-delta.js')).makeDelta,
  settleForms: async () => (await import('../files/settle-forms.js')).settleForms,
  adoptDelta: async () => (await import('../files/adopt-delta.js')).adoptDelta,
  publish: async () => (await import('../files/publish.js')).publish,
  placeRestored: async () => (await import('../files/place.js')).placeRestored,
  refuseTaken: async () => (await import('../files/place.js')).refuseTaken,
  lookAtDestination: async () => (await import('../files/destination.js')).lookAtDestination,
  quarantine: async () => (await import('../files/quarantine.js')).quarantine,
  noteInQuarantine: async () => (await import('../files/quarantine.js')).noteInQuarantine,
  thaw: async () => (await import('../files/thaw.js')).thaw,
  salvage: async () => (await import('../sqlite/operations/salvage.js')).salvage,
  matchPageSize: async () => (await import('../sqlite/operations/match-page-size.js')).matchPageSize,
  healHeader: async () => (await import('../files/heal-header.js')).healHeader,
  replaceSet: async () => (await import('../files/replace-set.js')).replaceSet,
  restoreLive: async () => (await import('../sqlite/operations/restore-live.js')).restoreLive,
  livePageSize: async () => (await import('../sqlite/operations/page-size.js')).livePageSize,
  findQuarantine: async () => (await import('../files/restore-marks.js')).findQuarantine,
  schemaVersion: async () => (await import('../sqlite/operations/schema-version.js')).schemaVersion,
  readCatalog: async () => (await import('../files/catalog.js')).readCatalog,
  sweep: async () => (await import('../files/sweep.js')).sweep,
  prune: async () => (await import('../files/prune.js')).prune,
  setPin: async () => (await import('../files/pin.js')).setPin,
  discard: async () => (await import('../files/partial.js')).discard,
} as const satisfies Record<string, () => Promise<(request: never, progress: Progress) => unknown>>;

export type OperationName = keyof typeof operations;

/**
 * Those that open files without SQLite. When such a descriptor is closed, all locks go that this process has on the file: never on a
 * database that a monitor of this process holds open. https://www.sqlite.org/howtocorrupt.html#posix_close_bug
 */
export const rawOperations: ReadonlySet<OperationName> = new Set([
  'probe',
  'copyAhead',
  'rawCopy',
  'digest',
  'compress',
  'unpack',
  'rebuild',
  'makeDelta',
  'settleForms',
  'lookAtDestination',
  'quarantine',
  'healHeader',
  'replaceSet',
  'placeRestored',
  'thaw',
  'discard',
]);

type Operation<Name extends OperationName> = Awaited<ReturnType<(typeof operations)[Name]>>;
export type Request<Name extends OperationName> = Parameters<Operation<Name>>[0];
export type Reply<Name extends OperationName> = Awaited<ReturnType<Operation<Name>>>;
