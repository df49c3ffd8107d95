/** `/health/database` and `/health`: the overview as documents for programs. Pure. */
import { type HealthStatus, worstStatus } from '../jobs/health-verdict.js';
import type { DatabaseView, Overview } from '../overview/overview.js';

/** Figures of one database, or of several together: sizes and counts added up, the slowest query. Null: not known. */
interface HealthMetrics {
  readonly total_logs: number | null;
  readonly database_size_mb: number | null;
  readonly query_time_ms: number | null;
  /** Rows of the last 24 hours. */
  readonly recent_activity: number | null;
}

export interface DatabaseHealth {
  readonly status: HealthStatus;
  readonly timestamp: string;
  readonly metrics: HealthMetrics;
  readonly warnings: readonly string[];
  readonly databases: Readonly<
    Record<string, { status: HealthStatus; metrics: HealthMetrics; warnings: readonly string[] }>
  >;
}

interface Judged {
  readonly name: string;
  readonly status: HealthStatus;
  readonly metrics: HealthMetrics;
  readonly warnings: readonly string[];
}

/**
 * The worst database decides. Without one, the daemon has not looked yet: degraded.
 *
 * @param unlisted databases whose files cannot be found at the moment: nothing good can be said of them
 */
export function databaseHealth(
  at: Date,
  databases: readonly DatabaseView[],
  unlisted: readonly { readonly name: string; readonly message: string }[] = [],
): DatabaseHealth {
  const each: readonly Judged[] = [
    ...databases.map((database) => ({ ...database, metrics: metricsOf(database) })),
    ...unlisted.map(({ name, message }) => ({
      name,
      status: 'unhealthy' as const,
      metrics: together([]),
      warnings: [message],
    })),
  ];
  const [only, ...more] = each;
  return {
    status: only === undefined ? 'degraded' : worstStatus(each.map(({ status }) => status)),
    timestamp: at.toISOString(),
    metrics: only !== undefined && more.length === 0 ? only.metrics : together(each.map(({ metrics }) => metrics)),
    warnings:
      only === undefined
        ? ['nothing has been measured yet']
        : each.flatMap(({ name, warnings }) =>
            warnings.map((warning) => (more.length === 0 ? warning : `${name}: ${warning}`)),
          ),
    databases: Object.fromEntries(
      each.map(({ name, status, metrics, warnings }) => [name, { status, metrics, warnings }]),
    ),
  };
}

function metricsOf({ measured, sizeBytes }: DatabaseView): HealthMetrics {
  return {
    total_logs: measured?.totalRows ?? null,
    database_size_mb: sizeBytes === null ? null : Math.round(sizeBytes / 10_000) / 100,
    query_time_ms: measured?.queryMs ?? null,
    recent_activity: measured?.recentRows ?? null,
  };
}

function together(all: readonly HealthMetrics[]): HealthMetrics {
  const known = (key: keyof HealthMetrics): number[] =>
    all.flatMap((metrics) => (metrics[key] === null ? [] : [metrics[key]]));
  const sum = (values: readonly number[]): number | null =>
    values.length === 0 ? null : Math.round(values.reduce((total, value) => total + value, 0) * 100) / 100;
  const times = known('query_time_ms');
  return {
    total_logs: sum(known('total_logs')),
    database_size_mb: sum(known('database_size_mb')),
    query_time_ms: times.length === 0 ? null : Math.max(...times),
    recent_activity: sum(known('recent_activity')),
  };
}

/** Whether the program itself is well. That it answers is most of it. */
export function programHealth({
  at,
  version,
  host,
  startedAt,
  history,
  schedules,
  running,
  problems,
}: Overview): object {
  return {
    status: history === null ? 'ok' : 'degraded',
    timestamp: at.toISOString(),
    version,
    host,
    uptime_seconds: startedAt === null ? null : Math.round((at.getTime() - startedAt.getTime()) / 1000),
    history: history ?? 'ok',
    running: running.map(({ schedule }) => schedule),
    overdue: schedules.filter(({ secondsOverdue }) => secondsOverdue > 0).map(({ name }) => name),
    problems: problems.length,
  };
}
