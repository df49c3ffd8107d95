import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/helpers/longest-first.js';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    globalSetup: 'test/helpers/build.ts',
    // Processes, not threads: tests send signals, change directories and load a native addon. They also start processes of their own,
    // most of the time waiting for them, so a few more than there are cores is no waste.
    pool: 'forks',
    // Several files to a process: starting one for each and loading everything anew took an eighth of the time. A test puts back what it changes.
    isolate: false,
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary', 'html'] },
  },
});
