import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.js';
import { directory, load, minimal, mistakesIn, mistakesOf, now, said } from './config-file.js';

const withPath = (value: string): string => minimal.replace('./logs.db', () => value);
const pathOf = (value: string, variables: NodeJS.ProcessEnv = {}, here = directory()): string | undefined =>
  load(withPath(value), variables, here).databases[0]?.path;

describe('an environment variable', () => {
  test.each([
    ['${DIR}/logs.db', '/data/logs.db'],
    ['"${DIR}${DIR}/x"', '/data/data/x'],
    ['${NONE:-/elsewhere}/logs.db', '/elsewhere/logs.db'],
    ['${EMPTY:-/elsewhere}/logs.db', '/elsewhere/logs.db'],
    ['/x${EMPTY}/logs.db', '/x/logs.db'],
    ['/x${NONE:-}/logs.db', '/x/logs.db'],
    ['/$${DIR}/$DIR', '/${DIR}/$DIR'],
    ['/${NESTED}', '/${DIR}'],
  ])('%s is filled in, once', (written, expected) => {
    expect(pathOf(written, { DIR: '/data', EMPTY: '', NESTED: '${DIR}' })).toBe(expected);
  });

  test('that is not set is a mistake at its place, with a suggestion', () => {
    expect(mistakesIn(withPath('"${DATA_DRI}/logs.db"'), { DATA_DIR: '/data' })).toEqual([
      '3:11 databases.logs.path: the environment variable DATA_DRI is not set: did you mean `DATA_DIR`?',
    ]);
    expect(mistakesIn(withPath('${X}'))).toEqual([
      '3:11 databases.logs.path: the environment variable X is not set; ${X:-default} would give it a default',
    ]);
  });

  test.each(['"${X"', '"${}"', '"${a b}"'])('%s is said to be no reference', (written) => {
    expect(mistakesIn(withPath(written), { X: '1' })).toEqual([
      '3:11 databases.logs.path: a reference to the environment is ${NAME} or ${NAME:-default}; write $${ for a literal ${',
    ]);
  });

  test('may stand for a number, a truth value, a duration and a choice', () => {
    const text = `${minimal.replace('[backup]', '[backup], catch_up: "${CATCH_UP}"')}concurrency: \${N}\nshutdown_timeout: \${T}\nlog: { level: "\${L}" }\n`;
    const config = load(text, { N: '3', CATCH_UP: 'false', T: '20s', L: 'warn' });
    expect(config).toMatchObject({
      concurrency: 3,
      shutdownTimeoutMs: 20_000,
      log: { level: 'warn' },
      schedules: [{ catchUp: false }],
    });
    expect(mistakesIn(`${minimal}concurrency: \${N}\n`, { N: 'three' })).toEqual([
      '7:14 concurrency: a number is needed',
    ]);
  });

  test('without quotes in a flow mapping is said to need them', () => {
    expect(mistakesIn(`${minimal}log: { level: \${L}, file: \${F} }\ntimezone: UTC\n`)).toEqual([
      '7:15 : a reference inside { } or [ ] needs quotes: "${L}"',
    ]);
  });

  test('with a wrong value is not shown in the message', () => {
    expect(mistakesIn(`${minimal}log: { level: "\${SECRET}" }\n`, { SECRET: 'hunter2' }).join()).not.toContain(
      'hunter2',
    );
  });
});

describe('a text in a file', () => {
  test('is read relative to the configuration, without the newline at its end', () => {
    const here = directory();
    for (const [content, expected] of [
      ['/data/a.db\n', '/data/a.db'],
      ['/data/a.db\r\n', '/data/a.db'],
      ['/data/a.db', '/data/a.db'],
      ['/data/a\n\n', '/data/a\n'],
      ['/${NOT_READ}', '/${NOT_READ}'],
    ] as const) {
      fs.writeFileSync(path.join(here, 'secret'), content);
      expect(pathOf('{ file: "${NAME}" }', { NAME: 'secret' }, here)).toBe(expected);
    }
  });

  test('that cannot be read is a mistake at its place', () => {
    const here = directory();
    expect(mistakesIn(withPath('{ file: ./none }'), {}, here)).toEqual([
      `3:11 databases.logs.path: file ${path.join(here, 'none')} does not exist`,
    ]);
    expect(mistakesIn(withPath('{ file: . }'), {}, here)).toEqual([
      `3:11 databases.logs.path: file ${here} is a directory, not a file`,
    ]);
    expect(mistakesIn(withPath('{ file: "${NONE}" }'), {}, here)).toEqual([
      expect.stringMatching(/^3:19 databases\.logs\.path\.file: the environment variable NONE is not set/),
    ]);
  });

  test('is no reference where a mapping is expected: a log may have only a file', () => {
    expect(load(`${minimal}log: { file: ./x.log }\n`).log.file).toMatch(/\/x\.log$/);
    expect(mistakesIn(minimal.replace('./logs.db', '{ file: a, credential: b }'))).toEqual([
      '3:11 databases.logs.path: text is needed',
    ]);
    expect(mistakesIn(`${minimal}unknown: { file: /none }\n`)).toEqual(['7:1 unknown: unknown key `unknown`']);
  });
});

describe('a systemd credential', () => {
  test('is read from the directory of credentials', () => {
    const credentials = directory();
    const file = path.join(directory(), 'config.yaml');
    fs.writeFileSync(path.join(credentials, 'where'), '/data/a.db\n');
    fs.writeFileSync(file, withPath('{ credential: where }'));
    const environments = [
      { variables: {}, credentialsDirectory: credentials },
      { variables: { CREDENTIALS_DIRECTORY: credentials } },
    ];
    for (const environment of environments)
      expect(loadConfig(file, environment, now).databases[0]?.path).toBe('/data/a.db');
  });

  test.each([
    ['none', 'credential none does not exist: is there a LoadCredential=none:… in the unit?'],
    ['../escape', 'a credential is a name without slashes, as in LoadCredential=NAME:PATH'],
    ['..', 'a credential is a name without slashes, as in LoadCredential=NAME:PATH'],
  ])('%s: refused, with what to do', (name, message) => {
    const file = path.join(directory(), 'config.yaml');
    fs.writeFileSync(file, withPath(`{ credential: ${name} }`));
    const mistakes = mistakesOf(() =>
      loadConfig(file, { variables: {}, credentialsDirectory: path.dirname(file) }, now),
    );
    expect(said(mistakes)).toEqual([`3:11 databases.logs.path: ${message}`]);
  });

  test('outside of systemd is a mistake that says so', () => {
    expect(mistakesIn(withPath('{ credential: where }'))).toEqual([
      '3:11 databases.logs.path: credential where: CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential=',
    ]);
  });
});
