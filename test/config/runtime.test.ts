import zlib from 'node:zlib';
import { expect, test } from 'vitest';
import { runtimeFindings } from '../../src/config/runtime.js';
import { load, minimal, mistakesIn } from './config-file.js';

const common = `${minimal}jobs:\n  backup: { compress: zstd }\n`;
const own = minimal.replace('    path:', '    jobs: { backup: { compress: zstd } }\n    path:');
const said = `zstd needs Node.js 22.15 or newer, and this is ${process.version}: use gzip, or upgrade`;

if ('createZstdCompress' in zlib) {
  test('zstd is accepted by a Node.js that has it', () => {
    expect(load(common).databases[0]?.jobs.backup.compress).toBe('zstd');
    expect(load(own).databases[0]?.jobs.backup.compress).toBe('zstd');
  });
} else {
  test('zstd on a Node.js without it is a mistake in the configuration, with its place', () => {
    expect(mistakesIn(common)).toEqual([`8:23 jobs.backup.compress: ${said}`]);
    expect(mistakesIn(own)).toEqual([`3:33 databases.logs.jobs.backup.compress: ${said}`]);
  });
}

test.each([
  [{ jobs: { backup: { compress: 'zstd' } } }, ['jobs.backup.compress']],
  [
    { jobs: 7, databases: { a: { jobs: { backup: { compress: 'zstd' } } }, b: null, c: { jobs: { backup: 'x' } } } },
    ['databases.a.jobs.backup.compress'],
  ],
  [{ jobs: { backup: { compress: 'gzip' } }, databases: 'none' }, []],
  ['no document', []],
])('what needs a newer Node.js is found whatever else is wrong: %j', (raw, places) => {
  expect(runtimeFindings(raw, false).map(({ path }) => path.join('.'))).toEqual(places);
  expect(runtimeFindings(raw, true)).toEqual([]);
});
