/** Storage that fails, or kills, at the n-th call: the tests' library (test/helpers/fault-shim.c), for programs that a proof starts. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const source = path.join(import.meta.dirname, '..', 'test', 'helpers', 'fault-shim.c');
const cache = path.join(import.meta.dirname, '..', 'node_modules', '.cache', 'debuggle-maintenance');

/** What leaves something behind. */
export const changing = ['open', 'write', 'fsync', 'ftruncate', 'link', 'rename', 'unlink'];

/**
 * @typedef {object} Fault
 * @property {string} match a substring of the path
 * @property {readonly string[]} operations
 * @property {number | 'KILL' | 'KILLGROUP' | 'COUNT'} action an errno, or what else
 * @property {number} [at]
 * @property {number} [count]
 */
/** @typedef {{ operation: string, path: string }} Call */

/**
 * Runs the program with the fault; answers the matching calls as well, up to where it was killed.
 * @param {import('./site.mjs').Site} site
 * @param {readonly string[]} args
 * @param {Fault} fault
 * @returns {Promise<import('./program.mjs').Result & { calls: Call[] }>}
 */
export async function runWithFault(site, args, { match, operations, action, at = 1, count = 1 }) {
  const log = path.join(site.directory, 'calls');
  const counter = path.join(site.directory, 'counter');
  for (const file of [log, counter]) fs.rmSync(file, { force: true });
  const result = await site.run(args, {
    LD_PRELOAD: compiled(),
    FAULT_MATCH: match,
    FAULT_OPS: operations.join(','),
    FAULT_ACTION: String(action),
    FAULT_AT: String(at),
    FAULT_COUNT: String(count),
    FAULT_COUNTER: counter,
    FAULT_LOG: log,
  });
  const lines = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
  const calls = lines.map((line) => {
    const space = line.indexOf(' ');
    return { operation: line.slice(0, space), path: path.relative(site.directory, line.slice(space + 1)) };
  });
  return { ...result, calls };
}

/**
 * The numbers of so many calls, from 1 on.
 * @param {number} count
 * @param {() => number} random
 */
export function inAnyOrder(count, random) {
  const ranked = Array.from({ length: count }, (_, index) => ({ at: index + 1, rank: random() }));
  return ranked.sort((one, other) => one.rank - other.rank).map(({ at }) => at);
}

function compiled() {
  const hash = createHash('sha256').update(fs.readFileSync(source)).digest('hex').slice(0, 16);
  const library = path.join(cache, `fault-shim-${hash}.so`);
  if (fs.existsSync(library)) return library;
  fs.mkdirSync(cache, { recursive: true });
  const unfinished = `${library}.${process.pid}`;
  const { status, error, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', unfinished, source, '-ldl']);
  if (status !== 0) throw new Error(`fault-shim.c needs gcc: ${error?.message ?? stderr}`);
  fs.renameSync(unfinished, library);
  return library;
}
