import fs from 'node:fs';
import path from 'node:path';
import { globSync } from 'tinyglobby';
import { expect, test } from 'vitest';
import { globMatches } from '../../src/config/glob-match.js';
import { directory } from './config-file.js';

const files = [
  'a.db',
  'ab.db',
  'b.sqlite',
  '.hidden.db',
  'a+b.db',
  'sub/a.db',
  'sub/deep/a.db',
  '.dot/a.db',
  'sub/.dot/b.db',
  '1.db',
  '2.db',
];
const patterns = [
  '*',
  '*.db',
  '**',
  '**/*.db',
  '**/a.db',
  'sub/*',
  'sub/**',
  '?.db',
  'a?.db',
  '[ab]*.db',
  '[!a]*.db',
  '[0-9].db',
  '{a,b}.*',
  '{a,sub/a}.db',
  'a+b.db',
  '.*/*.db',
  '*/*/a.db',
  's*b/**/a.db',
  '{1..2}.db',
  '[z-a].db',
];

test('a glob matches the files that tinyglobby finds; a set or range of characters perhaps more', () => {
  const here = directory();
  for (const file of files) {
    fs.mkdirSync(path.dirname(path.join(here, file)), { recursive: true });
    fs.writeFileSync(path.join(here, file), '');
  }
  for (const pattern of patterns) {
    const finds = globSync(path.join(here, pattern), { absolute: true, dot: false, expandDirectories: false });
    const matches = files
      .map((file) => path.join(here, file))
      .filter((file) => globMatches(path.join(here, pattern), file));
    const isTakenWidely = /\[|\.\./.test(pattern);
    if (isTakenWidely) expect(matches, pattern).toEqual(expect.arrayContaining(finds));
    else expect(matches.sort(), pattern).toEqual(finds.sort());
  }
});
