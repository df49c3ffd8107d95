/** The application that writes while we work: the tests' writer, at a hundred commits a second. */
import { once } from 'node:events';
import path from 'node:path';
import { start } from './processes.mjs';

const script = path.join(import.meta.dirname, '..', 'test', 'helpers', 'children', 'writer.mjs');

/**
 * @typedef {{ commits: number, worstMs: number, p50Ms: number, p99Ms: number, totalMs: number, errors: string[], walGrowthBytes: number }} WriterMeasures
 */

/**
 * Resolves once it writes. `measure` tells what happened since the start or the last call.
 * @param {string} database
 */
export async function startWriter(database) {
  const options = { path: database, rate: 100, ackFile: null, busyTimeoutMs: 30_000, rowBytes: 1400 };
  const child = start(process.execPath, [script, JSON.stringify(options)], ['ignore', 'inherit', 'inherit', 'ipc']);
  const ended = once(child, 'exit');
  const answer = () =>
    Promise.race([
      once(child, 'message').then(([message]) => message),
      ended.then(() => Promise.reject(new Error('the writer ended before it answered'))),
    ]);
  await answer();
  const ask = async (/** @type {'measure' | 'stop'} */ question) => {
    child.send(question);
    return /** @type {WriterMeasures} */ (await answer());
  };
  return {
    measure: () => ask('measure'),
    stop: async () => {
      await ask('stop');
      await ended;
    },
  };
}
