/**
 * Databases as Debuggle makes them: its table, its indexes, log text that gzip packs about 4:1. The sample database, the tests and the
 * benchmark use it, so it is plain JavaScript: it runs before anything is compiled. The same options and seed give the same rows.
 *
 * A crash in the middle leaves a file that is no use to anyone (nothing is synced while building): make it again.
 */
import Database from 'better-sqlite3';

const debuggleSchema = `
CREATE TABLE logs (
  log_id TEXT PRIMARY KEY,
  timestamp DATETIME NOT NULL,
  original_log TEXT NOT NULL,
  processed_log TEXT NOT NULL,
  summary TEXT,
  tags TEXT, -- JSON array of strings
  severity TEXT NOT NULL,
  language TEXT NOT NULL,
  metadata TEXT, -- JSON object
  project_name TEXT,
  file_path TEXT,
  source TEXT DEFAULT 'api',
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_timestamp ON logs(timestamp);
CREATE INDEX idx_severity ON logs(severity);
CREATE INDEX idx_language ON logs(language);
CREATE INDEX idx_project ON logs(project_name);
CREATE INDEX idx_created_at ON logs(created_at);
`;

const insertRow = `INSERT INTO logs VALUES (
  :log_id, :timestamp, :original_log, :processed_log, :summary, :tags, :severity, :language, :metadata, :project_name, :file_path, :source, :created_at
)`;

const rowsPerTransaction = 1000;
const dayMs = 86_400_000;
/** Of a row's bytes, what is not log text: the other columns and the six indexes. */
const bytesBesideText = 700;
/** Text repeats after this much only: beyond gzip's window, and beyond zstd's at its usual levels. */
const largestPool = 16 * 1024 ** 2;

/** @type {typeof import('./debuggle-database.mjs').createDebuggleDatabase} */
export function createDebuggleDatabase(path, options = {}) {
  const { journalMode = 'wal', seed = 1, rowBytes = 1500, pageSize = 4096, days = 30 } = options;
  const { rows = Infinity, sizeBytes = Infinity, until = new Date('2026-01-01T00:00:00Z') } = options;
  if (rows === Infinity && sizeBytes === Infinity) throw new TypeError('either rows or sizeBytes is needed');

  const database = new Database(path);
  try {
    database.pragma(`page_size = ${pageSize}`);
    database.pragma('journal_mode = MEMORY');
    database.pragma('synchronous = OFF');
    database.pragma('cache_size = -131072');
    database.exec(debuggleSchema);

    const total = Math.min(rows, Math.ceil(sizeBytes / rowBytes));
    const makeRow = rowMaker({ seed, rowBytes, total, until, days });
    const insert = database.prepare(insertRow);
    const insertMany = database.transaction((/** @type {number} */ first, /** @type {number} */ count) => {
      for (let number = first; number < first + count; number++) insert.run(makeRow(number));
    });

    let made = 0;
    const size = () => Number(database.pragma('page_count', { simple: true })) * pageSize;
    while (made < rows && size() < sizeBytes) {
      // Half of what seems to be missing: so it passes the wanted size by a few rows at most.
      const missing = Math.min(rows - made, Math.ceil((sizeBytes - size()) / rowBytes / 2));
      const count = Math.min(rowsPerTransaction, missing);
      insertMany(made, count);
      made += count;
    }
    database.pragma(`journal_mode = ${journalMode}`);
    return { rows: made, sizeBytes: size() };
  } finally {
    database.close();
  }
}

