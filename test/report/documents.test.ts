import { createHash } from 'node:crypto';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { jobErrorCodes } from '../../src/errors.js';
import { readableFacts } from '../../src/report/facts.js';
import { reportAsHtml } from '../../src/report/html.js';
import { reportAsJson } from '../../src/report/json.js';
import { reportAsMarkdown } from '../../src/report/markdown.js';
import { formatRunSummary } from '../../src/report/text.js';
import { adviceFor, problemsOf, verdictOf } from '../../src/report/verdict.js';
import { unclosed } from '../helpers/elements.js';
import { context, database, failedRun, hostile, hostileRun, job, noSpace, run } from './fixture.js';

test('the JSON holds the run as the contract names it, and what was around it', () => {
  const document: unknown = JSON.parse(reportAsJson(failedRun, context));
  expect(document).toEqual({
    ...failedRun,
    generated_at: '2026-11-23T02:01:01.000Z',
    version: '1.2.3',
    host: 'db1',
    next_runs: [{ schedule: 'daily', at: '2026-11-24T02:00:00.000Z' }],
  });
  expect(JSON.parse(reportAsJson(failedRun, { generatedAt: context.generatedAt }))).not.toHaveProperty('next_runs');
});

test.each([
  ['a success counts', run(), 'daily succeeded: 1 database, 1 job in 1 min'],
  [
    'one failure is named with its message',
    failedRun,
    'daily failed: backup of logs: cannot back up logs: 1.2 GB free in /backups, 3.0 GB needed',
  ],
  [
    'the worst comes first, the others are counted',
    run({
      outcome: 'damaged',
      databases: [
        database([noSpace], { outcome: 'failed' }),
        database([job({ job: 'integrity', outcome: 'damaged', summary: 'page 7' })], { name: 'b', outcome: 'damaged' }),
      ],
    }),
    'daily found damage: integrity of b: page 7 (and 1 more)',
  ],
  [
    'a job about the whole run',
    run({ outcome: 'failed', jobs: [job({ job: 'report', outcome: 'failed', summary: 'no space' })] }),
    'daily failed: report: no space',
  ],
])('the verdict in one line: %s', (_, report, verdict) => {
  expect(verdictOf(report)).toBe(verdict);
});

test('every kind of error has advice of whole sentences, unless its message always says what to do', () => {
  const silent = jobErrorCodes.filter((code) => !/^[A-Z].*[.]$/.test(adviceFor(code)));
  expect(silent).toEqual(['refused']);
});

test('facts are read by the unit in their name', () => {
  expect(readableFacts({ ...job().facts, walBytes: 0, ok: true, none: null, empty: [], list: [1, 2] })).toEqual([
    { label: 'size', text: '1.2 MB' },
    { label: 'restore', text: '350 ms' },
    { label: 'freelist', text: '12.5 %' },
    { label: 'tables: log_entries', text: '411' },
    { label: 'wal', text: '0 B' },
    { label: 'ok', text: 'yes' },
    { label: 'list', text: '1, 2' },
  ]);
  expect(readableFacts({ list: Array<number>(30).fill(1) })[0]?.text).toMatch(/1, 1 and 10 more$/);
});

test('facts in a list have a line each, and what the work says as the job does is said once', () => {
  const rebuilt = [
    { index: 'by_time', unusedBytesBefore: 3_200_000, unusedBytes: 37_000, lockedMs: 120 },
    { index: 'by_name', unusedBytesBefore: 1000, unusedBytes: 0, lockedMs: 40 },
  ];
  expect(readableFacts({ rebuilt, execution: { rebuilt, durationMs: 160 }, rehearsal: { durationMs: 180 } })).toEqual([
    { label: 'rebuilt', text: 'index by_time, unused before 3.2 MB, unused 37 kB, locked 120 ms' },
    { label: 'rebuilt', text: 'index by_name, unused before 1 kB, unused 0 B, locked 40 ms' },
    { label: 'execution: duration', text: '160 ms' },
    { label: 'rehearsal: duration', text: '180 ms' },
  ]);
});

test('Markdown: verdict, what to do, a table per database, facts', () => {
  const text = reportAsMarkdown(failedRun, context);
  const order = [
    '# daily failed: backup of logs',
    '## What needs attention',
    '- **backup of logs** failed: cannot back up logs: 1.2 GB free in /backups, 3.0 GB needed\n  Free some space',
    '### logs: failed\n\n/data/logs.db\n\n| Job | Outcome | Duration | Summary |',
    '| analyze | skipped | 4.2 s | the backup failed |',
    '- backup: size: 1.2 MB',
    '### other: succeeded',
    '## About this run',
    '- next daily: 2026-11-24T02:00:00.000Z',
  ].map((part) => text.indexOf(part));
  expect(order).not.toContain(-1);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(reportAsMarkdown(run(), context)).not.toContain('attention');
});

