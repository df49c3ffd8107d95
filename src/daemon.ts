#!/usr/bin/env node
/** Program entry. The daemon itself is cli/serve.ts; cli/program.ts lists the other commands. */
import { setFlagsFromString } from 'node:v8';
import { endEarly, forkEarly } from './engine/fork.js';

const said = (...words: readonly string[]): boolean => process.argv.some((word) => words.includes(word));
const runsNow = said('--run-now');
// Copying a database takes two processes, and these calls take none. A wrong guess costs no more than time.
forkEarly(runsNow ? 2 : said('next', 'report', 'ack', 'explain', 'help', '--help', '-h', '--version', '-V') ? 0 : 1);
if (!runsNow) keepSmall();

// Before anything that imports it, so that an addon that does not load is one clear line.
const { loadAddon } = await import('./sqlite/addon.js');
const problem = loadAddon();
if (problem !== undefined) {
  process.stderr.write(`debuggle-maintenance: ${problem}\n`);
  process.exitCode = 1;
} else {
  const { main } = await import('./cli/program.js');
  if (runsNow) keepSmall();
  process.exitCode = await main(process.argv.slice(2));
}
endEarly();

/**
 * This process waits more than it computes: a young generation that does not grow keeps it at 105 MB instead of 143 after a run over 1000
 * databases, and the idle daemon at 73 MB. Loading the program takes a tenth longer with it, which matters where somebody waits.
 */
function keepSmall(): void {
  setFlagsFromString('--max-semi-space-size=2');
  setFlagsFromString('--semi-space-growth-factor=1');
}
