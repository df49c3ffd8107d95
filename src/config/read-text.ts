/** Reads the small text files a configuration is made of. Never waits: a FIFO or a device is refused before it is opened. */
import { readFileSync, statSync } from 'node:fs';
import { errorCodeOf } from '../errors.js';
import { formatBytes } from '../units.js';

const maxBytes = 1024 ** 2;

/** @throws Error whose message goes on after the name of the file: "does not exist". */
export function readText(path: string): string {
  let bytes: Buffer;
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) throw new Error('is a directory, not a file');
    if (!stat.isFile()) throw new Error('is not a regular file');
    if (stat.size > maxBytes) throw new Error(`is too large: ${formatBytes(stat.size)}, at most 1 MiB is read`);
    bytes = readFileSync(path);
  } catch (error) {
    throw explained(error);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Error('is not UTF-8 text: save it as UTF-8', { cause });
  }
}

function explained(error: unknown): unknown {
  switch (errorCodeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new Error('does not exist', { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new Error(`may not be read by user ${process.geteuid?.() ?? ''}: check its owner and mode`, {
        cause: error,
      });
    default:
      return error;
  }
}
