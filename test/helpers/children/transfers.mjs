/**
 * An application whose rows always add up: moves amounts between accounts, several rows a commit, until it is told to stop or its parent is
 * gone. argv: path, how many pairs a commit (20), milliseconds between commits (0: as fast as it can). Says 'moving' after its first.
 */
import Database from 'better-sqlite3';

const [, , path, pairs = '20', pauseMs = '0'] = process.argv;
const database = new Database(path, { fileMustExist: true, timeout: 10_000 });
const accounts = Number(database.prepare('SELECT count(*) FROM account').pluck().get());
const move = database.prepare('UPDATE account SET amount = amount + ?, note = ? WHERE id = ?');
const transfer = database.transaction((/** @type {number} */ round) => {
  for (let pair = 0; pair < Number(pairs); pair += 1) {
    const from = 1 + ((round * 31 + pair * 7919) % accounts);
    const to = 1 + ((round * 17 + pair * 104_729) % accounts);
    move.run(-pair, `round ${String(round).padStart(9, '0')}`.padEnd(300, '.'), from);
    move.run(pair, `round ${String(round).padStart(9, '0')}`.padEnd(300, '.'), to);
  }
});

let stopped = false;
process.on('message', () => {
  stopped = true;
});
process.on('disconnect', () => process.exit());

function next(/** @type {number} */ round) {
  if (stopped) {
    database.close();
    process.disconnect();
    return;
  }
  transfer(round);
  if (round === 0) process.send?.('moving');
  if (pauseMs === '0') setImmediate(next, round + 1);
  else setTimeout(next, Number(pauseMs), round + 1);
}
next(0);
