/**
 * An application whose rows always add up: moves amounts between accounts, several rows a commit, as fast as it can, until it is told to
 * stop or its parent is gone. argv: path. Says 'moving' after its first commit.
 */
import Database from 'better-sqlite3';

const database = new Database(process.argv[2], { fileMustExist: true, timeout: 10_000 });
const accounts = Number(database.prepare('SELECT count(*) FROM account').pluck().get());
const move = database.prepare('UPDATE account SET amount = amount + ?, note = ? WHERE id = ?');
const transfer = database.transaction((/** @type {number} */ round) => {
  for (let pair = 0; pair < 20; pair += 1) {
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
  setImmediate(next, round + 1);
}
next(0);
