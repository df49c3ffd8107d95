/**
 * Opens a monitor on a database, has its end cut off by another process, and restores it. argv: the database, the backup, and the bytes
 * that are left. Prints `restored`, another answer, or the error's code.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

const [, , live = '', source = '', bytes = '0'] = process.argv;
/** @param {string} module */
const compiled = (module) => import(new URL(`../../../dist/${module}`, import.meta.url).href);
const { openMonitor } = await compiled('sqlite/monitor.js');
const { restoreLive } = await compiled('sqlite/operations/restore-live.js');

const { dev, ino } = fs.statSync(live);
const identity = { device: dev, inode: ino };
const { dataVersion } = openMonitor({ path: live, identity, access: 'write' });
// Without the fault that this process may be to meet.
execFileSync(process.execPath, ['-e', `fs.truncateSync(process.argv[1], ${bytes})`, live], { env: {} });
const unless = { dataVersion, firstPage: true };
const request = { source, path: live, identity, journal: 'rollback', unless, patienceMs: 300 };
/** @type {unknown} */
const answer = await restoreLive(request, () => undefined).catch(
  (/** @type {{ code: unknown }} */ error) => error.code,
);
console.log(typeof answer === 'string' ? answer : 'restored');
process.exit();
