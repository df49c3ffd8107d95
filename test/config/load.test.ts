import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { directory, load, minimal, mistakesIn, mistakesOf, now, said } from './config-file.js';

const withCron = (cron: string): string => minimal.replace('"0 2 * * *"', cron);
const withPath = (value: string): string => minimal.replace('./logs.db', value);

describe('a valid file', () => {
  test('becomes a configuration with all defaults, absolute paths, milliseconds and bytes', () => {
    const here = directory();
    const config = load(minimal, {}, here);
    expect(config).toMatchObject({
      file: path.join(here, 'config.yaml'),
      timezone: 'UTC',
      stateDirectory: path.join(here, 'var/state'),
      reportDirectory: path.join(here, 'var/reports'),
      scratchDirectory: path.join(here, 'var/state/scratch'),
      log: { level: 'info', file: null },
      concurrency: 1,
      shutdownTimeoutMs: 10_000,
      childMemoryBytes: 1024 ** 3,
      http: { host: '127.0.0.1', port: 8080, token: null, hosts: [], maxConnections: 100 },
      warnings: [],
    });
    expect(config.databases).toMatchObject([
      {
        name: 'logs',
        path: path.join(here, 'logs.db'),
        isGlob: false,
        backups: { directory: path.join(here, 'backups'), each: false },
        profile: null,
      },
    ]);
    expect(config.databases[0]?.jobs).toMatchObject({
      retention: { keep_last: 3 },
      integrity: { confirm_after: 30_000 },
      report: {},
    });
    expect(config.schedules).toEqual([
      {
        name: 'daily',
        cron: '0 2 * * *',
        jobs: ['backup'],
        catchUp: true,
        jitterMs: 0,
        timeoutMs: null,
        windowMs: null,
        preBackup: true,
        onDamage: 'restore',
      },
    ]);
  });

  test('sets everything that it names', () => {
    const config = load(`
timezone: Asia/Tokyo
state_directory: /srv/state
report_directory: /srv/reports
scratch_directory: /srv/scratch
log: { level: debug, file: /srv/x.log }
concurrency: 4
shutdown_timeout: 1.5m
child_memory: 512MiB
http: { listen: "[::1]:9090", token: "0123456789abcdef", hosts: [status.example], max_connections: 7 }
databases:
  all: { path: "/data/*.db", backup_directory: /backups, profile: debuggle }
schedules:
  often: { cron: "@hourly", jobs: [health, report], catch_up: false, jitter: 30s, timeout: 1h, window: 2h, pre_backup: false, on_damage: report }
`);
    expect(config).toMatchObject({
      timezone: 'Asia/Tokyo',
      stateDirectory: '/srv/state',
      reportDirectory: '/srv/reports',
      scratchDirectory: '/srv/scratch',
      log: { level: 'debug', file: '/srv/x.log' },
      concurrency: 4,
      shutdownTimeoutMs: 90_000,
      childMemoryBytes: 512 * 1024 ** 2,
      http: { host: '::1', port: 9090, token: '0123456789abcdef', hosts: ['status.example'], maxConnections: 7 },
      databases: [{ name: 'all', path: '/data/*.db', isGlob: true, profile: 'debuggle' }],
      schedules: [
        {
          cron: '@hourly',
          catchUp: false,
          jitterMs: 30_000,
          timeoutMs: 3_600_000,
          windowMs: 7_200_000,
          preBackup: false,
          onDamage: 'report',
        },
      ],
    });
  });

  test('missed runs are made up for, unless health is all the schedule does', () => {
    const { schedules } = load(
      `${minimal}  hourly: { cron: "0 * * * *", jobs: [health] }\n  both: { cron: "0 * * * *", jobs: [health, report] }\n`,
    );
    expect(schedules.map(({ name, catchUp }) => [name, catchUp])).toEqual([
      ['daily', true],
      ['hourly', false],
      ['both', true],
    ]);
  });

  test("a database's own options go over the common ones key by key, and those over the defaults", () => {
    const { databases } = load(`
jobs: { retention: { keep_days: 7, keep_last: 5 }, verify: { older: 2 } }
databases:
  one: { path: ./1.db, backup_directory: ./b, jobs: { retention: { keep_last: 9 }, backup: { attempts: 1 } } }
  two: { path: ./2.db, backup_directory: ./b }
schedules:
  daily: { cron: "0 2 * * *", jobs: [backup] }
`);
    expect(databases[0]?.jobs).toMatchObject({
      retention: { keep_days: 7, keep_last: 9, keep_daily: 0 },
      verify: { older: 2, foreign_keys: true },
      backup: { attempts: 1, compress: 'none' },
    });
    expect(databases[1]?.jobs).toMatchObject({ retention: { keep_days: 7, keep_last: 5 }, backup: { attempts: 3 } });
  });

  test('anchors and aliases may be used', () => {
    const { databases } = load(withPath('./logs.db\n    jobs: &own { retention: { keep_last: 8 } }') + 'jobs: *own\n');
    expect(databases[0]?.jobs.retention.keep_last).toBe(8);
  });

  test('a byte order mark and Windows line ends do not matter', () => {
    expect(load(`\uFEFF${minimal.replaceAll('\n', '\r\n')}`).databases).toHaveLength(1);
  });

  test('words that YAML 1.1 takes for something else are plain text', () => {
    const { databases } = load(
      minimal.replace('logs:', 'no:').replace('./logs.db', 'on').replace('./backups', '1_000'),
    );
    expect(databases.map((one) => [one.name, path.basename(one.path), path.basename(one.backups.directory)])).toEqual([
      ['no', 'on', '1_000'],
    ]);
  });

  test('a directory for each database', () => {
    const { databases } = load(minimal.replace('./backups', '"/srv/backups/{database}"'));
    expect(databases[0]?.backups).toEqual({ directory: '/srv/backups', each: true });
  });

  test('a name of digits keeps its zeros', () => {
    expect(load(minimal.replace('logs:', '0777:')).databases[0]?.name).toBe('0777');
  });
});

