/** Whether the native part of better-sqlite3 loads on this Node.js. */
import Database from 'better-sqlite3';

/** @returns what to run when it does not */
export function loadAddon(): string | undefined {
  try {
    new Database(':memory:').close();
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return `better-sqlite3 does not load on this Node.js (${process.version}): run \`npm rebuild better-sqlite3\` where the program is installed (${reason})`;
  }
}
