/**
 * Clients that mean no good, a thousand and more at a time: connections that never ask, headers that never end or are a megabyte, names that
 * are not ours, paths that lead elsewhere, methods that would change something, readers that do not read. Beside them a schedule is due
 * every minute: each of its runs begins on time and succeeds, the memory of the daemon stays bounded, and it ends when it is told to.
 */
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { makeSite, modes } from './site.mjs';

const mostBytes = 250e6;
const latestMs = 5000;

/** @param {import('./run.mjs').Options} options */
export async function proveHttp({ directory, timeIsUp, random, say }) {
  const site = makeSite(path.join(directory, 'site'), {
    ...modes[0],
    rows: 411,
    http: { listen: '127.0.0.1:0' },
    everyMinute: ['health', 'backup'],
  });
  const daemon = site.start([]);
  const port = await portOf(daemon);
  const counts = { clients: 0, runs: 0, mostBytes: 0, asked: 0, answered: 0 };
  const deadline = performance.now() + 65_000;
  /** @type {Set<net.Socket>} */
  const open = new Set();
  try {
    do {
      while (open.size < 1000) {
        open.add(attack(port, random, (socket) => open.delete(socket)));
        counts.clients += 1;
      }
      await Promise.all(Array.from({ length: 20 }, () => rude(port, random)));
      counts.clients += 20;
      counts.asked += 1;
      if (await isAnswered(port)) counts.answered += 1;
      counts.mostBytes = Math.max(counts.mostBytes, residentBytes(daemon.pid));
      if (counts.mostBytes > mostBytes) throw new Error(`the daemon takes ${counts.mostBytes} bytes`);
      counts.runs = runsIn(daemon.output());
      say(`${counts.clients} clients, ${counts.runs} runs`);
      await wait(20);
      // At least one of the runs that are due each minute.
    } while (!timeIsUp() || performance.now() < deadline);
  } finally {
    for (const socket of open) socket.destroy();
  }
  if (counts.answered === 0) throw new Error(`nobody was answered beside them, of ${counts.asked}`);
  if (counts.runs === 0) throw new Error(`no run was on time in ${daemon.output()}`);
  await answers(port);
  daemon.kill('SIGTERM');
  const { code, signal } = await daemon.exited;
  if (code !== 0) throw new Error(`SIGTERM ended it with ${code ?? signal}`);
  return `${counts.clients} clients; ${counts.runs} runs, each on time; ${counts.answered} of ${counts.asked} that asked properly beside them were answered; ${Math.round(counts.mostBytes / 1e6)} MB at most`;
}

/** @param {import('./program.mjs').Running} daemon */
async function portOf(daemon) {
  for (;;) {
    const line = linesOf(daemon.output()).find(({ msg }) => msg === 'http is listening');
    if (line !== undefined) return Number(line['port']);
    await wait(20);
  }
}

/**
 * How many runs of the minute have ended; throws when one was late or did not succeed.
 * @param {string} output
 */
function runsIn(output) {
  const lines = linesOf(output).filter(({ schedule }) => schedule === 'minutely');
  for (const { time, slot, msg } of lines) {
    const lateMs = Date.parse(String(time)) - Date.parse(String(slot));
    if (msg === 'run started' && !(lateMs < latestMs)) throw new Error(`the run of ${slot} began at ${time}`);
  }
  const ended = lines.filter(({ msg }) => msg === 'run finished');
  const bad = ended.find(({ outcome }) => outcome !== 'succeeded');
  if (bad !== undefined) throw new Error(`a run ended as ${bad['outcome']}: ${JSON.stringify(bad)}`);
  return ended.length;
}

/**
 * @param {string} output
 * @returns {Record<string, unknown>[]}
 */
function linesOf(output) {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

const beginnings = [
  () => '',
  () => 'GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Never-Ends: ',
  () => `GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: ${'x'.repeat(1024 ** 2)}\r\n\r\n`,
  () => 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n',
  () => 'GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n',
  () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  // Asks often and never reads.
  () => 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(500),
];

/**
 * @param {number} port
 * @param {() => number} random
 * @param {(socket: net.Socket) => void} gone
 */
function attack(port, random, gone) {
  const socket = net.connect(port, '127.0.0.1', () => {
    const begin = beginnings[Math.floor(random() * beginnings.length)];
    socket.write(begin());
  });
  socket.pause();
  socket.on('error', () => undefined).once('close', () => gone(socket));
  return socket;
}

const oddities = [
  { method: 'POST', path: '/' },
  { method: 'DELETE', path: '/health' },
  { path: '/../../../../etc/passwd' },
  { path: '//etc/passwd' },
  { path: '/%2e%2e/%2e%2e/etc/passwd' },
  { path: `/${'a'.repeat(8000)}` },
  { path: '/', headers: { Host: 'evil.example' } },
  { path: '/health/database?database=../../x' },
];

/**
 * Asks for what is not to be had; throws when it is.
 * @param {number} port
 * @param {() => number} random
 * @returns {Promise<void>}
 */
function rude(port, random) {
  const oddity = oddities[Math.floor(random() * oddities.length)];
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, agent: false, timeout: 5000, ...oddity }, (response) => {
      response.resume();
      if ((response.statusCode ?? 0) < 400) reject(new Error(`${JSON.stringify(oddity)} was answered`));
      else resolve();
    });
    // Closed before it was answered: so many came after it.
    request.on('timeout', () => request.destroy()).on('error', () => resolve());
    request.end();
  });
}

/**
 * By a connection of its own, as a load balancer's probe has.
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function isAnswered(port) {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/health', agent: false, timeout: 1000 }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode === 200));
      response.on('error', () => resolve(false));
    });
    request.on('timeout', () => request.destroy()).on('error', () => resolve(false));
  });
}

/**
 * Others are answered again.
 * @param {number} port
 */
async function answers(port) {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(`http://127.0.0.1:${port}/health/database`).catch(() => undefined);
    if (response?.ok === true) return;
    if (attempt > 300) throw new Error(`/health/database is answered with ${response?.status ?? 'nothing'}`);
    await wait(100);
  }
}

/** @param {number} pid */
function residentBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
