/**
 * The spool of notifications: what was told of each open problem, and the messages that wait for their delivery, in history.db.
 *
 * A change of state and its messages are one transaction: a crash loses none and doubles none, and of several processes that see the
 * same change one gets it. A message that is being delivered belongs to one process until that is gone or its lease is over; a crash
 * after the delivery and before it is recorded delivers it twice.
 *
 * While the history cannot be written all this goes on in memory, from what was last known, and is moved to the file when that is back;
 * what waited in the file waits meanwhile.
 */
import { randomUUID } from 'node:crypto';
import { type OwnDatabase, openMemory } from '../sqlite/own.js';
import * as rows from './outbox-rows.js';
import { isAlive, processStart } from './process.js';
import { migrate } from './schema.js';

export type { Waiting } from './outbox-rows.js';

/** What the outbox needs of the history: its file, while it can be had. */
export interface OutboxFile {
  /** One transaction. */
  write<Answer>(
    work: (db: OwnDatabase) => Answer,
  ): { readonly ok: true; readonly answer: Answer } | { readonly ok: false };
  read<Answer>(unknown: Answer, look: (db: OwnDatabase) => Answer): Answer;
}

export type NewNotification = Omit<rows.NewNotification, 'id'>;

/** What an update makes of the states: all of them, by key, and what is to be told. */
export interface Update {
  readonly alerts: ReadonlyMap<string, string>;
  readonly notifications: readonly NewNotification[];
}

/** Waiting messages of one channel. */
export const mostWaiting = 1000;
/** Records of deliveries that the file does not have yet. */
const mostOwed = 5000;

export class Outbox {
  readonly #file: OutboxFile;
  readonly #givenUp: (channel: string, count: number) => void;
  readonly #worker: rows.Worker = { pid: process.pid, startedAt: processStart(process.pid) };
  #memory: OwnDatabase | undefined;
  /** As last written; undefined: never, by this process. */
  #lastAlerts: ReadonlyMap<string, string> | undefined;
  /** Where the memory began. */
  #begunWith: ReadonlyMap<string, string> = new Map();
  #owed: ((db: OwnDatabase) => void)[] = [];

  /** @param givenUp is told of messages that there was no room for */
  constructor(file: OutboxFile, givenUp: (channel: string, count: number) => void) {
    this.#file = file;
    this.#givenUp = givenUp;
  }

  /** @param decide from the states as they are, to what they become */
  update(decide: (alerts: readonly string[]) => Update): void {
    const { alerts, dropped } = this.#write((db) => {
      const { alerts, notifications } = decide([...rows.readAlerts(db).values()]);
      rows.writeAlerts(db, alerts);
      return { alerts, dropped: this.#add(db, notifications) };
    });
    this.#lastAlerts = alerts;
    this.#tell(dropped);
  }

  enqueue(notifications: readonly NewNotification[]): void {
    if (notifications.length > 0) this.#tell(this.#write((db) => this.#add(db, notifications)));
  }

  claim(channel: string, now: Date, leaseMs: number): rows.Claim {
    return this.#write((db) =>
      rows.claim(db, channel, {
        worker: this.#worker,
        now,
        leaseMs,
        isAlive: ({ pid, startedAt }) => isAlive(pid, startedAt),
      }),
    );
  }

  /** Delivered, or given up. */
  remove(id: string): void {
    this.#settle((db) => rows.remove(db, id));
  }

  /** Another attempt, then. */
  postpone(id: string, dueAt: Date): void {
    this.#settle((db) => rows.postpone(db, id, dueAt));
  }

  hurry(channel: string, now: Date): void {
    this.#write((db) => rows.hurry(db, channel, now));
  }

  expire(before: Date): ReadonlyMap<string, number> {
    return this.#write((db) => rows.expire(db, before));
  }

  waiting(): ReadonlyMap<string, number> {
    const inMemory = this.#memory === undefined ? undefined : rows.countWaiting(this.#memory);
    return inMemory ?? this.#file.read<ReadonlyMap<string, number>>(new Map(), rows.countWaiting);
  }

  /** What is only in memory is written once more, if it can be. */
  close(): void {
    if (this.#memory !== undefined) this.#write(() => undefined);
    this.#memory?.close();
    this.#memory = undefined;
  }

  #add(db: OwnDatabase, notifications: readonly NewNotification[]): ReadonlyMap<string, number> {
    for (const notification of notifications) rows.enqueue(db, { ...notification, id: randomUUID() });
    const channels = new Set(notifications.map(({ channel }) => channel));
    return new Map([...channels].map((channel) => [channel, rows.bound(db, channel, mostWaiting)]));
  }

  #tell(dropped: ReadonlyMap<string, number>): void {
    for (const [channel, count] of dropped) if (count > 0) this.#givenUp(channel, count);
  }

  /** What has become of a message must reach the file, too: it may be there. */
  #settle(work: (db: OwnDatabase) => void): void {
    this.#write(work);
    if (this.#memory !== undefined && this.#owed.length < mostOwed) this.#owed.push(work);
  }

  #write<Answer>(work: (db: OwnDatabase) => Answer): Answer {
    const memory = this.#memory;
    const written = this.#file.write((db) => {
      if (memory !== undefined) {
        rows.move(memory, db, this.#begunWith);
        for (const settle of this.#owed) settle(db);
      }
      return work(db);
    });
    if (!written.ok) return this.#inMemory().transaction(work)(this.#inMemory());
    if (memory !== undefined) {
      memory.close();
      this.#memory = undefined;
      this.#owed = [];
    }
    return written.answer;
  }

  #inMemory(): OwnDatabase {
    if (this.#memory === undefined) {
      this.#memory = openMemory();
      migrate(this.#memory);
      this.#begunWith = this.#lastAlerts ?? this.#file.read(new Map<string, string>(), rows.readAlerts);
      rows.writeAlerts(this.#memory, this.#begunWith);
    }
    return this.#memory;
  }
}
