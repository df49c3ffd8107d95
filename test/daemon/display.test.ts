/** What the daemon shows, and what becomes of it when its configuration changes in the middle. */

import fs from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { Display, notifierOf, openParts, readConfig } from '../engine/compiled.js';
import { install } from '../helpers/installation.js';
import { parseLog } from '../helpers/program.js';
import { until } from '../helpers/until.js';
import { ask } from '../http/ask.js';

test('of two reloads at once the last is in force, and leaves no server behind', async () => {
  const site = install({ config: { http: { listen: '127.0.0.1:0' } } });
  const parts = openParts(readConfig({ config: site.file }), 'none');
  const { config } = parts;
  const display = new Display({ ...parts, notifier: notifierOf(parts) }, { startedAt: new Date(), only: [] });
  onTestFinished(async () => {
    await display.close();
    await parts.close();
  });
  const ports = (): unknown[] =>
    parseLog(fs.readFileSync(site.logFile, 'utf8')).flatMap(({ msg, port }) =>
      msg === 'http is listening' ? [port] : [],
    );
  await until('the first server', () => ports().length === 1);
  const served = (maxConnections: number) => ({ ...config, http: config.http && { ...config.http, maxConnections } });
  await Promise.all([display.reconfigure(served(5)), display.reconfigure(served(6))]);
  await until('the next server', () => ports().length > 1);
  await display.reconfigure({ ...config, http: null });
  for (const port of ports()) await expect(ask(Number(port), '/health')).rejects.toThrow('ECONNREFUSED');
}, 60_000);
