import { describe, expect, test } from 'vitest';
import { databaseHealth, programHealth } from '../../src/http/health-answer.js';
import { database, known, noon, overview } from '../overview/fixture.js';

const metrics = { total_logs: 411, database_size_mb: 5, query_time_ms: 12.5, recent_activity: 7 };

describe('/health/database', () => {
  test('of one database has its figures at the top', () => {
    expect(databaseHealth(noon, [{ ...database, status: 'degraded', warnings: ['slow'] }])).toEqual({
      status: 'degraded',
      timestamp: '2026-11-23T12:00:00.000Z',
      metrics,
      warnings: ['slow'],
      databases: { logs: { status: 'degraded', metrics, warnings: ['slow'] } },
    });
  });

  test('of several adds sizes and counts up, takes the slowest query, and the worst decides', () => {
    const unmeasured = { ...database, name: 'new', measured: null, sizeBytes: null, warnings: ['not measured'] };
    const slow = known.measured && { ...known.measured, queryMs: 900, totalRows: null, recentRows: 1 };
    const health = databaseHealth(noon, [
      database,
      { ...database, name: 'slow', measured: slow, status: 'warning' },
      { ...unmeasured, status: 'unhealthy' },
    ]);
    expect(health).toMatchObject({
      status: 'unhealthy',
      metrics: { total_logs: 411, database_size_mb: 10, query_time_ms: 900, recent_activity: 8 },
      warnings: ['new: not measured'],
    });
    expect(health.databases['new']?.metrics).toEqual({
      total_logs: null,
      database_size_mb: null,
      query_time_ms: null,
      recent_activity: null,
    });
  });

  test('before the first look is degraded, not healthy', () => {
    expect(databaseHealth(noon, [])).toMatchObject({ status: 'degraded', databases: {} });
  });
});

test('/health says whether the daemon can record what it does, what runs, and what is overdue', () => {
  expect(programHealth(overview())).toMatchObject({ status: 'ok', uptime_seconds: 172_800, overdue: [], running: [] });
  const [schedule] = overview().schedules;
  const troubled = overview({
    history: 'disk full',
    schedules: schedule === undefined ? [] : [{ ...schedule, secondsOverdue: 60 }],
    running: [{ schedule: 'daily', runId: 'r2', startedAt: noon, step: null }],
  });
  expect(programHealth(troubled)).toMatchObject({
    status: 'degraded',
    history: 'disk full',
    overdue: ['daily'],
    running: ['daily'],
  });
});
