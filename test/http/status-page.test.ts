import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { anchorOf } from '../../src/http/status-page/anchor.js';
import { linkTo } from '../../src/http/status-page/links.js';
import { wholeVerdict } from '../../src/http/status-page/verdict.js';
import { contentSecurityPolicy, statusPage, statusPageChoice } from '../../src/http/status-page.js';
import { unclosed } from '../helpers/elements.js';
import {
  ago,
  database,
  healthy,
  hostile,
  hostileNames,
  many,
  overview,
  problem,
  schedule,
  troubled,
} from './overview-fixture.js';

const empty = overview({ databases: [], schedules: [], startedAt: null });
/** Nothing is known yet: a database that was never measured nor backed up, a schedule that never ran. */
const fresh = overview({
  databases: [
    database('new', {
      measured: null,
      sizeBytes: null,
      backups: [],
      lastProvenRestore: null,
      operations: [{ operation: 'backup', scheduled: true, last: null, lastSuccessAt: null, failing: false }],
      intact: null,
      samples: [],
      lastWriterStallMs: null,
      secondsUntilFull: null,
    }),
  ],
  schedules: [schedule('daily', { recentRuns: [], nextRunAt: null })],
});

describe('any page', () => {
  test.each([
    ['healthy', statusPage(healthy)],
    ['troubled', statusPage(troubled)],
    ['hostile', statusPage(hostile)],
    ['of fifty', statusPage(many(50))],
    ['of none', statusPage(empty)],
    ['of nothing known yet', statusPage(fresh)],
    ['of one database', statusPage(troubled, { database: 'orders' })],
    ['of a database that is not there', statusPage(troubled, { database: '<nobody>' })],
  ])('%s: is whole, needs nothing else, and has one h1 and its landmarks', (_, page) => {
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(unclosed(page)).toEqual([]);
    expect(page).not.toMatch(/<script|<link|<img|<iframe|<form|\son\w+="|\sstyle="|url\(|@import|https?:|javascript:/);
    expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/);
    for (const landmark of ['<h1', '<header>', '<main', '<nav', '<footer>', 'class="skip" href="#main"'])
      expect(page.split(landmark), landmark).toHaveLength(2);
    expect(page.match(/<table>/g)?.length ?? 0).toBe(page.match(/<table>\n<caption>/g)?.length ?? 0);
  });

  test.each([
    ['healthy', statusPage(healthy)],
    ['troubled', statusPage(troubled)],
    ['of fifty', statusPage(many(50))],
    ['hostile', statusPage(hostile)],
    ['of one', statusPage(troubled, { database: 'orders' })],
  ])('%s: every id is there once, and every link within the page and every label leads to one', (_, page) => {
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id = '']) => id);
    expect(ids.filter((id, n) => ids.indexOf(id) !== n)).toEqual([]);
    expect(ids.filter((id) => !/^[\w.-]+$/.test(id))).toEqual([]);
    const wanted = [...page.matchAll(/\s(?:href="#|for="|aria-labelledby=")([^"]*)"/g)].flatMap(([, all = '']) =>
      all.split(' '),
    );
    expect(wanted.filter((id) => !ids.includes(id))).toEqual([]);
  });

  test.each([
    ['healthy', statusPage(healthy)],
    ['troubled', statusPage(troubled)],
    ['of fifty', statusPage(many(50))],
    ['of one', statusPage(troubled, { database: 'orders' })],
  ])('%s: no heading leaves out a level', (_, page) => {
    const levels = [...page.matchAll(/<h([1-6])/g)].map(([, level]) => Number(level));
    expect(levels.filter((level, n) => level > (levels[n - 1] ?? 0) + 1)).toEqual([]);
  });

  test('the policy allows the style of the page and nothing else', () => {
    const page = statusPage(healthy);
    const style = /<style>([^]*)<\/style>/.exec(page)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(contentSecurityPolicy).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
    );
    expect(page).toContain(`content="${contentSecurityPolicy}"`);
  });
});

