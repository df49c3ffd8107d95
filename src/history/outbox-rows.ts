/** The tables of outbox.ts: open problems as they were told, and messages that wait, in order for each channel. */
import type { OwnDatabase } from '../sqlite/own.js';

export interface NewNotification {
  /** Unique everywhere. */
  readonly id: string;
  readonly channel: string;
  /** `problem`, `reminder`, `recovery`, or of a run `start`, `success`, `fail`. */
  readonly event: string;
  /** What it is about: the key of a problem, or the id of a run. */
  readonly subject: string;
  /** Whether it is the first that the channel hears of it. */
  readonly opens: boolean;
  /** JSON. */
  readonly payload: string;
  readonly createdAt: Date;
}

export interface Waiting {
  readonly id: string;
  readonly payload: string;
  /** Attempts begun, this one included. */
  readonly attempts: number;
  readonly createdAt: Date;
}

/** A process, as history/process.ts knows it. */
export interface Worker {
  readonly pid: number;
  readonly startedAt: number | null;
}

export type Claim =
  | { readonly claimed: Waiting }
  /** Nothing to do before that; null: nothing waits. */
  | { readonly claimed: null; readonly nextAt: Date | null };

interface Row {
  readonly id: number;
  readonly notification_id: string;
  readonly payload: string;
  readonly attempts: number;
  readonly created_at: string;
  readonly due_at: string;
  readonly pid: number | null;
  readonly process_start: number | null;
  readonly claimed_until: string | null;
}

/** No message is meant to wait longer than this for its next attempt: one that does was given its time by a clock that ran ahead. */
const longestWaitMs = 2 * 3_600_000;
/** Another process is at it. */
const lookAgainMs = 5000;

/** The states of what was told, by key. */
export function readAlerts(db: OwnDatabase): Map<string, string> {
  const rows = db.prepare<[], { key: string; state: string }>('SELECT key, state FROM alert ORDER BY key').all();
  return new Map(rows.map(({ key, state }) => [key, state]));
}

export function writeAlerts(db: OwnDatabase, alerts: ReadonlyMap<string, string>): void {
  const before = readAlerts(db);
  for (const key of before.keys()) if (!alerts.has(key)) db.prepare('DELETE FROM alert WHERE key = ?').run(key);
  const write = db.prepare(
    'INSERT INTO alert (key, state) VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state',
  );
  for (const [key, state] of alerts) if (before.get(key) !== state) write.run(key, state);
}

/**
 * Adds a message at the end of its channel, unless it is the end of something that the channel has never heard of; then what has not
 * been tried goes, too. The start of a run goes when its end comes first.
 */
