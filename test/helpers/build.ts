/** Compiles the program once before all tests: those that run it as a process use `dist/`. `DM_SKIP_BUILD=1` trusts what is there. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

const root = path.join(import.meta.dirname, '..', '..');

export default function setup(): void {
  if (process.env['DM_SKIP_BUILD']) return;
  const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) {
    throw new Error(`the program does not compile (DM_SKIP_BUILD=1 runs the tests without compiling it):\n${stdout}`);
  }
}
