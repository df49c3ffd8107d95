/** How long `/health/database` takes to answer: of an idle daemon, and while a whole integrity check of the database runs. */
import http from 'node:http';
import path from 'node:path';
import { freshCopy, makeOriginal } from '../databases.mjs';
import { median, milliseconds, printTable } from '../numbers.mjs';
import { runNow, startDaemon, writeConfig } from '../program.mjs';

const fewest = 200;
const betweenMs = 10;

/** @param {import('../run.mjs').Options} options */
export async function benchHealth(options) {
  const original = makeOriginal(path.join(options.directory, `${options.sizeBytes}.db`), options.sizeBytes);
  const directory = path.join(options.directory, 'health');
  const config = writeConfig(directory, { database: freshCopy(original, directory), jobs: ['integrity', 'report'] });
  const daemon = await startDaemon(config);
  const { port } = await daemon.line(({ msg }) => msg === 'http is listening');
  await daemon.line(({ msg, schedule }) => msg === 'run finished' && schedule === 'first-look');
  try {
    options.progress('health, idle');
    const idle = await answersUntil(Number(port), () => false);
    options.progress('health, while a check runs');
    let over = false;
    const check = runNow(config).finally(() => (over = true));
    const during = await answersUntil(Number(port), () => !over);
    const { ms } = await check;
    const result = { sizeBytes: options.sizeBytes, idle, during, checkMs: ms };
    printTable(
      `/health/database, asked every ${betweenMs} ms, ${Math.round(options.sizeBytes / 1e6)} MB`,
      ['', 'answers', 'median', 'p99', 'worst'],
      [
        ['idle', ...figures(idle)],
        [`while a check runs, ${(ms / 1000).toFixed(1)} s`, ...figures(during)],
      ],
    );
    return result;
  } finally {
    await daemon.stop();
  }
}

/** @param {readonly number[]} ms */
function figures(ms) {
  const sorted = ms.toSorted((a, b) => a - b);
  const p99 = sorted[Math.floor(sorted.length * 0.99)];
  return [String(ms.length), milliseconds(median(ms)), milliseconds(p99), milliseconds(sorted[sorted.length - 1])];
}

/**
 * Milliseconds of each answer, on a connection of its own as a load balancer would; at least `fewest` of them.
 * @param {number} port
 * @param {() => boolean} goOn
 */
async function answersUntil(port, goOn) {
  const taken = [];
  while (goOn() || taken.length < fewest) {
    const asked = performance.now();
    await ask(port);
    taken.push(performance.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, betweenMs));
  }
  return taken;
}

/**
 * @param {number} port
 * @returns {Promise<void>}
 */
function ask(port) {
  return new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.1', port, path: '/health/database', agent: false }, (response) => {
        response.on('end', resolve).on('error', reject).resume();
      })
      .on('error', reject);
  });
}
