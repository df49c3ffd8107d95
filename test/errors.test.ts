import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ConfigError, errorCodeOf, formatMistake, JobError, toFileError, toJobError } from '../src/errors.js';
import { workspace } from './helpers/workspace.js';

const mistake = { file: 'config.yaml', line: 3, column: 7, path: 'databases.logs.path', message: 'is missing' };

test('a mistake reads file:line:column: path: message, as editors expect it', () => {
  expect(formatMistake(mistake)).toBe('config.yaml:3:7: databases.logs.path: is missing');
  expect(formatMistake({ ...mistake, path: '' })).toBe('config.yaml:3:7: is missing');
});

test('a configuration error says every mistake, a line each', () => {
  const error = new ConfigError([mistake, { ...mistake, line: 9 }]);
  expect(error.message.split('\n')).toEqual([formatMistake(mistake), formatMistake({ ...mistake, line: 9 })]);
  expect(error.mistakes).toHaveLength(2);
});

describe('anything thrown becomes an error of a job', () => {
  test('one of ours stays itself', () => {
    const error = new JobError('full', 'no room');
    expect(toJobError(error)).toBe(error);
    expect(toFileError(error, 'it')).toBe(error);
  });

  test.each([
    [new TypeError('oops'), 'oops'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [{ code: 5 }, '[object Object]'],
  ])('%j is a defect, and kept as the cause', (thrown, message) => {
    expect(toJobError(thrown)).toMatchObject({ name: 'JobError', code: 'internal', message, cause: thrown });
    expect(toFileError(thrown, 'cannot do it')).toMatchObject({
      code: 'internal',
      message: `cannot do it: ${message}`,
    });
  });
});

describe('a failed system call says what it means and what to do', () => {
  test.each<[string, (at: (name: string) => string) => void, string, RegExp]>([
    ['ENOENT', (at) => fs.readFileSync(at('gone')), 'missing', /no such file or directory$/],
    ['ENOTDIR', (at) => fs.readFileSync(at('file/x')), 'missing', /not a directory$/],
    ['ENAMETOOLONG', (at) => fs.readFileSync(at('x'.repeat(256))), 'refused', /255 bytes for most: shorten it$/],
    ['ELOOP', (at) => fs.readFileSync(at('loop')), 'missing', /circle$/],
    ['ENOSPC', () => fs.writeFileSync('/dev/full', 'x'), 'full', /no space left.*free some$/],
  ])('%s, really', (code, call, ours, meaning) => {
    const { path } = workspace();
    fs.writeFileSync(path('file'), '');
    fs.symlinkSync(path('loop'), path('loop'));
    let thrown: unknown;
    try {
      call(path);
    } catch (error) {
      thrown = error;
    }
    expect(errorCodeOf(thrown)).toBe(code);
    expect(toFileError(thrown, 'cannot do it')).toMatchObject({
      code: ours,
      message: expect.stringMatching(meaning) as unknown,
      cause: thrown,
    });
  });

  test.each([
    ['EDQUOT', 'full'],
    ['EFBIG', 'full'],
    ['EIO', 'io'],
    ['ESTALE', 'io'],
    ['EACCES', 'permission'],
    ['EPERM', 'permission'],
    ['EROFS', 'permission'],
    ['ENODEV', 'missing'],
    ['EMFILE', 'refused'],
    ['ENFILE', 'refused'],
  ])('%s is %s', (code, ours) => {
    const error = toFileError(Object.assign(new Error('raw words'), { code }), 'cannot do it');
    expect(error.code).toBe(ours);
    expect(error.message).toMatch(/^cannot do it: /);
    expect(error.message).not.toContain('raw words');
  });
});

test.each([[null], [undefined], ['ENOENT'], [{}], [{ code: 5 }]])('%j has no error code', (thrown) => {
  expect(errorCodeOf(thrown)).toBeUndefined();
});
