/** History between real processes. They run the compiled program, as a `--run-now` beside the daemon does. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { workspace } from '../helpers/workspace.js';
import { finished, noon, openHistory } from './fixture.js';

const child = path.join(import.meta.dirname, 'recording-child.mjs');

function start(...args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [child, ...args]);
}

async function output(process: ChildProcessWithoutNullStreams): Promise<string> {
  let text = '';
  process.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  process.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(process, 'close');
  return text;
}

test('several processes begin one history at the same moment and lose nothing of each other', async () => {
  const state = workspace().path('state');
  const children = ['one', 'two', 'three'].map((name) => output(start(state, name, '20')));
  const history = openHistory(state);
  for (let run = 0; run < 20; run += 1) expect(history.finishRun(finished(`own-${run}`, []))).toEqual({ ok: true });
  for (const said of await Promise.all(children)) expect(said.trim().split('\n')).toHaveLength(20);
  expect(history.recentRuns(999).filter(({ outcome }) => outcome === 'succeeded')).toHaveLength(80);
});

test('a process killed while it writes leaves a sound history with every record it was told is safe, and one unfinished run', async () => {
  const state = workspace().path('state');
  for (const killed of ['a', 'b', 'c']) {
    const recorder = start(state, killed, '100000');
    let safe = 0;
    for await (const chunk of recorder.stdout) {
      const lines = String(chunk).trim().split('\n');
      safe = Number(lines.at(-1));
      if (safe >= 5) break;
    }
    recorder.kill('SIGKILL');
    if (recorder.exitCode === null && recorder.signalCode === null) await once(recorder, 'exit');

    const reader = new Database(path.join(state, 'history.db'));
    expect(reader.pragma('integrity_check', { simple: true })).toBe('ok');
    reader.close();
    const history = openHistory(state);
    expect(history.interruptUnfinished(noon).length).toBeLessThanOrEqual(1);
    expect(history.interruptUnfinished(noon)).toEqual([]);
    for (let run = 1; run <= safe; run += 1) expect(history.runReport(`${killed}-${run}`)?.outcome).toBe('succeeded');
    history.close();
  }
});

test('a file-size limit is met like a full disk, and is over when it is lifted', async () => {
  const state = workspace().path('state');
  const limited = spawn('bash', [
    '-c',
    `ulimit -S -f 200; exec "$0" "$@"`,
    process.execPath,
    child,
    state,
    'limited',
    'until-full',
  ]);
  const [refused, degraded, recovered] = (await output(limited)).trim().split('\n');
  expect(refused).toMatch(/^refused: (?:full|io)$/);
  expect(degraded).toContain('degraded: the history');
  expect(recovered).toBe('recovered');
});
