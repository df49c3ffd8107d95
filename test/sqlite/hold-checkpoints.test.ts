import Database from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { holdCheckpoints, letOthersCatchUp } from '../../src/sqlite/hold-checkpoints.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase, identityOf } from './database.js';

interface Checkpointed {
  readonly log: number;
  readonly checkpointed: number;
}

test.each(['', ', and all of the log was in the database'])(
  'while checkpoints are held, an application commits and reads what it likes, and writes nothing of it into the database%s',
  (nothingLeft) => {
    const file = workspace().path('logs.db');
    createDatabase(file, 'CREATE TABLE t (i INTEGER PRIMARY KEY, text TEXT)', { journalMode: 'wal' });
    const application = new Database(file);
    onTestFinished(() => void application.close());
    const insert = application.prepare("INSERT INTO t (text) VALUES ('written')");
    const checkpoint = application.prepare<[], Checkpointed>('PRAGMA wal_checkpoint(PASSIVE)');
    insert.run();
    if (nothingLeft !== '') checkpoint.get();
    const held = holdCheckpoints(file, identityOf(file));
    insert.run();
    insert.run();
    const meanwhile = checkpoint.get();
    expect(application.prepare('SELECT count(*) FROM t').pluck().get()).toBe(3);
    held.release();
    const afterwards = checkpoint.get();
    expect(meanwhile).not.toEqual(afterwards);
    expect(meanwhile?.checkpointed).toBeLessThan(afterwards?.log ?? 0);
    expect(afterwards?.checkpointed).toBe(afterwards?.log);
  },
);

test('others are let catch up for a third of what they had to wait, and not for ever', () => {
  const started = performance.now();
  letOthersCatchUp(60);
  expect(performance.now() - started).toBeGreaterThanOrEqual(19);
});
