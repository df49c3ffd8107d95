/** The dashboard as a document: what Grafana needs of it, and what a reader does. Its queries are asked in prometheus.test.ts. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { filesBelow } from './programs.js';
import { type Panel, readDeployed, shippedDashboard } from './shipped.js';

const { panels, templating, schemaVersion, uid, title } = shippedDashboard();
const shown = panels.filter((panel) => panel.type !== 'row');

describe('the dashboard', () => {
  test('has an identity, a schema of Grafana 12, and the variables that its queries use', () => {
    expect([uid, title]).toEqual(['debuggle-maintenance', 'debuggle-maintenance']);
    expect(schemaVersion).toBeGreaterThanOrEqual(41);
    const variables = templating.list.map(({ name }) => name);
    expect(variables).toEqual(['datasource', 'instance', 'database', 'schedule']);
    const used = readDeployed('grafana/debuggle-maintenance.json').matchAll(/\$\{?([a-z]\w*)/g);
    expect([...new Set([...used].map(([, name = '']) => name))].sort()).toEqual([...variables].sort());
  });

  test('has no panel over another, none beyond the width, and each number once', () => {
    const overlaps = panels.flatMap((one, index) =>
      panels.slice(index + 1).flatMap((other) => (overlap(one, other) ? [`${one.title} and ${other.title}`] : [])),
    );
    expect(overlaps).toEqual([]);
    expect(panels.filter(({ gridPos: { x, w } }) => x < 0 || x + w > 24)).toEqual([]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(shown.map((panel) => panel.title)).size).toBe(shown.length);
  });

  test.each(shown.map((panel) => [panel.title, panel] as const))(
    '%s: has a description, a unit, thresholds, queries with legends, and the chosen source of data',
    (_, panel) => {
      expect(panel.description?.length).toBeGreaterThan(15);
      expect(panel.fieldConfig?.defaults.unit).toMatch(/^\w+$/);
      expect(panel.datasource?.uid).toBe('${datasource}');
      expect(panel.targets.length).toBeGreaterThan(0);
      for (const { expr, legendFormat } of panel.targets) {
        expect(expr).toMatch(/\$(?:instance|database|schedule)/);
        if (panel.type === 'timeseries' || panel.type === 'state-timeline') expect(legendFormat).toContain('{{');
      }
    },
  );

  test('shows everything that somebody asks for at night', () => {
    const queries = shown.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join('\n');
    for (const wanted of [
      'debuggle_db_size_bytes',
      'debuggle_db_growth_bytes_per_day',
      'debuggle:backup_age:seconds',
      'debuggle_db_backup_bytes',
      'debuggle_db_backups',
      'debuggle:proven_restore_age:seconds',
      'debuggle_schedule_last_run_duration_seconds',
      'debuggle_schedule_last_run_outcome',
      'debuggle_db_freelist_ratio',
      'debuggle_db_wal_bytes',
      'debuggle_db_writer_stall_seconds',
      'debuggle_db_query_seconds',
      'debuggle_db_disk_free_bytes',
      'debuggle_db_backup_disk_free_bytes',
      'debuggle_db_disk_full_seconds',
      'debuggle_problems',
    ])
      expect(queries).toContain(wanted);
  });
});

test('what provisions it is YAML of the version that Grafana reads', () => {
  const files = filesBelow('grafana/provisioning', '.yml');
  expect(files.length).toBe(2);
  for (const file of files) expect(parse(readDeployed(file)), file).toMatchObject({ apiVersion: 1 });
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
