import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';

const bytes = 64 * 1024 * 1024;
const compiled = path.join(import.meta.dirname, '..', '..', 'dist', 'sqlite', 'ready-memory.js');
const addon = import.meta.resolve('better-sqlite3');
const usesGlibc = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
  .glibcVersionRuntime;

/** How many pages a process touches for the first time while it makes a database in memory. */
function faults(ready: 'with' | 'without'): number {
  const script = `
    import Database from ${JSON.stringify(addon)};
    import { withMemoryReady } from ${JSON.stringify(compiled)};
    const work = () => {
      const database = new Database(':memory:');
      database.exec('CREATE TABLE t (x)');
      const before = process.resourceUsage().minorPageFault;
      database.exec('INSERT INTO t VALUES (zeroblob(${bytes * 0.9}))');
      console.log(process.resourceUsage().minorPageFault - before);
    };
    ${ready === 'with' ? `withMemoryReady(${bytes}, 4096, work)` : 'work()'};
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return Number(stdout);
}

test.skipIf(usesGlibc === undefined)(
  'memory that was made ready is not touched for the first time by the work (where malloc is glibc’s)',
  () => {
    expect(faults('without')).toBeGreaterThan(bytes / 4096 / 2);
    expect(faults('with')).toBeLessThan(bytes / 4096 / 20);
  },
);

test('the work is done once, and what it throws comes out', async () => {
  const { withMemoryReady } = await import('../../src/sqlite/ready-memory.js');
  let times = 0;
  expect(() => {
    withMemoryReady(1e6, 512, () => {
      times += 1;
      throw new Error('database disk image is malformed');
    });
  }).toThrow('malformed');
  expect(times).toBe(1);
});
