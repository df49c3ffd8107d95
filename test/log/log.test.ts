import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { JobError } from '../../src/errors.js';
import { isJournal } from '../../src/log/journal.js';
import { createLog, type Log, type LogOptions } from '../../src/log/log.js';
import { withSmallDisk } from '../helpers/small-disk.js';
import { workspace } from '../helpers/workspace.js';
import { parseLines } from './lines.js';

function logTo(file: string, options: Partial<LogOptions> = {}): Log {
  return createLog({ level: 'info', file, stdout: 'none', journald: false, complain: () => undefined, ...options });
}

/** Logs with `use` and answers the lines. */
function lines(use: (log: Log) => void, options: Partial<LogOptions> = {}): ReturnType<typeof parseLines> {
  const file = workspace().path('log', 'maintenance.log');
  use(logTo(file, options));
  return parseLines(fs.readFileSync(file, 'utf8'));
}

test('a line has its level as a word, an ISO time with milliseconds, its fields, and no more', () => {
  const [line] = lines((log) => log.info({ database: 'logs', bytesBefore: 12 }, 'backup finished'));
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
    database: 'logs',
    bytesBefore: 12,
    msg: 'backup finished',
  });
});

test('less urgent lines than the level are not written', () => {
  const use = (log: Log): void => {
    log.debug({}, 'debug');
    log.info({}, 'info');
    log.error({}, 'error');
  };
  expect(lines(use, { level: 'warn' }).map((line) => line['msg'])).toEqual(['error']);
  expect(lines(use, { level: 'debug' })).toHaveLength(3);
});

test('a child log puts its fields in every line, each only once', () => {
  const file = workspace().path('a.log');
  logTo(file).child({ run_id: 'r', database: 'x' }).child({ database: 'logs' }).info({ job: 'backup' }, 'started');
  const text = fs.readFileSync(file, 'utf8');
  expect(parseLines(text)).toMatchObject([{ run_id: 'r', database: 'logs', job: 'backup' }]);
  expect(text.match(/"database"/g)).toHaveLength(1);
});

test('the file is private, in a private directory', () => {
  const { path } = workspace();
  logTo(path('log', 'a.log'));
  expect([fs.statSync(path('log')).mode & 0o777, fs.statSync(path('log', 'a.log')).mode & 0o777]).toEqual([
    0o700, 0o600,
  ]);
});

test('an error is its code and message; the stack of a defect appears at level debug only', () => {
  const expected = new JobError('full', 'no space', { cause: new Error('x') });
  const defect = new JobError('internal', 'oh', { cause: new TypeError('undefined is not a function') });
  const use = (log: Log): void => {
    log.error({ err: expected }, 'failed');
    log.error({ err: defect }, 'failed');
  };
  expect(lines(use).map((line) => line['err'])).toEqual([
    { code: 'full', message: 'no space' },
    { code: 'internal', message: 'oh' },
  ]);
  expect(lines(use, { level: 'debug' }).map((line) => line['err'])).toEqual([
    { code: 'full', message: 'no space' },
    {
      code: 'internal',
      message: 'oh',
      stack: expect.stringContaining('TypeError: undefined is not a function') as unknown,
    },
  ]);
});

test.each([
  ['line feed', 'a\n{"level":"error","msg":"forged"}'],
  ['carriage return', 'a\rb'],
  ['escape sequence', 'a\u001b[2Kb'],
  ['next line', 'a\u0085b'],
  ['line separators', 'a\u2028b\u2029c'],
  ['right-to-left override', 'a\u202egol.bd\u2066'],
  ['NUL and DEL', 'a\u0000b\u007f'],
])('a hostile name cannot end or disguise a line: %s', (_, name) => {
  const file = workspace().path('a.log');
  logTo(file).info({ database: name, [name]: [{ name }] }, `hello ${name}`);
  const text = fs.readFileSync(file, 'utf8');
  expect(text.slice(0, -1)).toMatch(/^[\u0020-\u007e]+$/);
  expect(parseLines(text)).toEqual([
    expect.objectContaining({ database: name, [name]: [{ name }], msg: `hello ${name}` }),
  ]);
});

