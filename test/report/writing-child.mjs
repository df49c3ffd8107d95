// A process that writes one report into `<directory>`.
import { writeReport } from '../../dist/report/write.js';

const time = '2026-11-23T02:00:00.000Z';
await writeReport(
  process.argv[2],
  {
    run_id: 'r1',
    schedule: 'daily',
    trigger: 'schedule',
    slot: time,
    started_at: time,
    finished_at: time,
    outcome: 'succeeded',
    databases: [],
    jobs: [],
  },
  { generatedAt: new Date(time) },
);
