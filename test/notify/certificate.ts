/** A certificate that nobody trusts. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import type { TestContext } from 'vitest';
import { workspace } from '../helpers/workspace.js';

export function selfSigned(context: TestContext): { readonly key: string; readonly cert: string } {
  const { path } = workspace();
  const [key, cert] = [path('key.pem'), path('cert.pem')];
  const options = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const made = spawnSync('openssl', ['req', ...options, '-subj', '/CN=localhost', '-keyout', key, '-out', cert]);
  if (made.error !== undefined) context.skip(`needs openssl: ${made.error.message}`);
  return { key: fs.readFileSync(key, 'utf8'), cert: fs.readFileSync(cert, 'utf8') };
}