describe('the whole in one line:', () => {
  const degraded = database('a', { status: 'degraded' });
  test.each([
    ['one problem is named', overview({ problems: [problem()] }), 'warn', 'The backup of logs failed'],
    [
      'several are counted, the worst named',
      troubled,
      'bad',
      '1 critical problem and 2 warnings. First: orders is damaged and waits for a decision',
    ],
    [
      'nothing can be recorded',
      overview({ history: 'disk full' }),
      'bad',
      'What happens cannot be recorded: disk full',
    ],
    ['no database', empty, 'warn', 'No database is configured, or none was found'],
    ['some not healthy', overview({ databases: [degraded, database('b')] }), 'warn', 'a is degraded'],
    ['one unhealthy', overview({ databases: [database('b', { status: 'unhealthy' })] }), 'bad', 'b is unhealthy'],
    [
      'a late schedule',
      overview({ schedules: [schedule('daily', { secondsOverdue: 60 })] }),
      'warn',
      'The schedule daily is overdue',
    ],
    [
      'only a warning, of a damaged database',
      overview({ problems: [problem()], databases: [database('a', { intact: false })] }),
      'bad',
      'The backup of logs failed',
    ],
    [
      'all healthy',
      healthy,
      'good',
      'Both databases are healthy; the oldest of their last good backups is from 7 h ago',
    ],
    ['one without backup', fresh, 'warn', 'The database is healthy; it has no good backup yet'],
  ])('%s', (_, given, tone, sentence) => {
    expect(wholeVerdict(given)).toEqual({ tone, sentence });
  });

  test('a damaged database is never told to be healthy, whatever its verdict and the list of problems say', () => {
    const damaged = overview({ databases: [database('a', { intact: false }), database('b')] });
    expect(wholeVerdict(damaged)).toEqual({ tone: 'bad', sentence: 'a is damaged' });
  });
});

test('a database is not called healthy while a job of it fails, whatever was measured before', () => {
  const failing = database('b').operations.map((one) => ({ ...one, failing: one.operation === 'backup' }));
  const shown = statusPage(overview({ databases: [database('a'), database('b', { operations: failing })] }));
  expect(shown).toContain('</svg>backup fails</span>');
  expect(shown.match(/<\/svg>healthy</g)).toHaveLength(1);
  expect(shown.indexOf('id="db-b"')).toBeLessThan(shown.indexOf('id="db-a"'));
});

test('backups that cannot be listed are not told to be none', () => {
  const unlisted = { backups: [], lastGoodBackup: null, backupsError: 'its disk is not mounted' };
  const shown = statusPage(overview({ databases: [database('a'), database('b', unlisted)] }));
  expect(shown).toContain('not known');
  expect(shown).not.toMatch(/>(none|never|No backups\.)</);
  const pending = database('b', { ...unlisted, areBackupsPending: true });
  expect(statusPage(overview({ databases: [pending] }))).not.toContain('cannot be listed');
});

describe('what it shows', () => {
  const page = statusPage(troubled);

  test('problems with what to do and since when, and where to look', () => {
    expect(page).toContain('Three pages of table order_lines cannot be read.');
    expect(page).toContain('<strong>What to do:</strong> See <code>debuggle-maintenance explain 01JDKZ8C</code>');
    expect(page).toContain('<a href="#db-orders"><bdi>orders</bdi></a>');
    expect(page).toContain(
      '<time datetime="2026-11-26T00:07Z">9 h ago <span class="exact">2026-11-26 00:07 UTC</span></time>',
    );
  });

  test('what runs with its progress, and schedules that are late or never ran', () => {
    expect(page).toContain('<label for="progress-0">integrity of <bdi>sessions</bdi></label>');
    expect(page).toContain('<progress id="progress-0" max="100" value="62">62 %</progress> 62 %');
    expect(page).toContain('overdue by 7 h');
    expect(page).toContain('never ran');
    expect(page).toContain('30 runs: 28 succeeded, 1 interrupted, 1 failed');
  });

  test('the worst database first, and of each backup how it was proven and why it is kept', () => {
    expect(page.indexOf('id="db-orders"')).toBeLessThan(page.indexOf('id="db-logs"'));
    expect(page.indexOf('id="db-logs"')).toBeLessThan(page.indexOf('id="db-sessions"'));
    expect(page).toContain('9 backups, <span class="bad">1 not sound</span>');
    expect(page).toContain('38 % fewer rows than the one before');
    expect(page).toContain('would go, but retention waits');
    expect(page).toContain('integrity_check; restored 30 h ago');
    expect(page).toContain('one of the last 7, younger than 30 days');
  });

  test('nothing is promised where nothing is known', () => {
    const unknown = statusPage(fresh);
    expect(unknown).toContain('nobody has looked');
    expect(unknown).toContain('No measurements of its size yet');
    expect(unknown).toContain('none planned');
    expect(unknown).not.toMatch(/none found|not in sight/);
  });

  test('the version, the host, since when it runs, and when the page was made', () => {
    const foot = page.slice(page.indexOf('<footer>'));
    expect(foot).toContain('debuggle-maintenance 0.1.0 on <bdi>db1.example.org</bdi>');
    expect(foot).toContain('2026-11-14 06:07 UTC');
    expect(foot).toContain('Page made <time datetime="2026-11-26T09:07Z">2026-11-26 09:07 UTC</time>');
  });
});