test('long fields are cut, long lists too, and what is nested too deep is left out', () => {
  const deep: { inner?: object } = {};
  deep.inner = deep;
  const [line] = lines((log) => log.info({ text: 'x'.repeat(5000), list: Array(150).fill(1), deep }, 'y'.repeat(5000)));
  expect(line?.['text']).toBe(`${'x'.repeat(4096)}… [904 more characters]`);
  expect(line?.['list']).toHaveLength(101);
  expect(line?.['msg']).toHaveLength(4096 + '… [904 more characters]'.length);
  expect(JSON.stringify(line?.['deep'])).toContain('[deeper]');
});

test('a secret appears nowhere: not in messages, fields, names of fields, errors, or where a text is cut', () => {
  const secret = 'p"ss\\word\u2028';
  const use = (log: Log): void => {
    log.error({ url: `https://u:${secret}@h`, [secret]: [secret], err: new Error(secret) }, `using ${secret}`);
    log.info({ text: `${'x'.repeat(4090)}${secret}` }, 'cut');
  };
  const file = workspace().path('a.log');
  use(logTo(file, { level: 'debug', secrets: ['', secret, 'p"ss'] }));
  const text = fs.readFileSync(file, 'utf8');
  expect(text).not.toContain('ss\\\\word');
  expect(text).not.toContain('p\\"s');
  expect(parseLines(text)[0]).toMatchObject({
    url: 'https://u:[redacted]@h',
    '[redacted]': ['[redacted]'],
    msg: 'using [redacted]',
  });
});

test('dates, big integers, bytes and functions do no harm', () => {
  const facts = {
    at: new Date(0),
    bad: new Date(Number.NaN),
    big: 2n ** 60n,
    bytes: Buffer.alloc(3),
    f: () => 1,
    n: null,
  };
  expect(lines((log) => log.info(facts, 'odd'))).toMatchObject([
    { at: '1970-01-01T00:00:00.000Z', bad: null, big: '1152921504606846976', bytes: '[3 bytes]', n: null },
  ]);
});

test('after logrotate moved the file, reopen() begins a new one and nothing is lost', () => {
  const { path } = workspace();
  const log = logTo(path('a.log'));
  log.info({}, 'one');
  fs.renameSync(path('a.log'), path('a.log.1'));
  log.info({}, 'two');
  log.reopen();
  log.info({}, 'three');
  const messages = (file: string): unknown[] =>
    parseLines(fs.readFileSync(path(file), 'utf8')).map((line) => line['msg']);
  expect([messages('a.log.1'), messages('a.log')]).toEqual([['one', 'two'], ['three']]);
  expect(log.failures()).toEqual({});
});

test('a new file that cannot be opened leaves the lines in the old one', () => {
  const { path } = workspace();
  const log = logTo(path('log', 'a.log'));
  fs.renameSync(path('log'), path('moved'));
  fs.writeFileSync(path('log'), '');
  log.reopen();
  log.info({}, 'still somewhere');
  expect(fs.readFileSync(path('moved', 'a.log'), 'utf8')).toContain('still somewhere');
});

test('a full device drops lines, never throws, and the first line afterwards says how many are missing and why', () => {
  const { path } = workspace();
  fs.symlinkSync('/dev/full', path('a.log'));
  const log = logTo(path('a.log'));
  log.info({}, 'lost');
  log.child({ a: 1 }).error({}, 'lost too');
  expect(log.failures()).toEqual({
    file: { dropped: 2, message: expect.stringMatching(/cannot write the log .*no space left/) as unknown },
  });
  fs.rmSync(path('a.log'));
  log.reopen();
  log.info({}, 'found');
  expect(parseLines(fs.readFileSync(path('a.log'), 'utf8'))).toMatchObject([
    { level: 'warn', dropped: 2, err: { message: expect.stringContaining('no space left') as unknown } },
    { msg: 'found' },
  ]);
  expect(log.failures().file?.dropped).toBe(2);
});

test('a log file that cannot be opened is said once, and tried again once a minute', () => {
  const { path } = workspace();
  fs.writeFileSync(path('log'), 'a file where the directory should be');
  let nowMs = 0;
  const complaints: string[] = [];
  const log = logTo(path('log', 'a.log'), { nowMs: () => nowMs, complain: (message) => complaints.push(message) });
  fs.rmSync(path('log'));
  nowMs = 59_999;
  log.info({}, 'lost');
  log.info({}, 'lost');
  expect(fs.existsSync(path('log'))).toBe(false);
  expect(complaints).toEqual([expect.stringContaining(`cannot open the log file ${path('log', 'a.log')}`)]);
  nowMs = 60_000;
  log.info({}, 'found');
  expect(parseLines(fs.readFileSync(path('log', 'a.log'), 'utf8'))).toMatchObject([{ dropped: 2 }, { msg: 'found' }]);
});

