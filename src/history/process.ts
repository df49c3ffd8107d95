/** Whether the process that began something is still there. A pid comes back after a while; a pid with its start time does not. */
import { readFileSync } from 'node:fs';
import { errorCodeOf } from '../errors.js';

/** When a process started, in clock ticks since boot (field 22 of /proc/<pid>/stat); null when it has ended or there is no /proc. */
export function processStart(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may itself contain spaces and parentheses.
    const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? null : Number(fields[18]);
  } catch {
    return null;
  }
}

/** Whether the process with this pid that started then still lives. Where its start is not known the pid alone must do. */
export function isAlive(pid: number, startedAt: number | null): boolean {
  if (startedAt !== null) return processStart(pid) === startedAt;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCodeOf(error) === 'EPERM';
  }
}
