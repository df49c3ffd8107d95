/**
 * Opens a live database as its application would after a crash: a hot journal is rolled back, a log whose index is gone is read anew.
 * Writes nothing of its own. Killed in the middle, the next to open it does the same.
 */
import { type Identity, openForWriting } from '../open.js';

/** @throws JobError as opening does: also `damaged` or `not-a-database`, which the check afterwards is there to judge */
export function settle({ path, identity }: { path: string; identity: Identity }): void {
  openForWriting(path, identity).close();
}
