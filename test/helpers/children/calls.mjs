/**
 * Calls the program again and again in one process, as its entry would once: `main` with each of the lists of arguments, JSON in the first
 * argument. After each, \0 on stderr, and \0, the exit code, \0 on stdout.
 */
import { writeSync } from 'node:fs';
import { main } from '../../../dist/cli/program.js';

/** @type {string[][]} */
const calls = JSON.parse(process.argv[2] ?? '[]');
for (const args of calls) {
  const code = await main(args);
  writeSync(1, `\0${code}\0`);
  writeSync(2, '\0');
}
