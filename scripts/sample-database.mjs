/** Makes a sample of Debuggle's database for `npm start`, unless one is there: the daemon itself never creates a database. */
import fs from 'node:fs';
import path from 'node:path';
import { createDebuggleDatabase } from './debuggle-database.mjs';

const file = path.join(import.meta.dirname, '..', 'var', 'data', 'logs.db');
const shown = path.relative(process.cwd(), file);

if (fs.existsSync(file)) {
  console.log(`Sample database: ${shown} is there already; left as it is.`);
} else {
  const directory = path.dirname(file);
  fs.mkdirSync(directory, { recursive: true });
  fs.chmodSync(directory, 0o750);
  // Made beside its final name: an interrupted run leaves no half a database that the next one would take for a whole.
  const unfinished = path.join(directory, `.logs-${process.pid}.db`);
  try {
    const { rows, sizeBytes } = createDebuggleDatabase(unfinished, {
      rows: 2000,
      journalMode: 'wal',
      until: new Date(),
    });
    fs.chmodSync(unfinished, 0o640);
    fs.renameSync(unfinished, file);
    console.log(
      `Sample database: made ${shown}, ${rows} rows over the last 30 days, ${(sizeBytes / 1e6).toFixed(1)} MB.`,
    );
  } finally {
    fs.rmSync(unfinished, { force: true });
  }
}