test('a line after one that a full disk cut off stands on a line of its own', async (context) => {
  await withSmallDisk(context, 1, (disk) => {
    const log = logTo(`${disk}/a.log`);
    log.info({}, 'first');
    expect(() => {
      for (;;) fs.appendFileSync(`${disk}/ballast`, Buffer.alloc(4096));
    }).toThrow(/ENOSPC/);
    while (log.failures().file === undefined) log.info({ text: 'x'.repeat(1000) }, 'fits while it fits');
    log.info({ text: 'x'.repeat(1000) }, 'lost');
    fs.rmSync(`${disk}/ballast`);
    log.info({}, 'last');
    const text = fs.readFileSync(`${disk}/a.log`, 'utf8').trimEnd().split('\n');
    expect(() => parseLines(text.at(-3) ?? '')).toThrow();
    expect(parseLines(text.slice(-2).join('\n'))).toMatchObject([{ dropped: 2 }, { msg: 'last' }]);
    return Promise.resolve();
  });
});

test('a line after one that a killed process left unfinished stands on a line of its own', () => {
  const { path } = workspace();
  fs.writeFileSync(path('a.log'), '{"level":"info","ms');
  logTo(path('a.log')).info({}, 'next');
  expect(fs.readFileSync(path('a.log'), 'utf8')).toMatch(/^\{"level":"info","ms\n\{.*"msg":"next"\}\n$/);
});

test('the journal is recognised by device and inode', () => {
  expect(isJournal({ JOURNAL_STREAM: '8:1234' }, { dev: 8, ino: 1234 })).toBe(true);
  expect(isJournal({ JOURNAL_STREAM: '8:1234' }, { dev: 8, ino: 1235 })).toBe(false);
  expect(isJournal({}, { dev: 8, ino: 1234 })).toBe(false);
});

describe('the tail of a run', () => {
  const silent = (): Log =>
    createLog({ level: 'info', file: null, stdout: 'none', journald: false, secrets: ['hunter2'] });

  test('is its last lines as they were written, and no other run’s', () => {
    const log = silent();
    const run = log.child({ run_id: 'r1' });
    run.info({ job: 'backup' }, 'with hunter2');
    log.info({}, 'of no run');
    log.child({ run_id: 'r2' }).info({}, 'of another');
    run.debug({}, 'below the level');
    run.child({ database: 'logs' }).error({}, 'the end');
    expect(parseLines(run.tail('r1').join('\n'))).toMatchObject([
      { run_id: 'r1', job: 'backup', msg: 'with [redacted]' },
      { run_id: 'r1', database: 'logs', msg: 'the end' },
    ]);
    expect(log.tail('r3')).toEqual([]);
  });

  test('is bounded in lines and in size', () => {
    const log = silent();
    const run = log.child({ run_id: 'r1' });
    for (let line = 0; line < 700; line += 1) run.info({ line }, 'x');
    const lines = parseLines(log.tail('r1').join('\n'));
    expect([lines.length, lines[0]?.['line'], lines.at(-1)?.['line']]).toEqual([500, 200, 699]);
    for (let line = 0; line < 200; line += 1) run.info({ text: 'y'.repeat(4000) }, 'long');
    expect(log.tail('r1').join('\n').length).toBeLessThan(262_144);
  });
});

test('the level can change while the program runs, for children of the log, too', () => {
  const use = (log: Log): void => {
    const child = log.child({ database: 'logs' });
    child.debug({}, 'before');
    log.setLevel('debug');
    child.debug({}, 'debug');
    log.setLevel('error');
    child.warn({}, 'after');
  };
  expect(lines(use).map((line) => line['msg'])).toEqual(['debug']);
});

test('what is secret can change while the program runs, for children of the log, too', () => {
  const use = (log: Log): void => {
    const child = log.child({ database: 'logs' });
    child.info({}, 'old new');
    log.setSecrets(['new']);
    child.info({}, 'old new');
  };
  expect(lines(use, { secrets: ['old'] }).map((line) => line['msg'])).toEqual(['[redacted] new', 'old [redacted]']);
});
