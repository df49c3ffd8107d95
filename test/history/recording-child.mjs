// A process that records runs: `<state directory> <name> <number of runs | until-full>`; prints the number of each that is safe.
import { execFileSync } from 'node:child_process';
import { History } from '../../dist/history/history.js';

const [directory, name, count] = process.argv.slice(2);
const log = { debug() {}, info() {}, warn() {}, error() {} };
const history = History.open(directory, { now: () => new Date(), log });

function record(run) {
  const now = new Date();
  const common = { run_id: `${name}-${run}`, schedule: 'daily', trigger: 'run-now' };
  history.beginRun({ ...common, slot: null, startedAt: now, pid: process.pid, databases: [] });
  return history.finishRun({
    ...common,
    slot: null,
    started_at: now.toISOString(),
    finished_at: now.toISOString(),
    outcome: 'succeeded',
    databases: [],
    jobs: [
      {
        job: 'report',
        outcome: 'succeeded',
        started_at: now.toISOString(),
        duration_ms: 1,
        summary: 'x'.repeat(2000),
        facts: {},
      },
    ],
  });
}

if (count === 'until-full') {
  let run = 1;
  let recorded = record(run);
  while (recorded.ok && run < 1000) recorded = record((run += 1));
  console.log(`refused: ${recorded.ok ? 'never' : recorded.error.code}`);
  console.log(`degraded: ${history.degraded}`);
  execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited:unlimited']);
  const again = record(run + 1);
  const all = history.recentRuns(2000).filter(({ outcome }) => outcome === 'succeeded').length === run + 1;
  console.log(again.ok && history.degraded === undefined && all ? 'recovered' : 'not recovered');
} else {
  for (let run = 1; run <= Number(count); run += 1) if (record(run).ok) process.stdout.write(`${run}\n`);
}
