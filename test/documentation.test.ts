/** The documentation says what the program does: what can be compared is compared. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createDebuggleDatabase } from '../scripts/debuggle-database.mjs';
import { jobErrorCodes } from '../src/errors.js';
import { healthOptions } from '../src/jobs/options.js';
import { load } from './config/config-file.js';
import { writeConfig } from './helpers/configuration.js';
import { runProgram } from './helpers/program.js';
import { workspace } from './helpers/workspace.js';

const root = path.join(import.meta.dirname, '..');
const read = (file: string): string => fs.readFileSync(path.join(root, file), 'utf8');
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...inDirectory('docs', '.md')];

function inDirectory(directory: string, extension: string): string[] {
  const names = fs.readdirSync(path.join(root, directory), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(extension)).map((name) => path.join(directory, name));
}

/** What stands between fences, of one language or of none. */
function blocks(text: string, language = ''): string[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].flatMap(([, of, body = '']) => (of === language ? [body] : []));
}

/** The cells of every row of every table whose first heading is this. */
function rowsOf(text: string, firstHeading: string): string[][] {
  return text
    .split(/\n\n/)
    .filter((paragraph) => new RegExp(`^[|] ${firstHeading} +[|]`).test(paragraph))
    .flatMap((table) => table.trim().split('\n').slice(2))
    .map((row) => row.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .map(([, ...cells]) => cells);
}

const codeIn = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

describe('what is generated', () => {
  test('the reference of every key is what the schema says: after a change, npm run build', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/config-reference.mjs', '--check'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe('every page', () => {
  test.each(pages)('%s links to what is there', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = '']) => target);
    const missing = links.filter((target) => !fs.existsSync(path.join(root, path.dirname(page), target)));
    expect(missing).toEqual([]);
  });

  test.each(pages)('%s names scripts of package.json only', (page) => {
    const { scripts } = parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(page).matchAll(/npm run (?:--silent )?([-a-z:]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test('every configuration shown is valid, alone or as a part of one', () => {
    const whole = {
      databases: { logs: { path: './logs.db', backup_directory: './backups' } },
      schedules: { daily: { cron: '0 2 * * *', jobs: ['backup'] } },
    };
    const shown = pages.flatMap((page) => blocks(read(page), 'yaml'));
    expect(shown.length).toBeGreaterThan(1);
    const { directory } = workspace();
    for (const text of shown) {
      // What it takes from elsewhere is there.
      for (const [, name = ''] of text.matchAll(/\{ credential: ([\w-]+) \}/g))
        fs.writeFileSync(path.join(directory, name), 'https://example.com/x');
      const variables: Record<string, string> = { CREDENTIALS_DIRECTORY: directory };
      for (const [, name = ''] of text.matchAll(/\$\{(\w+)\}/g)) variables[name] = 'https://example.com/x';
      expect(() => load(stringify({ ...whole, ...parse(text) }), variables), text).not.toThrow();
    }
  });
});

describe('the command line', () => {
  async function known(): Promise<{ commands: string[]; options: string[] }> {
    const { stdout } = await runProgram(['--help']);
    const commands = [...(stdout.split('\nCommands:')[1] ?? '').matchAll(/^ {2}([a-z-]+)/gm)].map(
      ([, name = '']) => name,
    );
    const helps = await Promise.all(['restore', 'next'].map((command) => runProgram([command, '--help'])));
    const all = [stdout, ...helps.map((help) => help.stdout)].join('\n');
    return {
      commands,
      options: [...new Set([...all.matchAll(/(?<=[ ,])(--?[a-zA-Z][a-z-]*)/g)].map(([, name = '']) => name))],
    };
  }

  test('every command and option has its place on the page', async () => {
    const { commands, options } = await known();
    expect(commands).toContain('restore');
    expect(options).toContain('--dry-run');
    const page = read('docs/command-line.md');
    expect(commands.filter((name) => !page.includes(`\`${name}`))).toEqual([]);
    expect(options.filter((name) => !new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(page))).toEqual([]);
  });

  test('every call shown has commands and options that exist', async () => {
    const { commands, options } = await known();
    const call = /^(?:[#$] )?(?:debuggle-maintenance|node dist\/daemon\.js) ([^|>…]+)/gm;
    const calls = pages
      .map(read)
      .flatMap((text) => [...blocks(text), ...codeIn(text.replace(/^```.*?^```$/gms, ''))])
      .flatMap((shown) => [...shown.matchAll(call)].flatMap(([, words = '']) => words.split('\n', 1)))
      .map((words) => words.trim().split(/\s+/));
    const unknown = calls.flatMap((words) => {
      const flags = words.filter((word) => word.startsWith('-') && !options.includes(word));
      const [first = ''] = words;
      return /^[a-z][a-z-]*$/.test(first) && !commands.includes(first) ? [...flags, first] : flags;
    });
    expect(calls.length).toBeGreaterThan(20);
    expect(unknown).toEqual([]);
  });
});

describe('what an operator looks up', () => {
  test('every error code is explained', () => {
    const explained = rowsOf(read('docs/troubleshooting.md'), 'code').map(([code]) => codeIn(code)[0]);
    expect(explained).toEqual([...jobErrorCodes]);
  });

  test('every limit of health is on its page, with its default', () => {
    const rows = new Map(
      rowsOf(read('docs/health.md'), 'verdict').map(([, , option, preset]) => [codeIn(option)[0], preset]),
    );
    const defaults = healthOptions.parse({});
    expect(rows.get('max_freelist_ratio')).toBe(String(defaults.max_freelist_ratio));
    expect(rows.get('max_query_time')).toBe(`${defaults.max_query_time / 1000} s`);
    expect(rows.get('max_backup_age')).toBe(`${defaults.max_backup_age / 3_600_000} h`);
    for (const key of ['max_size', 'max_wal', 'max_growth_per_day', 'min_free_disk'] as const)
      expect(rows.get(key), key).toBe(`${defaults[key] / 1e9} GB`);
    const page = read('docs/health.md');
    expect(Object.keys(healthOptions.shape).filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
  });

  test('every message to alert on is one that the program logs', () => {
    const source = inDirectory('src', '.ts').map(read).join('\n');
    const messages = rowsOf(read('docs/logs-and-reports.md'), 'message').map(([message]) => codeIn(message)[0] ?? '');
    expect(messages.length).toBeGreaterThan(8);
    expect(messages.filter((message) => !source.includes(`'${message}'`))).toEqual([]);
  });

  test('every field of a manifest is explained, and no other', async () => {
    const installation = writeConfig(workspace());
    createDebuggleDatabase(installation.database, { rows: 20 });
    const { code } = await runProgram(['--config', installation.file, '--run-now', 'daily']);
    expect(code).toBe(0);
    const [manifest = ''] = fs.readdirSync(installation.backupDirectory).filter((name) => name.endsWith('.json'));
    const fields = Object.keys(
      JSON.parse(fs.readFileSync(path.join(installation.backupDirectory, manifest), 'utf8')) as object,
    );
    const explained = rowsOf(read('docs/backups.md'), 'field').flatMap(([field]) => codeIn(field));
    expect(explained.sort()).toEqual([...fields, 'anomaly', 'delta'].sort());
  });
});
