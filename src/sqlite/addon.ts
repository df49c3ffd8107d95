/** Whether the native part of better-sqlite3 loads on this Node.js, and will not end the process later. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import Database from 'better-sqlite3';

/** @returns what is wrong, and what to run */
export function loadAddon(): string | undefined {
  const advice = 'run `npm run rebuild-addon` where the program is installed';
  try {
    new Database(':memory:').close();
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return `better-sqlite3 does not load on this Node.js (${process.version}): ${advice} (${reason})`;
  }
  return abortsLater(process.versions.node, addonPath())
    ? `better-sqlite3 was built with a defect of Node.js 24.19 to 24.21, and would end the program at any moment: ${advice}`
    : undefined;
}

/**
 * Built with the headers of Node.js 24.19 or a later 24.x, the addon aborts the process when one of its objects is collected while no
 * JavaScript runs: https://github.com/nodejs/node/issues/65446. It gives itself away by a function that it uses for nothing else.
 */
export function abortsLater(nodeVersion: string, addon: string): boolean {
  return (
    nodeVersion.startsWith('24.') && existsSync(addon) && readFileSync(addon).includes('RemoveEnvironmentCleanupHook')
  );
}

function addonPath(): string {
  const library = path.dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json'));
  return path.join(library, 'build', 'Release', 'better_sqlite3.node');
}
