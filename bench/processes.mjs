/** Processes the benchmark starts, each in a group of its own: timed, with a limit, and none of them outlives it. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';

/** @type {Set<number>} */
const groups = new Set();
process.on('exit', () => {
  for (const pid of groups) killGroup(pid);
});

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').StdioOptions} stdio
 */
export function start(command, args, stdio) {
  const child = spawn(command, args, { stdio, detached: true });
  const { pid } = child;
  if (pid !== undefined) {
    groups.add(pid);
    child.once('exit', () => groups.delete(pid));
  }
  return child;
}

/**
 * Runs a program to its end, or kills its group after the limit. Milliseconds from its start to its end; `stdout` and `stderr` as text.
 * `cpuMs`: processor time of it and of all its children that were waited for. Only one may run at a time for that.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ limitMs?: number, onStart?: (pid: number) => void }} [options]
 * @returns {Promise<{ ms: number, code: number | null, timedOut: boolean, cpuMs: number, stdout: string, stderr: string }>}
 */
export function run(command, args, { limitMs = 3_600_000, onStart } = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const cpuBefore = childrenCpuMs();
    const child = start(command, args, ['ignore', 'pipe', 'pipe']);
    const { pid = 0 } = child;
    let timedOut = false;
    let ms = 0;
    const text = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (chunk) => (text.stdout += chunk));
    child.stderr?.setEncoding('utf8').on('data', (chunk) => (text.stderr += chunk));
    const limit = setTimeout(() => {
      timedOut = true;
      killGroup(pid);
    }, limitMs);
    child.once('error', (error) => {
      // Of a program that is not installed there will be no exit.
      clearTimeout(limit);
      reject(error);
    });
    child.once('spawn', () => onStart?.(pid));
    child.once('exit', () => {
      ms = performance.now() - started;
      clearTimeout(limit);
    });
    child.once('close', (code) => resolve({ ms, code, timedOut, cpuMs: childrenCpuMs() - cpuBefore, ...text }));
  });
}

/** @param {number} pid */
function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

const ticksPerSecond = 100;

/**
 * The fields of /proc/PID/stat after the name, which is in parentheses and may hold spaces: the third of all comes first.
 * @param {number | 'self'} pid
 */
function statOf(pid) {
  return fs
    .readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number);
}

/** User and system time of children that have ended, and of theirs: the 16th and 17th field. */
function childrenCpuMs() {
  const fields = statOf('self');
  return ((fields[13] + fields[14]) * 1000) / ticksPerSecond;
}

/**
 * Resident memory and used processor time of a process, or undefined when it is gone.
 * @param {number} pid
 */
export function usageOf(pid) {
  try {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    // User and system time are the 14th and 15th field.
    const fields = statOf(pid);
    return {
      rssBytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024,
      cpuMs: ((fields[11] + fields[12]) * 1000) / ticksPerSecond,
    };
  } catch {
    return undefined;
  }
}

/**
 * The children of a process, and theirs.
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
