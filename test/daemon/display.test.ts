/** What the daemon shows, and what becomes of it when its configuration changes in the middle. */

import fs from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { Display, notifierOf, openParts, readConfig } from '../engine/compiled.js';
import { install } from '../helpers/installation.js';
import { parseLog } from '../helpers/program.js';
import { until } from '../helpers/until.js';
import { ask } from '../http/ask.js';

/** As the daemon has it. */
function displayOf(http: { readonly listen: string } | false) {
  const site = install({ config: { http } });
  const parts = openParts(readConfig({ config: site.file }), 'none');
  const display = new Display({ ...parts, notifier: notifierOf(parts) }, { startedAt: new Date(), only: [] });
  onTestFinished(async () => {
    await display.close();
    await parts.close();
  });
  const ports = (): number[] =>
    parseLog(fs.readFileSync(site.logFile, 'utf8')).flatMap(({ msg, port }) =>
      msg === 'http is listening' ? [Number(port)] : [],
    );
  return { display, config: parts.config, ports };
}

test('of two reloads at once the last is in force, and leaves no server behind', async () => {
  const { display, config, ports } = displayOf({ listen: '127.0.0.1:0' });
  await until('the first server', () => ports().length === 1);
  const served = (maxConnections: number) => ({ ...config, http: config.http && { ...config.http, maxConnections } });
  await Promise.all([display.reconfigure(served(5)), display.reconfigure(served(6))]);
  await until('the next server', () => ports().length > 1);
  await display.reconfigure({ ...config, http: null });
  for (const port of ports()) await expect(ask(port, '/health')).rejects.toThrow('ECONNREFUSED');
}, 60_000);

test('a reload that switches HTTP on brings all of it', async () => {
  const { display, config, ports } = displayOf(false);
  await display.look();
  const { http } = readConfig({ config: install({ config: { http: { listen: '127.0.0.1:0' } } }).file });
  await display.reconfigure({ ...config, http });
  await until('the server', () => ports().length === 1);
  const [port = 0] = ports();
  const { status, body } = await ask(port, '/metrics');
  expect(status).toBe(200);
  expect(body).toContain('debuggle_db_operations_total{database="logs",operation="backup"} 0');
  expect(await ask(port, '/')).toMatchObject({ status: 200 });
}, 60_000);
