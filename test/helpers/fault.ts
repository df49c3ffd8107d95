/** Storage that fails on demand, for any program the test starts: see fault-shim.c for what is covered. Needs gcc and Linux. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'vitest';
import type { ProgramResult } from './program.js';
import { until } from './until.js';

type FaultOperation = 'open' | 'read' | 'write' | 'fsync' | 'ftruncate' | 'link' | 'rename' | 'unlink';

export interface Fault {
  /** A substring of the path operated upon. */
  readonly match: string;
  /** Default: all. */
  readonly operations?: readonly FaultOperation[];
  /** An errno, half a read or write, the death of the process or of its whole group before the call, or nothing. */
  readonly action: number | 'SHORT' | 'KILL' | 'KILLGROUP' | 'COUNT';
  /** The first matching call of each process that is acted upon, from 1. Default 1. */
  readonly at?: number;
  /** A file to count in, over all processes together; a fresh one for each program started. */
  readonly counter?: string;
  /** How many calls from there on. Default 1. */
  readonly count?: number;
  /** A file that gets a line for each matching call. */
  readonly log?: string;
  /** A file: while it is not there, nothing happens. */
  readonly when?: string;
}

const source = path.join(import.meta.dirname, 'fault-shim.c');
// Compiled once for all test files, and again when the source changes.
const cache = path.join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'debuggle-maintenance');

/** The environment that makes a program and its children meet the fault. Skips the test where there is no gcc. */
export function faultEnvironment(context: TestContext, fault: Fault): NodeJS.ProcessEnv {
  const { match, operations = [], action, at = 1, counter, count = 1, log, when } = fault;
  return {
    LD_PRELOAD: compiledShim(context),
    FAULT_MATCH: match,
    FAULT_OPS: operations.join(','),
    FAULT_ACTION: String(action),
    FAULT_AT: String(at),
    FAULT_COUNT: String(count),
    ...(counter === undefined ? {} : { FAULT_COUNTER: counter }),
    ...(log === undefined ? {} : { FAULT_LOG: log }),
    ...(when === undefined ? {} : { FAULT_WHEN: when }),
  };
}

export interface Pauses {
  readonly env: NodeJS.ProcessEnv;
  /** Resolves once a process stands before that text. Rejects with what it wrote when it has ended without. */
  readonly reached: (text: string, running: Promise<ProgramResult>) => Promise<void>;
  /** It goes on. */
  readonly end: (text: string) => void;
}

/**
 * The environment that makes a program stand still right before it writes each of these texts for the first time, lines of its log, say:
 * while it does, a test is between two of its steps. At most 32; one with a tab in it is two, the second written after the first. `gate`: a
 * path that nothing else uses. Skips the test where there is no gcc.
 */
export function pauseBefore(context: TestContext, texts: readonly string[], gate: string): Pauses {
  return {
    env: { LD_PRELOAD: compiledShim(context), PAUSE_TEXTS: texts.join('\n'), PAUSE_GATE: gate },
    reached: async (text, running) => {
      const early = running.then(({ stdout, stderr }) =>
        Promise.reject(new Error(`it ended before that: ${text}\n${stdout}${stderr}`)),
      );
      early.catch(() => undefined);
      await Promise.race([until(text, () => fs.existsSync(`${gate}.${texts.indexOf(text)}.reached`)), early]);
    },
    end: (text) => fs.writeFileSync(`${gate}.${texts.indexOf(text)}.open`, ''),
  };
}

/** The matching calls, in order; none when there was not even one. */
export function readFaultLog(file: string): { readonly operation: string; readonly path: string }[] {
  if (!fs.existsSync(file)) return [];
  const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => ({
    operation: line.slice(0, line.indexOf(' ')),
    path: line.slice(line.indexOf(' ') + 1),
  }));
}

function compiledShim(context: TestContext): string {
  if (process.platform !== 'linux') context.skip('faults are made with LD_PRELOAD, which needs Linux');
  const hash = createHash('sha256').update(fs.readFileSync(source)).digest('hex').slice(0, 16);
  const compiled = path.join(cache, `fault-shim-${hash}.so`);
  if (fs.existsSync(compiled)) return compiled;
  fs.mkdirSync(cache, { recursive: true });
  // Under a name of our own first: test files run at the same time, and none may load half a library.
  const unfinished = `${compiled}.${process.pid}`;
  const gcc = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', unfinished, source, '-ldl'], { encoding: 'utf8' });
  if (gcc.error !== undefined) context.skip(`faults are made with a library that gcc compiles: ${gcc.error.message}`);
  if (gcc.status !== 0) throw new Error(`fault-shim.c does not compile:\n${gcc.stderr}`);
  fs.renameSync(unfinished, compiled);
  return compiled;
}
