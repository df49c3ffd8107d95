/**
 * `explain RUN`: how the guard came to each of its decisions, from the history; what became of a restore that the operator asked for, from
 * the audit log; and whether that is as it was written.
 */
import { UsageError } from '../errors.js';
import { askedRestores, brokenLine } from '../guard/audit.js';
import type { GuardDecision, GuardedRun } from '../history/guard.js';
import type { Facts, Json } from '../jobs/outcome.js';
import { plain } from '../plain.js';
import { type GlobalOptions, openForReadingOnly, readConfig } from './open.js';
import { print, printJson } from './terminal.js';

type AskedRestore = ReturnType<typeof askedRestores>[number];

export async function explain(options: GlobalOptions, runId: string): Promise<number> {
  const parts = openForReadingOnly(readConfig(options));
  try {
    const found = parts.history.guardedRuns(runId);
    const only = options.database ?? [];
    const isMeant = ({ database }: { readonly database: string }): boolean =>
      only.length === 0 || only.includes(database);
    const runs = found.filter(isMeant);
    const restores = askedRestores(parts.config.stateDirectory, runId).filter(isMeant);
    if (runs.length === 0 && restores.length === 0) {
      throw new UsageError(
        `no guarded run and no restore belongs to ${runId}: \`debuggle-maintenance report\` names the last run, the log names all of them`,
      );
    }
    const broken = brokenLine(parts.config.stateDirectory);
    if (options.json === true)
      printJson({ run_id: runId, guarded_runs: runs, restores, audit_broken_at_line: broken ?? null });
    else {
      for (const run of runs) print(...linesOf(run));
      for (const restore of restores) print(...linesOfRestore(restore));
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

function linesOfRestore({ at, database, path, backup, outcome, why, quarantine }: AskedRestore): string[] {
  return [
    plain(`${database}: restore in place, asked for by the operator, ended ${at}`),
    plain(`  from ${backup} to ${path} -> ${outcome}`),
    plain(`    what became of it: ${why}`),
    ...(quarantine === null ? [] : [plain(`    the files from before: ${quarantine}`)]),
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
