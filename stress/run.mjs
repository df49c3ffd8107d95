/**
 * Proofs that take longer than a test may: `npm run stress -- all|PROOF… [--seconds 60] [--trials N] [--seed 1] [--directory DIR] [--keep]`. The proofs
 * named share the seconds, preparations aside (0: each goes on until it has gone through everything it can; those that are random go on
 * until they are stopped; `snapshot` makes N copies, or 200 and more as the seconds allow), and print what they covered. A broken promise ends with 1, names the point, and leaves everything as it was
 * found. The same seed makes the same choices.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { proveCrash } from './crash.mjs';
import { proveDisk } from './disk.mjs';
import { proveGuard } from './guard.mjs';
import { proveHistory } from './history.mjs';
import { proveHttp } from './http.mjs';
import { proveOrphans } from './orphans.mjs';
import { program } from './program.mjs';
import { provePublish } from './publish.mjs';
import { proveRestore } from './restore.mjs';
import { proveRewrite } from './rewrite.mjs';
import { proveSignals } from './signals.mjs';
import { proveSnapshot } from './snapshot.mjs';

/**
 * @typedef {object} Options
 * @property {string} directory empty; removed at the end
 * @property {() => boolean} timeIsUp
 * @property {number} trials how many copies; 0: as the time allows
 * @property {() => number} random from 0 to 1, by the seed
 * @property {(what: string) => void} say progress
 */

/** @type {Record<string, { about: string, prove: (options: Options) => Promise<string> }>} */
const proofs = {
  publish: { about: 'killed before every single file operation in the backup directory', prove: provePublish },
  crash: { about: 'killed at random beside a writer, several times in a row', prove: proveCrash },
  disk: { about: 'every single file operation fails: no space, I/O error', prove: proveDisk },
  history: {
    about:
      'a history of deltas: killed, and failing, before every single file operation; then dailies killed at random',
    prove: proveHistory,
  },
  orphans: { about: 'only the parent is killed, at random', prove: proveOrphans },
  snapshot: { about: 'copied beside a writer and checkpoints of every kind', prove: proveSnapshot },
  guard: { about: 'VACUUM and REINDEX killed at random beside a writer', prove: proveGuard },
  rewrite: {
    about: 'VACUUM and REINDEX killed before every single change of the database, beside a writer',
    prove: proveRewrite,
  },
  restore: { about: 'a restore in place killed before every single change of the database', prove: proveRestore },
  signals: { about: 'SIGTERM and SIGINT at random', prove: proveSignals },
  http: { about: 'hostile clients, for at least a minute, beside a schedule that runs every minute', prove: proveHttp },
};

const command = new Command('npm run stress --')
  .argument('<proof...>', `all, ${Object.keys(proofs).join(', ')}`)
  .option('--seconds <number>', 'shared by the proofs, preparations aside; 0: everything each can go through', '60')
  .option('--trials <number>', 'how many copies `snapshot` makes; 0: as the seconds allow, and at least 200', '0')
  .option('--seed <number>', 'the same seed makes the same choices', '1')
  .option('--directory <directory>', 'where the sites are made', os.tmpdir())
  .option('--keep', 'leave them there', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse();
const values = command.opts();
const chosen = command.args.join() === 'all' ? Object.keys(proofs) : command.args;
for (const name of chosen) {
  if (!(name in proofs)) fail(`there is no proof ${name}, but ${Object.keys(proofs).join(', ')}`);
}
const seconds = Number(values.seconds);
if (!(seconds >= 0)) fail(`--seconds takes a number, not ${values.seconds}`);
const trials = Number(values.trials);
if (!Number.isInteger(trials) || trials < 0) fail(`--trials takes a whole number, not ${values.trials}`);
if (!fs.existsSync(program)) fail('dist/daemon.js is missing: run npm run build first');

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => process.exit(1));
for (const name of chosen) {
  const directory = fs.realpathSync(
    fs.mkdtempSync(path.join(values.directory, `debuggle-maintenance-stress-${name}-`)),
  );
  const began = performance.now();
  // Making the sites is not counted: the time runs from the first look at it.
  let until = Number.POSITIVE_INFINITY;
  const timeIsUp = () => {
    if (until === Number.POSITIVE_INFINITY && seconds > 0) until = performance.now() + (seconds * 1000) / chosen.length;
    return performance.now() > until;
  };
  console.log(`${name}: ${proofs[name].about}`);
  try {
    const say = (/** @type {string} */ what) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K  ${what}`);
    const covered = await proofs[name].prove({
      directory,
      timeIsUp,
      trials,
      random: randomBy(Number(values.seed)),
      say,
    });
    say('');
    console.log(`  kept its promises: ${covered}, in ${Math.round((performance.now() - began) / 1000)} s`);
    if (!values.keep) fs.rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    console.log(
      `  BROKEN (everything is left in ${directory}): ${error instanceof Error ? error.message : String(error)}`,
    );
    process.exit(1);
  }
}

/**
 * mulberry32: a few lines, and the same on every machine.
 * @param {number} seed
 */
function randomBy(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {string} message */
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}
