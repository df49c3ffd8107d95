/** Pins: an empty file beside a backup keeps it from retention. A file, not a row, so that it survives the loss of the state directory. */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCodeOf, toFileError } from '../errors.js';
import { sync, writeNew } from './durable.js';
import { pinPath } from './names.js';

export function setPin({ directory, stem, pinned }: { directory: string; stem: string; pinned: boolean }): void {
  const path = pinPath(directory, stem);
  try {
    if (pinned) writeNew(path, '');
    else rmSync(path, { force: true });
    sync(dirname(path));
  } catch (error) {
    if (pinned && errorCodeOf(error) === 'EEXIST') return;
    throw toFileError(error, `cannot ${pinned ? 'pin' : 'release'} ${stem}`);
  }
}
