/** `explain RUN`: how the guard came to each of its decisions, from the history; and whether the audit log is as it was written. */
import { UsageError } from '../errors.js';
import { brokenLine } from '../guard/audit.js';
import type { GuardDecision, GuardedRun } from '../history/guard.js';
import type { Facts, Json } from '../jobs/outcome.js';
import { plain } from '../plain.js';
import { type GlobalOptions, openForReadingOnly, readConfig } from './open.js';
import { print, printJson } from './terminal.js';

export async function explain(options: GlobalOptions, runId: string): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  try {
    const found = parts.history.guardedRuns(runId);
    const only = options.database ?? [];
    const runs = found.filter(({ database }) => only.length === 0 || only.includes(database));
    if (runs.length === 0) {
      throw new UsageError(
        `no guarded run belongs to ${runId}: \`debuggle-maintenance report\` names the last run, the log names all of them`,
      );
    }
    const broken = brokenLine(parts.config.stateDirectory);
    if (options.json === true) printJson({ run_id: runId, guarded_runs: runs, audit_broken_at_line: broken ?? null });
    else {
      for (const run of runs) print(...linesOf(run));
      if (broken !== undefined)
        print(`audit.jsonl: line ${broken} does not follow from the one before: it was changed, or lines are missing`);
    }
    return 0;
  } finally {
    await parts.close();
  }
}

function linesOf({ database, operation, at, intent, decisions, endedAt }: GuardedRun): string[] {
  return [
    plain(`${database}: ${operation}, begun ${at.toISOString()}`),
    intent === null ? '  nothing was changed: it ended before that' : plain(`  intent: ${detail(intent, ['tables'])}`),
    ...decisions.flatMap(linesOfDecision),
    endedAt === null
      ? '  cut off, or still going: the next start settles and checks it'
      : `  ended ${endedAt.toISOString()}`,
  ];
}

function linesOfDecision({ at, row, deed, outcome, why, evidence }: GuardDecision): string[] {
  const { found, ...inputs } = evidence;
  return [
    plain(`  ${at.toISOString()} row ${row}: ${deed} -> ${outcome}`),
    plain(`    because: ${why}`),
    plain(`    evidence: ${detail(inputs)}`),
    ...(isFacts(found) ? [plain(`    found: ${detail(found)}`)] : []),
  ];
}

function detail(facts: Facts, without: readonly string[] = []): string {
  return Object.entries(facts)
    .filter(([key]) => !without.includes(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

function isFacts(value: Json | undefined): value is Facts {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
