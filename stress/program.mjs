/** The real program, in process groups of their own; none of them outlives the proof. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

export const program = path.join(import.meta.dirname, '..', 'dist', 'daemon.js');

/** One that says nothing for this long hangs. */
const limitMs = 120_000;

/** @type {Set<number>} */
const groups = new Set();
process.on('exit', () => {
  for (const pid of groups) kill(-pid, 'SIGKILL');
});

/** @typedef {{ code: number | null, signal: NodeJS.Signals | null, stdout: string, stderr: string, ms: number }} Result */
/** @typedef {{ pid: number, exited: Promise<Result>, output: () => string, kill: (signal: NodeJS.Signals) => void, killGroup: () => void }} Running */

/**
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env] over our own
 * @returns {Running}
 */
export function start(args, env = {}) {
  const began = performance.now();
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('the program did not start');
  groups.add(pid);
  const text = { stdout: '', stderr: '' };
  const killGroup = () => kill(-pid, 'SIGKILL');
  const limit = setTimeout(killGroup, limitMs);
  for (const stream of /** @type {const} */ (['stdout', 'stderr']))
    child[stream].setEncoding('utf8').on('data', (chunk) => {
      text[stream] += chunk;
      limit.refresh();
    });
  /** @type {Promise<Result>} */
  const exited = new Promise((resolve) =>
    child.once('close', (code, signal) => {
      clearTimeout(limit);
      // Whoever of the group outlives its leader does so for a moment only, and is looked at by its own proof.
      groups.delete(pid);
      resolve({ code, signal, ...text, ms: performance.now() - began });
    }),
  );
  return {
    pid,
    exited,
    output: () => text.stdout + text.stderr,
    kill: (signal) => kill(pid, signal),
    killGroup,
  };
}

/**
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export function run(args, env) {
  return start(args, env).exited;
}

/**
 * @param {number} pid of a process, or negative of a group; one that is gone is no error
 * @param {NodeJS.Signals} signal
 */
function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

/**
 * @param {number} pid
 * @returns {number[]}
 */
export function descendantsOf(pid) {
  try {
    const threads = fs.readdirSync(`/proc/${pid}/task`);
    const listed = threads.map((thread) => fs.readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').trim());
    const children = listed.flatMap((text) => (text === '' ? [] : text.split(' ').map(Number)));
    return [...children, ...children.flatMap(descendantsOf)];
  } catch {
    return [];
  }
}

/**
 * Whether it exists and is no zombie.
 * @param {number} pid
 */
export function isAlive(pid) {
  try {
    return !/^\d+ \(.*\) Z/s.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
