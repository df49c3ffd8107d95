/** Configuration files written for a test, in a directory of its own. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import { ConfigError, type ConfigMistake } from '../../src/errors.js';

export const now = new Date('2026-11-23T12:00:00Z');

/** What every configuration needs; further lines may follow. Its first four lines are `databases`, its last three `schedules`. */
export const minimal = `databases:
  logs:
    path: ./logs.db
    backup_directory: ./backups
schedules:
  daily: { cron: "0 2 * * *", jobs: [backup] }
`;

export function directory(): string {
  const created = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'config-test-')));
  onTestFinished(() => fs.rmSync(created, { recursive: true, force: true }));
  return created;
}

export function load(text: string, variables: NodeJS.ProcessEnv = {}, inDirectory = directory()): Config {
  const file = path.join(inDirectory, 'config.yaml');
  fs.writeFileSync(file, text);
  return loadConfig(file, { variables }, now);
}

/** Every mistake as `line:column path: message`. */
export function mistakesIn(text: string, variables: NodeJS.ProcessEnv = {}, inDirectory = directory()): string[] {
  return said(mistakesOf(() => load(text, variables, inDirectory)));
}

export function mistakesOf(act: () => unknown): readonly ConfigMistake[] {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

export function said(mistakes: readonly ConfigMistake[]): string[] {
  return mistakes.map(({ line, column, path: where, message }) => `${line}:${column} ${where}: ${message}`);
}
