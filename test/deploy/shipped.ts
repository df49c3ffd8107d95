/** The files of deploy/ as data: rules, dashboard, and the metrics that the documentation knows. */
import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { deploy } from './programs.js';

const root = path.join(deploy, '..');

const rule = z.object({
  record: z.string().optional(),
  alert: z.string().optional(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});
const rulesFile = z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(rule) })) });

export const readDeployed = (name: string): string => fs.readFileSync(path.join(deploy, name), 'utf8');
export const readPage = (name: string): string => fs.readFileSync(path.join(root, 'docs', name), 'utf8');

export function shippedRules(): z.infer<typeof rulesFile> {
  return rulesFile.parse(parse(readDeployed('prometheus/rules/debuggle.rules.yml')));
}

const panel = z.looseObject({
  id: z.int(),
  type: z.string(),
  title: z.string().min(1),
  description: z.string().optional(),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  datasource: z.object({ type: z.literal('prometheus'), uid: z.string() }).optional(),
  targets: z.array(z.looseObject({ expr: z.string(), legendFormat: z.string() })).default([]),
  fieldConfig: z
    .looseObject({
      defaults: z.looseObject({
        unit: z.string(),
        thresholds: z.object({ mode: z.string(), steps: z.array(z.unknown()).min(1) }),
      }),
    })
    .optional(),
});
const variable = z.looseObject({ name: z.string(), type: z.string(), definition: z.string().optional() });
const dashboard = z.looseObject({
  uid: z.string(),
  title: z.string(),
  schemaVersion: z.int(),
  templating: z.object({ list: z.array(variable) }),
  annotations: z.object({ list: z.array(z.looseObject({ name: z.string(), expr: z.string().optional() })) }),
  panels: z.array(panel),
});

export type Panel = z.infer<typeof panel>;

export function shippedDashboard(): z.infer<typeof dashboard> {
  return dashboard.parse(JSON.parse(readDeployed('grafana/debuggle-maintenance.json')));
}

/** Of docs/metrics.md: name and type. */
export function documentedMetrics(): ReadonlyMap<string, string> {
  const rows = readPage('metrics.md').matchAll(/^\| `(debuggle_\w+)` +\| (\w+)/gm);
  return new Map([...rows].map(([, name = '', type = '']) => [name, type]));
}

/** The names of series in a text, those of histograms without their endings. */
export function metricsIn(text: string): string[] {
  const known = documentedMetrics();
  return [...text.matchAll(/(?<![\w:/.-])debuggle_\w+/g)].map(([name]) => {
    const base = name.replace(/_(?:bucket|sum|count)$/, '');
    return known.get(base) === 'histogram' ? base : name;
  });
}

export function recordsIn(text: string): string[] {
  return [...text.matchAll(/debuggle:\w+:\w+/g)].map(([name]) => name);
}