test('Markdown: nothing from outside is markup or a line of its own', () => {
  const text = reportAsMarkdown(hostileRun, context);
  const harmless =
    '\\<script\\>alert(1)\\</script\\>"\'\\&\\|\\`\\[x\\](http://evil)\\`\\\\n\\# owned\\\\u{202e}gol\\\\u{7}';
  expect(text.split(harmless).length).toBeGreaterThan(8);
  expect(text.replaceAll(harmless, '')).not.toMatch(/script|owned|evil/);
  expect(text).not.toMatch(/^# owned/m);
});

test('HTML: one page that needs nothing else, with one h1, in a language, tables with captions', () => {
  const html = reportAsHtml(failedRun, context);
  expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
  expect(html.match(/<h1/g)).toHaveLength(1);
  expect(html).toMatch(/<h1 class="bad">daily failed: backup of logs: cannot back up logs/);
  expect(html.match(/<table>\n<caption>/g)).toHaveLength(2);
  expect(html.match(/<table/g)).toHaveLength(2);
  expect(html).toContain('name="viewport"');
  expect(html).toContain('prefers-color-scheme: dark');
  expect(html).not.toMatch(/<script|<link|<img|\son\w+=|\sstyle=|url\(|@import|https?:/);
  expect(html).toContain('Free some space or give the disk more');
});

test('HTML: the policy allows the style of the page and nothing else', () => {
  const html = reportAsHtml(run(), context);
  const style = /<style>([^]*)<\/style>/.exec(html)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  expect(html).toContain(
    `content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'"`,
  );
});

test('HTML: nothing from outside is markup, and every element is closed', () => {
  const html = reportAsHtml(hostileRun, context);
  const harmless =
    '&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;|`[x](http://evil)`\\n# owned\\u{202e}gol\\u{7}';
  expect(html.split(harmless).length).toBeGreaterThan(9);
  expect(html.replaceAll(harmless, '')).not.toMatch(/script|owned|evil|[\u202e\u0007]/);
  expect(unclosed(html)).toEqual([]);
  expect(unclosed(reportAsHtml(failedRun, context))).toEqual([]);
});

test('a terminal gets a few lines, and nothing that could turn it', () => {
  const text = formatRunSummary(failedRun);
  expect(text.split('\n').map((line) => line.trimEnd())).toEqual([
    'daily failed: backup of logs: cannot back up logs: 1.2 GB free in /backups, 3.0 GB needed',
    '  logs',
    '    backup     failed           4.2 s  cannot back up logs: 1.2 GB free in /backups, 3.0 GB needed',
    '    analyze    skipped          4.2 s  the backup failed',
    '  other',
    '    backup     succeeded        4.2 s  logs-20261123T020000Z-daily.db, 1.2 MB',
    '  backup of logs: Free some space or give the disk more; backups made before are untouched.',
    '',
  ]);
  const colored = formatRunSummary(failedRun, { color: true });
  expect(colored).toContain('\u001b[31m');
  expect(stripVTControlCharacters(colored)).toBe(text);
  expect(formatRunSummary(hostileRun)).toMatch(/^[\n\u0020-\u007e]*$/);
  expect(formatRunSummary(hostileRun)).not.toContain(hostile);
});

test('a run over many databases shows those with problems and counts the others', () => {
  const sound = Array.from({ length: 30 }, (_, n) => database([job()], { name: `db${n}` }));
  const text = formatRunSummary({ ...failedRun, databases: [...failedRun.databases.slice(0, 1), ...sound] });
  expect(text).toContain('  logs\n');
  expect(text).not.toContain('db7');
  expect(text).toContain('30 databases without problems');
});

test('what was interrupted or repaired is told; what was skipped is not', () => {
  const report = run({
    databases: [
      database([
        job({ outcome: 'skipped' }),
        job({ job: 'reindex', outcome: 'repaired' }),
        job({ job: 'verify', outcome: 'interrupted' }),
      ]),
    ],
  });
  expect(problemsOf(report).map((problem) => problem.job)).toEqual(['verify', 'reindex']);
});
