/**
 * An application: commits rows to a Debuggle database at a given rate, one row a commit, and times each commit. A row's id is appended to the
 * ack file only after its commit has returned, so every id in that file is a row the application was promised.
 *
 * Arguments as JSON in argv[2]: path, rate (commits a second, 0 for as many as possible), ackFile or null, busyTimeoutMs, rowBytes.
 * Says `{ type: 'writing' }` after the first commit. On 'measure' and 'stop' it answers `{ type: 'measured', … }` for the time since the
 * last such answer, and starts anew; 'stop' ends it. It also ends when its parent does.
 */
import fs from 'node:fs';
import Database from 'better-sqlite3';

const { path, rate, ackFile, busyTimeoutMs, rowBytes } = JSON.parse(process.argv[2]);
const database = new Database(path, { fileMustExist: true, timeout: busyTimeoutMs });
const ack = ackFile === null ? null : fs.openSync(ackFile, 'a');
const insert = database.prepare(
  `INSERT INTO logs (log_id, timestamp, original_log, processed_log, severity, language) VALUES (?, datetime('now'), ?, '', 'info', 'auto')`,
);
const text = 'request finished status=200 route=/api/v1/orders '.repeat(Math.ceil(rowBytes / 49)).slice(0, rowBytes);
const started = performance.now();

let attempted = 0;
let said = false;
/** @type {number[]} */
let times = [];
/** @type {string[]} */
let errors = [];
let walBytes = { first: walSize(), most: 0 };

function commitOne() {
  const id = `written_${process.pid}_${attempted++}`;
  const before = performance.now();
  try {
    insert.run(id, text);
  } catch (error) {
    errors.push(String(error));
    return;
  }
  times.push(performance.now() - before);
  if (ack !== null) fs.writeSync(ack, `${id}\n`);
  walBytes.most = Math.max(walBytes.most, walSize());
  if (!said) process.send?.({ type: 'writing' });
  said = true;
}

/** Those that are due by now; after a stall all it has missed, as requests that queued up would. */
function commitDue() {
  commitOne();
  if (rate === 0) setImmediate(commitDue);
  else setTimeout(commitDue, Math.max(0, started + (attempted * 1000) / rate - performance.now()));
}

function walSize() {
  return fs.statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
}

function measure() {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (/** @type {number} */ share) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  process.send?.({
    type: 'measured',
    commits: sorted.length,
    worstMs: sorted.at(-1) ?? 0,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    totalMs: sorted.reduce((sum, ms) => sum + ms, 0),
    errors,
    walGrowthBytes: Math.max(0, walBytes.most - walBytes.first),
  });
  times = [];
  errors = [];
  walBytes = { first: walSize(), most: 0 };
}

process.on('message', (message) => {
  measure();
  if (message !== 'stop') return;
  database.close();
  process.disconnect();
});
process.on('disconnect', () => process.exit());
commitDue();
