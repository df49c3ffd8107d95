// A process that has problems to tell: `<state directory> <url> <open problems…>`. Says `told` when the spool has them, and lives on.
import { History } from '../../dist/history/history.js';
import { Outbox } from '../../dist/history/outbox.js';
import { Notifier } from '../../dist/notify/notifier.js';

const [directory, url, ...keys] = process.argv.slice(2);
const log = { debug() {}, info() {}, warn() {}, error() {} };
const history = History.open(directory, { now: () => new Date(), log });
const channel = { name: 'it', only: null, minSeverity: 'warning', databases: null, timeoutMs: 60_000 };
const receiver = { kind: 'webhook', options: { url, headers: {} } };
const notifier = new Notifier({
  config: { remindAfterMs: 86_400_000, channels: [{ ...channel, receiver }] },
  outbox: new Outbox(history.outboxFile, () => undefined),
  log,
  host: 'db1',
});
const problems = keys.map((key) => ({
  ...{ key, kind: 'failure', severity: 'critical', database: null, schedule: null },
  ...{ title: key, message: 'm', advice: '', since: new Date() },
}));
notifier.observe({ at: new Date(), host: 'db1', history: null, problems, running: [], databases: [] });
console.log('told');
setInterval(() => undefined, 1000);