export function enqueue(db: OwnDatabase, entry: NewNotification): void {
  const { channel, subject, event } = entry;
  const untried = (which: string): string =>
    `notification WHERE channel = ? AND subject = ? AND attempts = 0 AND pid IS NULL AND ${which}`;
  if (event === 'recovery') {
    const unheard = db.prepare(`SELECT 1 FROM ${untried('opens = 1')}`).get(channel, subject) !== undefined;
    db.prepare(`DELETE FROM ${untried(unheard ? 'true' : "event = 'reminder'")}`).run(channel, subject);
    if (unheard) return;
  }
  if (event === 'success' || event === 'fail')
    db.prepare(`DELETE FROM ${untried("event = 'start'")}`).run(channel, subject);
  db.prepare(
    `INSERT INTO notification (notification_id, channel, event, subject, opens, payload, created_at, due_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    entry.id,
    channel,
    event,
    subject,
    entry.opens ? 1 : 0,
    entry.payload,
    entry.createdAt.toISOString(),
    entry.createdAt.toISOString(),
  );
}

/** Makes room: of more than `most` messages of a channel the oldest reminders are given up, then the oldest. Answers how many. */
export function bound(db: OwnDatabase, channel: string, most: number): number {
  const { count = 0 } =
    db
      .prepare<[string], { count: number }>('SELECT count(*) AS count FROM notification WHERE channel = ?')
      .get(channel) ?? {};
  if (count <= most) return 0;
  return db
    .prepare(
      `DELETE FROM notification WHERE id IN (SELECT id FROM notification WHERE channel = ? AND pid IS NULL
       ORDER BY event <> 'reminder', id LIMIT ?)`,
    )
    .run(channel, count - most).changes;
}

/** The oldest message of a channel, for this process alone until its lease ends; a process that is gone has none. */
export function claim(
  db: OwnDatabase,
  channel: string,
  {
    worker,
    now,
    leaseMs,
    isAlive,
  }: { worker: Worker; now: Date; leaseMs: number; isAlive: (worker: Worker) => boolean },
): Claim {
  const row = db
    .prepare<[string], Row>('SELECT * FROM notification WHERE channel = ? ORDER BY id LIMIT 1')
    .get(channel);
  if (row === undefined) return { claimed: null, nextAt: null };
  const { pid } = row;
  if (pid !== null && row.claimed_until !== null) {
    const leftMs = Date.parse(row.claimed_until) - now.getTime();
    const isTheirs = leftMs > 0 && leftMs < longestWaitMs && isAlive({ pid, startedAt: row.process_start });
    if (isTheirs) return { claimed: null, nextAt: new Date(now.getTime() + Math.min(leftMs, lookAgainMs)) };
  }
  const waitMs = Date.parse(row.due_at) - now.getTime();
  if (waitMs > 0 && waitMs < longestWaitMs) return { claimed: null, nextAt: new Date(row.due_at) };
  db.prepare(
    'UPDATE notification SET attempts = attempts + 1, pid = ?, process_start = ?, claimed_until = ? WHERE id = ?',
  ).run(worker.pid, worker.startedAt, new Date(now.getTime() + leaseMs).toISOString(), row.id);
  const { notification_id: id, payload, attempts, created_at } = row;
  return { claimed: { id, payload, attempts: attempts + 1, createdAt: new Date(created_at) } };
}

/** Delivered, or given up. */
export function remove(db: OwnDatabase, id: string): void {
  db.prepare('DELETE FROM notification WHERE notification_id = ?').run(id);
}

export function postpone(db: OwnDatabase, id: string, dueAt: Date): void {
  db.prepare(
    'UPDATE notification SET due_at = ?, pid = NULL, process_start = NULL, claimed_until = NULL WHERE notification_id = ?',
  ).run(dueAt.toISOString(), id);
}

/** What waits for its next attempt is due at once: the channel may have been put right. */
export function hurry(db: OwnDatabase, channel: string, now: Date): void {
  db.prepare('UPDATE notification SET due_at = ? WHERE channel = ? AND pid IS NULL').run(now.toISOString(), channel);
}

/** Gives up what is older, of any channel, configured or not. Answers how many, by channel. */
export function expire(db: OwnDatabase, before: Date): ReadonlyMap<string, number> {
  const rows = db
    .prepare<[string], { channel: string }>(
      'DELETE FROM notification WHERE created_at < ? AND pid IS NULL RETURNING channel',
    )
    .all(before.toISOString());
  const counts = new Map<string, number>();
  for (const { channel } of rows) counts.set(channel, (counts.get(channel) ?? 0) + 1);
  return counts;
}

export function countWaiting(db: OwnDatabase): ReadonlyMap<string, number> {
  const rows = db
    .prepare<[], { channel: string; count: number }>(
      'SELECT channel, count(*) AS count FROM notification GROUP BY channel',
    )
    .all();
  return new Map(rows.map(({ channel, count }) => [channel, count]));
}

/**
 * What was told and what waits, from a database that goes to one that stays. What both know of, the first knows better; what it began
 * with and has no more, is no more.
 */
export function move(from: OwnDatabase, to: OwnDatabase, begunWith: ReadonlyMap<string, string>): void {
  const told = readAlerts(from);
  const others = [...readAlerts(to)].filter(([key]) => !begunWith.has(key));
  writeAlerts(to, new Map([...others, ...told]));
  const columns =
    'notification_id, channel, event, subject, opens, payload, created_at, due_at, attempts, pid, process_start, claimed_until';
  const rows = from.prepare<[], Record<string, unknown>>(`SELECT ${columns} FROM notification ORDER BY id`).all();
  const insert = to.prepare(
    `INSERT OR IGNORE INTO notification (${columns}) VALUES (${columns.replace(/\w+/g, (name) => `@${name}`)})`,
  );
  for (const row of rows) insert.run(row);
}
