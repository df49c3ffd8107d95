/** The report for programs: the run as it is, and what was around it. */
import type { RunReport } from '../jobs/outcome.js';

/** What a report says beside the run itself. */
export interface ReportContext {
  readonly generatedAt: Date;
  /** Of this program. */
  readonly version?: string;
  readonly host?: string;
  readonly nextRuns?: readonly { readonly schedule: string; readonly at: Date }[];
}

export function reportAsJson(report: RunReport, context: ReportContext): string {
  const { generatedAt, version, host, nextRuns } = context;
  const document = {
    ...report,
    generated_at: generatedAt.toISOString(),
    version,
    host,
    next_runs: nextRuns?.map(({ schedule, at }) => ({ schedule, at: at.toISOString() })),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
