import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { appendAudit, auditFile, brokenLine } from '../../src/guard/audit.js';
import { workspace } from '../helpers/workspace.js';

function logOf(lines: number): { directory: string; file: string } {
  const { directory } = workspace();
  for (let number = 1; number <= lines; number++) appendAudit(directory, { row: 'R1', number });
  return { directory, file: auditFile(directory) };
}

describe('the audit log', () => {
  test('is one line a decision, for its owner alone, and its chain holds', () => {
    const { directory, file } = logOf(3);
    expect(brokenLine(directory)).toBeUndefined();
    expect(fs.readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(3);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  });

  test.for<[string, (lines: string[]) => string[], number]>([
    ['a changed line', ([one = '', ...rest]) => [one.replace('"number":1', '"number":7'), ...rest], 2],
    ['a removed line', ([one = '', , ...rest]) => [one, ...rest], 2],
    ['a removed beginning', ([, ...rest]) => rest, 1],
  ])('shows %s', ([, tamper, broken]) => {
    const { directory, file } = logOf(3);
    const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
    fs.writeFileSync(
      file,
      tamper(lines)
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(brokenLine(directory)).toBe(broken);
  });

  test('goes on after half a line that a crash has left, on a line of its own', () => {
    const { directory, file } = logOf(2);
    fs.truncateSync(file, fs.statSync(file).size - 20);
    appendAudit(directory, { row: 'R2' });
    expect(brokenLine(directory)).toBeUndefined();
    expect(fs.readFileSync(file, 'utf8').split('\n').slice(0, -1)).toHaveLength(3);
  });

  test('that cannot be written says so: what is not recorded must not be done', () => {
    const { directory, file } = logOf(0);
    fs.mkdirSync(file);
    expect(() => appendAudit(directory, {})).toThrow(expect.objectContaining({ code: 'not-recorded' }) as Error);
  });
});
