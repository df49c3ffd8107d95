/**
 * The tables of history.db. Times are ISO 8601 in UTC, so that `sqlite3 history.db` reads well. What happened is ordered by id, not by
 * time: clocks go back.
 */
import { JobError } from '../errors.js';
import type { OwnDatabase } from '../sqlite/own.js';

/** The statements that lead from version n to n + 1, by n. Never edited once released; only added to. */
const migrations: readonly string[] = [
  `
  CREATE TABLE run (
    id            INTEGER PRIMARY KEY,
    run_id        TEXT NOT NULL UNIQUE,
    schedule      TEXT NOT NULL,
    trigger       TEXT NOT NULL,
    slot          TEXT,
    started_at    TEXT NOT NULL,
    finished_at   TEXT,              -- null: still running, or its process died
    outcome       TEXT,
    pid           INTEGER NOT NULL,
    process_start INTEGER            -- in clock ticks since boot: a pid alone comes back
  ) STRICT;
  CREATE INDEX run_by_schedule ON run (schedule, id);
  CREATE INDEX run_by_start ON run (started_at);
  CREATE INDEX run_unfinished ON run (id) WHERE finished_at IS NULL;

  CREATE TABLE run_database (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    name    TEXT NOT NULL,
    path    TEXT NOT NULL,
    outcome TEXT
  ) STRICT;
  CREATE INDEX run_database_by_run ON run_database (run, name);

  CREATE TABLE run_job (
    id            INTEGER PRIMARY KEY,
    run           INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    database      TEXT,              -- null: about the run as a whole
    job           TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    started_at    TEXT NOT NULL,
    duration_ms   REAL NOT NULL,
    summary       TEXT NOT NULL,
    facts         TEXT NOT NULL,     -- JSON
    error_code    TEXT,
    error_message TEXT
  ) STRICT;
  CREATE INDEX run_job_by_run ON run_job (run);
  CREATE INDEX run_job_by_kind ON run_job (database, job, id);
  CREATE INDEX run_job_damaged ON run_job (database, id) WHERE error_code = 'damaged';

  CREATE TABLE schedule (
    name       TEXT PRIMARY KEY,
    first_seen TEXT NOT NULL,
    last_slot  TEXT
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE sample (
    database   TEXT NOT NULL,
    hour       TEXT NOT NULL,        -- yyyy-mm-ddThh
    at         TEXT NOT NULL,
    size_bytes REAL NOT NULL,
    PRIMARY KEY (database, hour)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sample_by_hour ON sample (hour);

  CREATE TABLE verification (
    id         INTEGER PRIMARY KEY,
    database   TEXT NOT NULL,
    backup     TEXT NOT NULL,        -- file stem
    at         TEXT NOT NULL,
    sound      INTEGER NOT NULL,
    restore_ms REAL,
    message    TEXT NOT NULL
  ) STRICT;
  CREATE INDEX verification_by_backup ON verification (database, backup, id);
  CREATE INDEX verification_by_time ON verification (at);
  CREATE INDEX verification_unsound ON verification (database, backup) WHERE sound = 0;
  CREATE INDEX verification_proven ON verification (database, id) WHERE sound = 1 AND restore_ms IS NOT NULL;

  CREATE TABLE directory (path TEXT PRIMARY KEY, device REAL NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE identity (database TEXT PRIMARY KEY, device REAL NOT NULL, inode REAL NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE acknowledgement (database TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE intent (
    id       INTEGER PRIMARY KEY,
    database TEXT NOT NULL,
    at       TEXT NOT NULL,
    deed     TEXT NOT NULL,
    facts    TEXT NOT NULL
  ) STRICT;
  CREATE INDEX intent_by_time ON intent (at);
  `,
  `
  CREATE TABLE guarded_run (
    id            INTEGER PRIMARY KEY,
    run_id        TEXT NOT NULL,
    database      TEXT NOT NULL,
    operation     TEXT NOT NULL,
    at            TEXT NOT NULL,
    pid           INTEGER NOT NULL,
    process_start INTEGER,
    intent        TEXT,              -- JSON; null: nothing was changed
    ended_at      TEXT               -- null: still going, or its process died
  ) STRICT;
  CREATE INDEX guarded_run_by_run ON guarded_run (run_id);
  CREATE INDEX guarded_run_by_time ON guarded_run (at);
  CREATE INDEX guarded_run_by_database ON guarded_run (database, id);
  CREATE INDEX guarded_run_unfinished ON guarded_run (id) WHERE ended_at IS NULL;

  CREATE TABLE guard_decision (
    id          INTEGER PRIMARY KEY,
    guarded_run INTEGER NOT NULL REFERENCES guarded_run ON DELETE CASCADE,
    at          TEXT NOT NULL,
    "row"       TEXT NOT NULL,       -- of the table in docs/guarded-runs.md
    deed        TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    why         TEXT NOT NULL,
    evidence    TEXT NOT NULL        -- JSON
  ) STRICT;
  CREATE INDEX guard_decision_by_run ON guard_decision (guarded_run);

  CREATE TABLE incident (
    id        INTEGER PRIMARY KEY,
    database  TEXT NOT NULL,
    run_id    TEXT NOT NULL,
    "row"     TEXT NOT NULL,
    at        TEXT NOT NULL,
    message   TEXT NOT NULL,
    closed_at TEXT                   -- null: waits for somebody's \`ack\`
  ) STRICT;
  CREATE INDEX incident_open ON incident (database, id) WHERE closed_at IS NULL;
  CREATE INDEX incident_by_time ON incident (at);
  `,
  `
  CREATE TABLE alert (
    key   TEXT PRIMARY KEY,          -- of a problem that was told
    state TEXT NOT NULL              -- JSON
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE notification (
    id              INTEGER PRIMARY KEY, -- the order of delivery in its channel
    notification_id TEXT NOT NULL UNIQUE,
    channel         TEXT NOT NULL,
    event           TEXT NOT NULL,
    subject         TEXT NOT NULL,   -- the key of a problem, or the id of a run
    opens           INTEGER NOT NULL, -- 1: the first that the channel hears of it
    payload         TEXT NOT NULL,   -- JSON
    created_at      TEXT NOT NULL,
    due_at          TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    pid             INTEGER,         -- of the process that is delivering it
    process_start   INTEGER,
    claimed_until   TEXT
  ) STRICT;
  CREATE INDEX notification_by_channel ON notification (channel, id);
  CREATE INDEX notification_by_subject ON notification (channel, subject);
  CREATE INDEX notification_by_time ON notification (created_at);
  `,
  `
  ALTER TABLE run ADD COLUMN only_databases TEXT; -- JSON, the names asked for; null: all (or an earlier version did not say)
  `,
];

/** A newer version of this program wrote the history: guessing at its meaning could lose it. */
export class NewerHistoryError extends JobError {}

/**
 * Brings a history up to this program's version, in one transaction: a crash in the middle leaves the old version.
 *
 * @throws NewerHistoryError `refused`; nothing was changed then.
 */
export function migrate(database: OwnDatabase): void {
  if (versionOf(database) === migrations.length) return;
  database
    .transaction(() => {
      // Another process may have been faster.
      const version = versionOf(database);
      if (version > migrations.length) {
        throw new NewerHistoryError(
          'refused',
          `${database.name} was written by a newer version of this program (format ${version}, this one knows ${migrations.length}): use that version, or another state_directory`,
        );
      }
      for (const statements of migrations.slice(version)) database.exec(statements);
      database.pragma(`user_version = ${migrations.length}`);
    })
    .immediate();
}

function versionOf(database: OwnDatabase): number {
  return Number(database.pragma('user_version', { simple: true }));
}
