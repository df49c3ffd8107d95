/** Rules, their tests and the configurations around them: as the tools of Prometheus see them, and as the documentation tells them. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { check, deploy, filesBelow } from './programs.js';
import { documentedMetrics, metricsIn, readDeployed, readPage, recordsIn, shippedRules } from './shipped.js';

const rules = shippedRules().groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule) => rule.alert !== undefined);
const ruleTests = filesBelow('prometheus/tests', '.yml');
const users = ['prometheus/rules/debuggle.rules.yml', 'grafana/debuggle-maintenance.json', ...ruleTests];

describe('the tools of Prometheus', () => {
  test('find nothing to say about rules and configuration', (context) => {
    const { status, output } = check(context, 'promtool', ['check', 'config', 'prometheus/prometheus.yml']);
    expect(output).toContain(`SUCCESS: ${rules.length} rules found`);
    expect(output).not.toMatch(/warning|failed/i);
    expect(status).toBe(0);
  });

  test('pass every test of the rules: each alert fires when it should, and not before', (context) => {
    const { status, output } = check(context, 'promtool', ['test', 'rules', ...ruleTests]);
    expect(output).not.toContain('FAILED');
    expect(output.match(/SUCCESS/g)).toHaveLength(ruleTests.length);
    expect(status).toBe(0);
  });

  test('accept every configuration of Alertmanager', (context) => {
    const files = filesBelow('alertmanager', '.yml');
    expect(files.length).toBe(3);
    const { status, output } = check(context, 'amtool', ['check-config', ...files]);
    expect(output.match(/SUCCESS/g)).toHaveLength(files.length);
    expect(status).toBe(0);
  });
});

test('what is critical goes to whoever is on call, the rest to the operators', (context) => {
  for (const file of filesBelow('alertmanager', '.yml')) {
    const route = (severity: string): string | undefined =>
      check(context, 'amtool', ['config', 'routes', 'test', `--config.file=${file}`, `severity=${severity}`])
        .output.split('\n')
        .at(0);
    expect([route('critical'), route('warning')], file).toEqual(['on-call', 'operators']);
  }
});

describe('every alert', () => {
  test('is tested', () => {
    const tested = ruleTests.map(readDeployed).join('\n');
    const names = alerts.map(({ alert = '' }) => alert);
    expect(names.length).toBeGreaterThan(15);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !tested.includes(name))).toEqual([]);
  });

  test('says how bad it is, of what, what to do, and where the runbook is', () => {
    for (const { alert, labels, annotations, expr } of alerts) {
      expect(Object.keys(labels), alert).toEqual(['severity']);
      expect(['critical', 'warning'], alert).toContain(labels['severity']);
      expect(Object.keys(annotations), alert).toEqual(['summary', 'description', 'runbook']);
      const [about = ''] = expr.match(/debuggle_\w+/) ?? [];
      if (about.startsWith('debuggle_db_')) expect(annotations['summary'], alert).toContain('$labels.database');
      if (about.startsWith('debuggle_schedule_')) expect(annotations['summary'], alert).toContain('$labels.schedule');
    }
  });

  test('has its section in docs/alerts.md, with its severity, and no section has none', () => {
    const sections = [...readPage('alerts.md').matchAll(/^## (.+)\n\n`(\w+)`, (\w+)/gm)].map(
      ([, heading = '', alert = '', severity = '']) => ({
        alert,
        severity,
        runbook: `docs/alerts.md#${heading.toLowerCase().replaceAll(' ', '-')}`,
      }),
    );
    expect(sections.length).toBe(readPage('alerts.md').match(/^## /gm)?.length);
    const raised = alerts.map(({ alert, labels, annotations }) => ({
      alert,
      severity: labels['severity'],
      runbook: annotations['runbook'],
    }));
    const byName = (a: { alert?: string | undefined }, b: { alert?: string | undefined }) =>
      (a.alert ?? '').localeCompare(b.alert ?? '');
    expect(sections.sort(byName)).toEqual(raised.sort(byName));
  });

  test('that is inhibited, or inhibits, exists', () => {
    const names = new Set(alerts.map(({ alert }) => alert));
    const named = filesBelow('alertmanager', '.yml').flatMap((file) => readDeployed(file).match(/Debuggle\w+/g) ?? []);
    expect(named.filter((name) => name !== 'Debuggle' && !names.has(name))).toEqual([]);
  });
});

describe('what is named', () => {
  test.each(users)('%s: every metric is one of docs/metrics.md, and every record one of the rules', (file) => {
    const text = readDeployed(file);
    const records = new Set(rules.map(({ record }) => record));
    expect(metricsIn(text).length).toBeGreaterThan(0);
    expect(metricsIn(text).filter((name) => !documentedMetrics().has(name))).toEqual([]);
    expect(recordsIn(text).filter((name) => !records.has(name))).toEqual([]);
  });

  test('every limit is used by an alert', () => {
    const limits = rules.map(({ record = '' }) => record).filter((name) => name.includes('_limit:'));
    expect(limits.length).toBeGreaterThan(5);
    const compared = alerts.map(({ expr }) => expr).join('\n');
    expect(limits.filter((name) => !compared.includes(name))).toEqual([]);
  });

  test('no file holds a credential: each is read from another', () => {
    for (const file of [...filesBelow('alertmanager', '.yml'), 'prometheus/prometheus.yml']) {
      const keys = JSON.stringify(parse(readDeployed(file))).match(
        /"(?:\w+_key|\w*password|credentials|\w*token|\w*api_url)":/g,
      );
      expect(keys, file).toBeNull();
    }
  });

  test('all of it is in the package', () => {
    const { files } = parse(fs.readFileSync(path.join(deploy, '..', 'package.json'), 'utf8')) as { files: string[] };
    expect(files).toContain('deploy');
  });
});
