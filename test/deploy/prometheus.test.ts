/**
 * The whole way, once: the real daemon, a Prometheus that scrapes it with the shipped rules, an Alertmanager with the shipped route, and
 * somebody who is told. Shortened are only the intervals and how long a condition has to hold; limits are as shipped.
 */
import fs from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, type TestContext, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { freePort } from '../helpers/free-port.js';
import { copyAsOf, type Installation, removeBackup, withBackups } from '../helpers/installation.js';
import type { RunningProgram } from '../helpers/program.js';
import { eventually, type Service, startAlertmanager, startPrometheus } from './programs.js';
import { readDeployed, shippedDashboard } from './shipped.js';

/** Never, as long as a test takes. */
const never = '0 0 29 2 *';

/** A daemon of one database, whose only backup is three days old, and where Prometheus finds it. */
async function startDaemon(): Promise<{ site: Installation; daemon: RunningProgram; target: string }> {
  const site = await withBackups(1, {
    http: { listen: '127.0.0.1:0' },
    databases: { logs: { profile: 'debuggle' } },
    schedules: {
      hourly: undefined,
      daily: undefined,
      'verify-backup': undefined,
      everything: { cron: never, jobs: ['backup', 'integrity', 'verify', 'health'] },
    },
  });
  const newest = site.backup();
  copyAsOf(newest, 72);
  removeBackup(newest);
  const daemon = site.start();
  const { address, port } = await daemon.waitForLog(({ msg }) => msg === 'http is listening');
  return { site, daemon, target: `${String(address)}:${String(port)}` };
}

/** The shipped configuration and rules, on these addresses, at a pace for a test. */
async function watch(context: TestContext, site: Installation, target: string, alertmanager: number): Promise<Service> {
  const rules = readDeployed('prometheus/rules/debuggle.rules.yml').replaceAll(/^ +for: /gm, '$&1s # ');
  fs.writeFileSync(site.workspace.path('rules.yml'), rules);
  const shipped = z
    .looseObject({ scrape_configs: z.tuple([z.looseObject({ job_name: z.string() })]) })
    .parse(parse(readDeployed('prometheus/prometheus.yml')));
  return await startPrometheus(context, site.workspace.directory, {
    ...shipped,
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [site.workspace.path('rules.yml')],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${alertmanager}`] }] }] },
    scrape_configs: [{ ...shipped.scrape_configs[0], static_configs: [{ targets: [target] }] }],
  });
}

const answer = z.looseObject({
  status: z.string(),
  error: z.string().optional(),
  data: z.looseObject({ result: z.array(z.looseObject({ metric: z.record(z.string(), z.string()) })) }).optional(),
});

async function query(prometheus: Service, expr: string): Promise<z.infer<typeof answer>> {
  return answer.parse(await prometheus.get(`/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`));
}

/** What a fresh daemon cannot show yet. A query may find nothing only if it asks for one of these. */
const later: readonly (readonly [RegExp, string])[] = [
  [/debuggle_db_growth_bytes_per_day|debuggle:growth:/, 'once there are six hours of measurements'],
  [/debuggle:wal_growth:/, 'after two hours'],
  [/debuggle:disk_trend:/, 'after two days'],
  [/debuggle_notification/, 'with a channel'],
  [/debuggle_db_disk_full_seconds\{[^}]*\} < \+Inf/, 'when it grows'],
  [/debuggle_db_backups_damaged\{[^}]*\} > 0/, 'when one is damaged'],
  [/debuggle:operation_failures:ratio_1d\{[^}]*\} > 0/, 'when one failed'],
];

/** Asks all that the dashboard asks, once what was done has arrived. */
async function everyQueryFinds(prometheus: Service): Promise<void> {
  const proven = 'debuggle:proven_restore_age:seconds and on (database) debuggle:operation_failures:ratio_1d';
  await eventually('what was done', async () => (await query(prometheus, proven)).data?.result.length === 1);

  const { panels, annotations, templating } = shippedDashboard();
  const queries = [
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
    ...annotations.list.flatMap(({ name, expr }) => (expr === undefined ? [] : [[name, expr] as const])),
  ];
  expect(queries.length).toBeGreaterThan(40);
  const answers = await Promise.all(
    queries.map(async ([title, expr]) => {
      const asked = expr.replace(/\$(?:instance|database|schedule)/g, '.*').replace('$__interval', '1m');
      return { asked: `${title}: ${expr}`, ...(await query(prometheus, asked)) };
    }),
  );
  for (const { asked, status, error } of answers) expect(error ?? status, asked).toBe('success');
  const empty = answers.filter(({ data }) => data?.result.length === 0).map(({ asked }) => asked);
  const isAnnotation = (text: string): boolean => annotations.list.some(({ name }) => text.startsWith(name));
  expect(empty.filter((text) => !isAnnotation(text) && !later.some(([metric]) => metric.test(text)))).toEqual([]);

  for (const { name, definition } of templating.list) {
    const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? [];
    if (selector === '') continue;
    const { data } = await query(prometheus, selector.replace('$instance', '.*'));
    expect(
      data?.result.map(({ metric }) => metric[label]),
      name,
    ).not.toContain(undefined);
    expect(data?.result.length, name).toBeGreaterThan(0);
  }
}

test('an old backup, and later a daemon that is gone, reach whoever is on call, and the dashboard finds what there is to show', {
  timeout: 120_000,
}, async (context) => {
  const told: string[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      told.push(`${request.url ?? ''} ${body}`);
      response.end();
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void receiver.close());
  await new Promise((resolve) => receiver.once('listening', resolve));
  const { port: receiving } = receiver.address() as AddressInfo;

  const { site, daemon, target } = await startDaemon();
  const port = await freePort();
  const { route, inhibit_rules } = z
    .looseObject({ route: z.looseObject({ receiver: z.string() }), inhibit_rules: z.array(z.unknown()) })
    .parse(parse(readDeployed('alertmanager/pagerduty.yml')));
  await startAlertmanager(context, site.workspace.directory, port, {
    route: { ...route, group_wait: '1s', group_interval: '1s' },
    inhibit_rules,
    receivers: ['on-call', 'operators'].map((name) => ({
      name,
      webhook_configs: [{ url: `http://127.0.0.1:${receiving}/${name}` }],
    })),
  });
  const prometheus = await watch(context, site, target, port);

  const toldOf = (alert: string): Promise<string> =>
    eventually(`a message of ${alert}`, () => Promise.resolve(told.find((text) => text.includes(alert))));
  const message = await toldOf('DebuggleBackupStale');
  expect(message).toMatch(/^\/on-call /);
  expect(message).toContain('"database":"logs"');
  expect(message).toMatch(/logs: the newest backup is 3d 0h \d+m \d+s old/);
  expect(message).toContain('docs/alerts.md#backup-stale');

  // While Prometheus looks, so that it sees counters go up.
  const { code, stdout } = await site.run(['--run-now', 'everything']);
  expect(code, stdout).toBe(0);
  await everyQueryFinds(prometheus);

  daemon.killGroup();
  expect(await toldOf('DebuggleDaemonDown')).toMatch(/^\/on-call /);
});
