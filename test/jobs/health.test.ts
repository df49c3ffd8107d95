import { expect, test } from 'vitest';
import { JobError } from '../../src/errors.js';
import { readCatalog } from '../../src/files/catalog.js';
import { freeBytes } from '../../src/files/disk-space.js';
import { probeDatabase } from '../../src/files/probe.js';
import { health } from '../../src/jobs/health.js';
import type { JobContext } from '../../src/jobs/job.js';
import { healthOptions } from '../../src/jobs/options.js';
import { measure } from '../../src/sqlite/operations/measure.js';
import { workspace } from '../helpers/workspace.js';
import { createDatabase } from '../sqlite/database.js';

type Context = JobContext<ReturnType<typeof healthOptions.parse>>;

/** Operations as in a child, but for the one that finds the holders: it fails so. */
function contextWhere(holdersFail: JobError): Context {
  const { path, directory } = workspace();
  createDatabase(path('logs.db'), 'CREATE TABLE t (x)');
  const operations: Record<string, (request: never) => unknown> = {
    probe: probeDatabase,
    measure,
    readCatalog,
    freeBytes,
    holders: () => {
      throw holdersFail;
    },
  };
  const context = {
    target: { name: 'logs', group: 'logs', path: path('logs.db'), backupDirectory: directory, profile: null },
    options: healthOptions.parse({}),
    session: { call: async (name: string, request: never) => Promise.resolve(operations[name]?.(request)) },
    past: { identityOf: () => undefined, badBackups: () => new Set(), samples: () => [] },
    record: { identity: () => undefined, sample: () => undefined },
    log: { debug: () => undefined },
    now: () => new Date(),
  };
  // What health uses of it.
  return context as unknown as Context;
}

test('holders that are not found in time are unknown, and the database is measured all the same', async () => {
  const context = contextWhere(new JobError('timed-out', 'stopped after 10s, its deadline'));
  expect(await health.run(context)).toMatchObject({
    outcome: 'succeeded',
    summary: expect.stringContaining('who has it open is unknown') as unknown,
    facts: { holders: null, unreadableProcesses: null, journalMode: 'wal' },
  });
});

test('any other failure to find the holders is one of the job', async () => {
  const failure = new JobError('interrupted', 'stopped by the operator');
  await expect(health.run(contextWhere(failure))).rejects.toBe(failure);
});