describe('a mistake is said with its line and column', () => {
  const cases: [title: string, text: string, ...mistakes: string[]][] = [
    ['an empty file', '', '1:1 : has no value: a mapping (key: value) is needed'],
    ['a list instead of a mapping', '- a\n', '1:1 : a mapping (key: value) is needed'],
    ['neither databases nor schedules', 'timezone: UTC\n', '1:1 databases: is missing', '1:1 schedules: is missing'],
    [
      'no database in databases',
      minimal.replace(/ {2}logs:(?:.|\n)*(?=schedules)/, ' {}\n').replace('databases:\n', 'databases:'),
      '1:12 databases: at least one database is needed',
    ],
    ['a mistyped key', `${minimal}databse: 1\n`, '7:1 databse: unknown key `databse`: did you mean `databases`?'],
    ['a key with nothing like it', `${minimal}xyzzy: 1\n`, '7:1 xyzzy: unknown key `xyzzy`'],
    [
      'a mistyped key of an option',
      `${minimal}jobs: { retention: { keep_dayz: 3 } }\n`,
      '7:22 jobs.retention.keep_dayz: unknown key `keep_dayz`: did you mean `keep_days`?',
    ],
    [
      'a mistyped kind of job',
      `${minimal}jobs: { retentoin: {} }\n`,
      '7:9 jobs.retentoin: unknown key `retentoin`: did you mean `retention`?',
    ],
    [
      'a missing key, at the mapping that lacks it',
      minimal.replace('path: ./logs.db', 'profile: debuggle'),
      '2:3 databases.logs.path: is missing',
    ],
    ['a key without a value', `${minimal}log:\n`, '7:1 log: has no value: a mapping (key: value) is needed'],
    [
      'a mistyped value',
      `${minimal}log: { level: inof }\n`,
      '7:15 log.level: not one of debug, info, warn, error: did you mean `info`?',
    ],
    [
      'a mistyped kind in a schedule',
      minimal.replace('[backup]', '[bakcup]'),
      '6:38 schedules.daily.jobs.0: not one of backup, integrity, vacuum, reindex, analyze, verify, retention, health, report: did you mean `backup`?',
    ],
    [
      'a name that makes those of backups too long',
      minimal.replace('logs:', `${'x'.repeat(101)}:`),
      `2:3 databases.${'x'.repeat(101)}: a name has at most 100 characters: that of a backup has a database and a schedule in it`,
    ],
    [
      'a jitter that may be as long as the window',
      minimal.replace('[backup]', '[backup], window: 1h, jitter: 60m'),
      '6:67 schedules.daily.jitter: not shorter than window (1 h), which may be over before a run starts: shorten it, or lengthen window',
    ],
    [
      'a kind listed twice',
      minimal.replace('[backup]', '[backup, report, backup]'),
      '6:54 schedules.daily.jobs.2: `backup` is listed twice',
    ],
    ['a schedule without jobs', minimal.replace('[backup]', '[]'), '6:37 schedules.daily.jobs: at least one is needed'],
    ['one job that is no list', minimal.replace('[backup]', 'backup'), '6:37 schedules.daily.jobs: a list is needed'],
    ['a number where text is needed', withPath('123'), '3:11 databases.logs.path: text is needed: put 123 in quotes'],
    ['an empty text', withPath('""'), '3:11 databases.logs.path: is empty'],
    [
      'a duration without a unit',
      `${minimal}shutdown_timeout: 10\n`,
      '7:19 shutdown_timeout: a number with its unit is needed, such as 30s, 10m, 2h or 1d',
    ],
    [
      'a duration with a unit of size',
      `${minimal}shutdown_timeout: 10MB\n`,
      '7:19 shutdown_timeout: a number with its unit is needed, such as 30s, 10m, 2h or 1d',
    ],
    [
      'a size with a space',
      `${minimal}child_memory: 10 GB\n`,
      '7:15 child_memory: a number with its unit is needed, such as 64MiB or 10GB',
    ],
    ['a fraction of a database', `${minimal}concurrency: 0.5\n`, '7:14 concurrency: a whole number is needed'],
    [
      'too small a number',
      `${minimal}jobs:\n  retention:\n    keep_last: 0\n`,
      '9:16 jobs.retention.keep_last: at least 1 is needed',
    ],
    ['too large a number', `${minimal}concurrency: 1000\n`, '7:14 concurrency: at most 64 is allowed'],
    [
      'yes for true, as YAML 1.1 had it',
      minimal.replace('[backup]', '[backup], catch_up: yes'),
      '6:57 schedules.daily.catch_up: true or false is needed',
    ],
    ['an octal number is a decimal one', `${minimal}concurrency: 0100\n`, '7:14 concurrency: at most 64 is allowed'],
    [
      'a home directory',
      withPath('~/logs.db'),
      '3:11 databases.logs.path: ~ is not expanded here: write the whole path, or ${HOME}/…',
    ],
    [
      'an unsafe name of a database',
      minimal.replace('logs:', '../logs:'),
      '2:3 databases.../logs: a name begins with a letter or digit and goes on with letters, digits, - and _',
    ],
    [
      'an unsafe name of a schedule',
      minimal.replace('daily:', '"a b":'),
      '6:3 schedules.a b: a name begins with a letter or digit and goes on with letters, digits, - and _',
    ],
    [
      'an unknown time zone',
      `${minimal}timezone: Europe/Brelin\n`,
      '7:11 timezone: unknown time zone: did you mean `Europe/Berlin`?',
    ],
    [
      'a city instead of a time zone',
      `${minimal}timezone: New York\n`,
      '7:11 timezone: unknown time zone: did you mean `America/New_York`?',
    ],
    [
      'an offset instead of a time zone',
      `${minimal}timezone: "+02:00"\n`,
      '7:11 timezone: unknown time zone: an IANA name is needed, such as Europe/Berlin or UTC',
    ],
    ...['./{database}/daily', './b-{database}', './{databse}', './{name}/{database}'].map(
      (directory): [string, string, string] => [
        `braces in a backup directory: ${directory}`,
        minimal.replace('./backups', `"${directory}"`),
        `4:23 databases.logs.backup_directory: ${/\{.*?\}/.exec(directory)?.[0]} stands for nothing here: only a whole last part {database} does, as in /backups/{database}`,
      ],
    ),
    [
      'a profile that does not exist',
      withPath('./logs.db\n    profile: debugle'),
      '4:14 databases.logs.profile: not one of debuggle: did you mean `debuggle`?',
    ],
    [
      'a statement that is no text',
      `${minimal}jobs: { verify: { assertions: [{ sql: 1, expect: [2] }] } }\n`,
      '7:39 jobs.verify.assertions.0.sql: text is needed: put 1 in quotes',
      '7:50 jobs.verify.assertions.0.expect: text or a number is needed',
    ],
    [
      'a key written twice',
      `${minimal}timezone: UTC\ntimezone: UTC\n`,
      '8:1 : the key `timezone` is written twice in one mapping',
    ],
    [
      'a mapping that would set the prototype',
      `${minimal}__proto__: { polluted: true }\n`,
      '7:1 __proto__: unknown key `__proto__`',
    ],
    ['a merge key, which YAML 1.2 does not have', `${minimal}<<: { timezone: UTC }\n`, '7:1 <<: unknown key `<<`'],
  ];
  test.each(cases)('%s', (_title, text, ...mistakes) => expect(mistakesIn(text)).toEqual(mistakes));

  test('a mistake in an aliased mapping is said where it is written', () => {
    expect(mistakesIn(`${withPath('./logs.db\n    jobs: &own { retention: { keep_last: 0 } }')}jobs: *own\n`)).toEqual([
      '4:42 databases.logs.jobs.retention.keep_last: at least 1 is needed',
      '4:42 jobs.retention.keep_last: at least 1 is needed',
    ]);
  });

  test('every mistake is said at once, in the order of the file', () => {
    const text = `timezone: Berlin
databases:
  logs:
    path: ~/logs.db
    profil: debuggle
  "a/b": { path: "./\${NO_SUCH}.db", backup_directory: ./backups }
schedules:
  daily: { cron: "0 2 * *", jobs: [backup, vacum] }
log: { level: loud }
`;
    expect(mistakesIn(text).map((mistake) => mistake.split(': ')[0])).toEqual([
      '1:11 timezone',
      '3:3 databases.logs.backup_directory',
      '4:11 databases.logs.path',
      '5:5 databases.logs.profil',
      '6:3 databases.a/b',
      '6:18 databases.a/b.path',
      '8:18 schedules.daily.cron',
      '8:44 schedules.daily.jobs.1',
      '9:15 log.level',
    ]);
  });

  test('a key written twice does not hide other mistakes', () => {
    expect(mistakesIn(`${minimal}log: {}\nlog: { level: loud }\n`)).toEqual([
      '8:1 : the key `log` is written twice in one mapping',
      '8:15 log.level: not one of debug, info, warn, error',
    ]);
  });

  test('the prototype of objects stays as it was', () => {
    mistakesIn(`${minimal}__proto__: { polluted: true }\nconstructor: { prototype: { polluted: true } }\n`);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('a cron pattern', () => {
  const fields = 'use %s, *, lists (1,2), ranges (1-5) or steps (*/2)';
  test.each([
    ['"61 2 * * *"', `"61" is not a minute: ${fields.replace('%s', '0-59')}`],
    ['"0 24 * * *"', `"24" is not an hour: ${fields.replace('%s', '0-23')}`],
    ['"0 2 * FOO *"', `"FOO" is not a month: ${fields.replace('%s', '1-12 or JAN-DEC')}`],
    ['"5-1 2 * * *"', `"5-1" is not a minute: ${fields.replace('%s', '0-59')}`],
  ])('%s: the field at fault is named', (cron, message) => {
    expect(mistakesIn(withCron(cron))).toEqual([`6:18 schedules.daily.cron: ${message}`]);
  });

  test.each(['"0 2 * *"', '"0 0 2 * * *"', '"@reboot"', '"2026-12-24T00:00:00"'])(
    '%s: five fields are asked for',
    (cron) => {
      expect(mistakesIn(withCron(cron))).toEqual([
        expect.stringMatching(/^6:18 schedules\.daily\.cron: .*five fields are needed/),
      ]);
    },
  );

  test.each(['"0 0 30 2 *"', '"0 0 31 4,6 *"'])('%s: a pattern that never fires is refused', (cron) => {
    expect(mistakesIn(withCron(cron))).toEqual([
      expect.stringMatching(/^6:18 schedules\.daily\.cron: .*no date matches/),
    ]);
  });

  test('that YAML misreads without quotes is said to need them', () => {
    for (const cron of ['* * * * *', '*/5 * * * *', '*/5 2 * * *', '@daily']) {
      const message = `a cron pattern needs quotes here, or YAML reads it as something else: "${cron}"`;
      expect(mistakesIn(withCron(cron))).toEqual([`6:18 : ${message}`]);
      expect(mistakesIn(`schedules:\n  x:\n    cron: ${cron} # often\n`)).toEqual([`3:11 : ${message}`]);
    }
    expect(mistakesIn(withCron('*foo'))).toEqual([
      '6:18 schedules.daily.cron: `*foo` refers to an anchor that is not there: if it is text, put it in quotes',
    ]);
  });

  test('that YAML reads rightly without quotes is fine', () => {
    expect(load(withCron('0 2 * * *')).schedules[0]?.cron).toBe('0 2 * * *');
  });
});

describe('what cannot be read', () => {
  test.each([
    ['an open quote', `${minimal}log: "x\n`, ['8:1 : Missing closing "quote']],
    ['a tab as indentation', 'databases:\n\tlogs: 1\n', ['2:1 : Tabs are not allowed as indentation']],
    ['a second document', `${minimal}---\na: 1\n`, ['7:1 : only one document is read: remove this line']],
    ['a tag', `${minimal}timezone: !zone UTC\n`, ['7:11 : Unresolved tag: !zone; tags are not used here']],
    ['a key that is a list', `${minimal}? [a]\n: 1\n`, ['7:3 : With stringKeys, all keys must be strings']],
    ['YAML 1.1', `%YAML 1.1\n---\n${minimal}`, ['1:1 : YAML 1.2 is read here: remove the %YAML line']],
  ])('%s is one mistake', (_title, text, mistakes) => expect(mistakesIn(text)).toEqual(mistakes));

  test.each([
    ['lists', '['.repeat(20_000)],
    ['mappings', '{a: '.repeat(20_000)],
    ['50 levels', `a: ${'['.repeat(50)}${']'.repeat(50)}`],
    ['an alias that contains itself', 'a: &a [*a]'],
  ])('nesting without end is refused: %s', (_title, text) => {
    expect(mistakesIn(text)).toEqual([expect.stringContaining('nested')]);
  });

  test('aliases of aliases of aliases are refused before they are expanded', () => {
    const levels = Array.from(
      { length: 30 },
      (_, i) => `a${i}: &a${i} [${i === 0 ? '1, 1' : `*a${i - 1}, *a${i - 1}`}]`,
    );
    expect(mistakesIn(levels.join('\n'))).toEqual([expect.stringContaining('more than 50000 values')]);
  });

  test('a file that is not there: the message says what to do', () => {
    const file = path.join(directory(), 'none.yaml');
    expect(mistakesOf(() => loadConfig(file, { variables: {} }, now))).toEqual([
      {
        file,
        line: 1,
        column: 1,
        path: '',
        message: 'does not exist: copy config.example.yaml there, or name another file with --config',
      },
    ]);
  });

  test('a directory, a FIFO-like device, a huge file and Latin-1 are each refused in one line', () => {
    const here = directory();
    const file = (name: string, content: string | Buffer): string => {
      fs.writeFileSync(path.join(here, name), content);
      return path.join(here, name);
    };
    const message = (name: string): string =>
      mistakesOf(() => loadConfig(name, { variables: {} }, now))[0]?.message ?? '';
    expect(message(here)).toBe('is a directory, not a file');
    expect(message('/dev/null')).toBe('is not a regular file');
    expect(message(file('huge', '#'.repeat(1024 ** 2 + 1)))).toBe('is too large: 1.0 MB, at most 1 MiB is read');
    expect(message(file('latin', Buffer.from([0x61, 0x3a, 0x20, 0xe9])))).toBe('is not UTF-8 text: save it as UTF-8');
  });
});

describe('a change of the clock', () => {
  test('that touches a run at a fixed time is warned of with its date, at the pattern', () => {
    expect(said(load(`${withCron('"30 2 * * *"')}timezone: Europe/Berlin\n`).warnings)).toEqual([
      '6:18 schedules.daily.cron: on 2027-03-28 the clock in Europe/Berlin goes forward from 02:00 to 03:00: the run of 02:30 starts at 03:00 instead',
      '6:18 schedules.daily.cron: on 2027-10-31 the clock in Europe/Berlin goes back from 03:00 to 02:00: 02:30 comes twice, and the run starts only the first time',
    ]);
  });
});
