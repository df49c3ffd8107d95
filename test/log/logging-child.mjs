// A process that logs to its stdout, `<mode> [log file]`; what it finds goes to stderr.
import { createLog } from '../../dist/log/log.js';

const [mode, file = null] = process.argv.slice(2);
const log = createLog({ level: 'info', file, stdout: 'stdout', journald: mode === 'journal' });

switch (mode) {
  case 'journal':
    for (const level of ['debug', 'info', 'warn', 'error']) log[level]({}, level);
    break;
  case 'killed':
    log.info({}, 'last words');
    process.kill(process.pid, 'SIGKILL');
    break;
  case 'until-broken':
    while (log.failures().stdout === undefined) log.info({ text: 'x'.repeat(1000) }, 'still here');
    console.error(JSON.stringify(log.failures()));
    break;
  case 'unread':
    process.once('SIGTERM', () => process.exit(0));
    setInterval(() => undefined, 60_000);
    while (log.failures().stdout === undefined) log.info({ text: 'x'.repeat(1000) }, 'still here');
    log.info({}, 'goes on');
    break;
  default:
    throw new Error(`no such mode: ${mode}`);
}
