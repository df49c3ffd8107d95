/**
 * A thread inside each child that asks every 20 ms whether the child's parent still lives, and SIGKILLs the child when not. The main
 * thread may sit in an SQLite call for minutes and hear nothing (4.4 s seen until `disconnect` came through); nobody works on a
 * database without supervision. The first look comes before the child takes any request: a parent can die while its child starts.
 */
import { parentPort, workerData } from 'node:worker_threads';

const parent: unknown = workerData;
function look(): void {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}

look();
parentPort?.postMessage('watching');
setInterval(look, 20);
