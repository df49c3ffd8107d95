/** Which configuration file is meant. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigError } from '../errors.js';

const systemWide = '/etc/debuggle-maintenance/config.yaml';

/**
 * The named file, whether it exists or not; else `config.yaml` in `cwd`, else the system's.
 *
 * @throws ConfigError when none was named and neither exists
 */
export function findConfig(explicit: string | undefined, cwd: string, system = systemWide): string {
  if (explicit !== undefined) return resolve(cwd, explicit);
  const local = join(cwd, 'config.yaml');
  const found = [local, system].find((file) => existsSync(file));
  if (found !== undefined) return found;
  const message = `there is no configuration: neither this file nor ${system} exists; copy config.example.yaml to one of them, or name another with --config`;
  throw new ConfigError([{ file: local, line: 1, column: 1, path: '', message }]);
}
