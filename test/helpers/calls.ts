/**
 * Many calls of the program, one after the other in one process: for what is said and with which code a call ends, where it is not the
 * process that matters. Starting the program takes longer than most calls do.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

const script = path.join(import.meta.dirname, 'children', 'calls.mjs');

export interface Call {
  readonly args: readonly string[];
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Rejects when the process ends early, and after a minute. */
export async function callInTurn(configFile: string, calls: readonly (readonly string[])[]): Promise<Call[]> {
  const lists = calls.map((args) => ['--config', configFile, ...args]);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, JSON.stringify(lists)], {
    env: { ...process.env, NO_COLOR: '1' },
    timeout: 60_000,
    killSignal: 'SIGKILL',
    maxBuffer: 16e6,
  });
  const [outs, errs] = [stdout.split('\0'), stderr.split('\0')];
  return calls.map((args, index) => ({
    args,
    stdout: outs[2 * index] ?? '',
    code: Number(outs[2 * index + 1]),
    stderr: errs[index] ?? '',
  }));
}