describe('names of somebody else', () => {
  test('are never markup, and hide nothing', () => {
    for (const page of [statusPage(hostile), ...hostileNames.map((name) => statusPage(hostile, { database: name }))]) {
      const known = page
        .replaceAll('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;', '')
        .replaceAll('&quot;&gt;&lt;img src=x onerror=alert(1)&gt;', '');
      expect(known).not.toMatch(/<(?:script|img)|=alert|[\u202a-\u202e\u0000]/);
    }
    expect(statusPage(hostile)).toContain('line\\nbreak tab\\u{0}');
  });

  test('each have an id of their own that is safe, and a link that leads back to them', () => {
    const names = [
      ...hostileNames,
      '',
      '_',
      'a_005f',
      'a_',
      'x'.repeat(300),
      `${'x'.repeat(299)}y`,
      'A',
      'a',
      '\ud800',
    ];
    const anchors = names.map(anchorOf);
    expect(new Set(anchors).size).toBe(names.length);
    for (const anchor of anchors) expect(anchor).toMatch(/^(?:long-)?db-[\w.-]{0,64}$/);
    for (const name of hostileNames) {
      const { searchParams } = new URL(linkTo({ database: name }), 'http://127.0.0.1/');
      expect(statusPageChoice(searchParams)).toEqual({ database: name });
      expect(statusPage(hostile, { database: name })).toContain(`id="${anchorOf(name)}"`);
    }
  });
});

describe('many databases', () => {
  test('fifty with thirty backups each stay below four hundred kilobytes, each with its part and a table of all before', () => {
    const page = statusPage(many(50));
    expect(page.length).toBeLessThan(400_000);
    expect(page.indexOf('50 databases, those to look at first')).toBeLessThan(page.indexOf('id="db-tenant-0001"'));
    expect(page.match(/<section class="card" id="(?:long-)?db-/g)).toHaveLength(50);
  });

  test('a thousand are a table, with those to look at in full and a page for each of the others', () => {
    const page = statusPage(many(1000));
    expect(page.length).toBeLessThan(750_000);
    expect(page.match(/<section class="card"/g)).toHaveLength(25);
    expect(page).toContain('links to a page for each of the other 975');
    expect(page).toContain('href="?database=tenant-0001"');
    const one = statusPage(many(1000), { database: 'tenant-0001' });
    expect(one).toContain('id="db-tenant-0001"');
    expect(one.length).toBeLessThan(40_000);
  });

  test('of ten thousand, as many problems and rows are left out as nobody would read, and it says so', () => {
    const crowd = many(10_000, 1);
    const page = statusPage({
      ...crowd,
      problems: crowd.databases.map(({ name }) => problem({ key: name, database: name })),
    });
    expect(page.length).toBeLessThan(1_000_000);
    expect(page).toContain('And 9000 more.');
    expect(page).toContain('And 9900 more:');
  });
});

describe('the choice of the reader', () => {
  test.each([
    ['', {}],
    ['database=a%2Fb', { database: 'a/b' }],
    ['database=', {}],
    ['refresh=30', { refreshSeconds: 30 }],
    ['refresh=1', {}],
    ['refresh=31', {}],
    ['refresh=1e9', {}],
    ['refresh=%22%3E', {}],
    ['database=x&refresh=60&other=1', { database: 'x', refreshSeconds: 60 }],
  ])('?%s', (query, choice) => {
    expect(statusPageChoice(new URLSearchParams(query))).toEqual(choice);
  });

  test('the page loads itself anew only when asked to, and then every link keeps to it', () => {
    expect(statusPage(healthy)).not.toContain('http-equiv="refresh"');
    expect(statusPage(healthy)).toContain('href="?refresh=30"');
    const refreshed = statusPage(many(100), { refreshSeconds: 30 });
    expect(refreshed).toContain('<meta http-equiv="refresh" content="30">');
    expect(refreshed).toContain('href="?database=tenant-0001&amp;refresh=30"');
    expect(refreshed).toContain('<a href=".">Leave it as it is</a>');
  });

  test('a database that is not there is told, with the way back', () => {
    const page = statusPage(healthy, { database: '<nobody>' });
    expect(page).toContain('There is no database <bdi>&lt;nobody&gt;</bdi>');
    expect(page).toContain('<a href=".">All databases</a>');
  });
});

test('what is older is told as such: a moment in the future of the records does not break the page', () => {
  const page = statusPage(overview({ at: ago(86_400_000) }));
  expect(page).toContain('in 16 h');
});