/** @param {{ seed: number, rowBytes: number, total: number, until: Date, days: number }} options */
function rowMaker({ seed, rowBytes, total, until, days }) {
  const random = randomNumbers(seed);
  const textBytes = Math.max(rowBytes - bytesBesideText, 40);
  const pool = logText(random, Math.min(largestPool, Math.max(total * textBytes, 4 * textBytes)));
  const start = until.getTime() - days * dayMs;
  const stepMs = (days * dayMs) / total;

  return (/** @type {number} */ number) => {
    const at = new Date(start + Math.floor(Math.min(number, total) * stepMs)).toISOString();
    const [severity, summary, tag] = pick(random, severities);
    const language = pick(random, languages);
    // Debuggle keeps the log twice, as it came and as it was read: much of it is the same text.
    const length = Math.floor(textBytes * (0.5 + random()));
    const original = slice(pool, random, Math.floor(length * 0.6));
    const processed = `${original.slice(0, Math.floor(length * 0.15))}${slice(pool, random, Math.floor(length * 0.25))}`;
    return {
      log_id: `log_${hex(random)}${hex(random)}`,
      timestamp: `${at.slice(0, 10)} ${at.slice(11, 23)}${String(number % 1000).padStart(3, '0')}`,
      original_log: original,
      processed_log: processed,
      summary,
      tags: JSON.stringify([tag, language]),
      severity,
      language,
      metadata: JSON.stringify({
        lines: 1 + (number % 12),
        language_detected: language,
        processing_time_ms: number % 10,
        truncated: false,
      }),
      project_name: pick(random, projects),
      file_path: `/srv/${language}/app-${number % 20}.log`,
      source: random() < 0.7 ? 'api' : 'file_upload',
      created_at: `${at.slice(0, 10)} ${at.slice(11, 19)}`,
    };
  };
}

const severities = /** @type {const} */ ([
  ['info', '🎉 Great news! Your system is running smoothly with no problems detected.', 'Mixed Results'],
  ['info', '✅ Nothing to do: the requests were answered in time.', 'Mixed Results'],
  ['warning', '⚠️ Some requests were slow. 💡 Recommendation: look at the connection pool first.', 'Needs Attention'],
  ['error', '⚠️ Your system has 2 problems that should be fixed.', 'Serious Problems'],
  ['critical', '🚨 **Main Problem**: the service stopped answering.', 'Critical Error'],
]);
const languages = /** @type {const} */ (['python', 'javascript', 'java', 'csharp', 'auto']);
const projects = /** @type {const} */ (['checkout', 'search', 'billing', 'mobile-api', null]);
const levels = /** @type {const} */ (['INFO', 'INFO', 'INFO', 'DEBUG', 'WARN', 'ERROR']);
const modules = [
  'http.server',
  'db.pool',
  'auth.session',
  'jobs.queue',
  'cache.redis',
  'payment.gateway',
  'mail.outbox',
  'search.index',
];
const messages = [
  'request finished status=200 route=/api/v1/orders',
  'request failed status=503 route=/api/v1/payments retrying after backoff',
  'connection returned to the pool',
  'slow query: SELECT * FROM orders WHERE customer_id = ? ORDER BY created_at DESC LIMIT 50',
  'session refreshed for user',
  'Traceback (most recent call last): File "/srv/app/worker.py", line 214, in run_job',
  'java.lang.NullPointerException at com.example.billing.InvoiceService.total(InvoiceService.java:88)',
  'TypeError: Cannot read properties of undefined (reading "id") at handler (/srv/app/routes/user.js:41:17)',
  'cache miss, loading from the database',
  'message accepted by the mail server',
];

/**
 * Log lines, one after the other.
 * @param {() => number} random
 * @param {number} bytes
 */
function logText(random, bytes) {
  const lines = [];
  for (let made = 0, time = 1_760_000_000_000; made < bytes; ) {
    time += Math.floor(random() * 2000);
    const line = `${new Date(time).toISOString()} ${pick(random, levels)} [${pick(random, modules)}] ${pick(random, messages)} request_id=${hex(random)}${hex(random)} trace=${hex(random)}${hex(random)}${hex(random)}${hex(random)} duration_ms=${Math.floor(random() * 900)}\n`;
    made += line.length;
    lines.push(line);
  }
  return lines.join('');
}

/**
 * @param {string} pool
 * @param {() => number} random
 * @param {number} length
 */
function slice(pool, random, length) {
  const start = Math.floor(random() * Math.max(pool.length - length, 1));
  return pool.slice(start, start + length);
}

/**
 * @template T
 * @param {() => number} random
 * @param {readonly T[]} values
 * @returns {T}
 */
function pick(random, values) {
  return /** @type {T} */ (values[Math.floor(random() * values.length)]);
}

/** @param {() => number} random */
function hex(random) {
  return Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
}

/**
 * Numbers in [0, 1), always the same ones for a seed (mulberry32).
 * @param {number} seed
 */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
