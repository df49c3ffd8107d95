import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { findConfig } from '../../src/config/find.js';
import { directory, mistakesOf } from './config-file.js';

test('a named file is meant whether it exists or not, relative to where one stands', () => {
  expect(findConfig('x/my.yaml', '/somewhere')).toBe('/somewhere/x/my.yaml');
  expect(findConfig('/etc/my.yaml', '/somewhere')).toBe('/etc/my.yaml');
});

test('config.yaml where one stands comes before that of the system', () => {
  const here = directory();
  const system = path.join(here, 'system.yaml');
  fs.writeFileSync(system, '');
  expect(findConfig(undefined, here, system)).toBe(system);
  fs.writeFileSync(path.join(here, 'config.yaml'), '');
  expect(findConfig(undefined, here, system)).toBe(path.join(here, 'config.yaml'));
});

test('when there is none, both places are named', () => {
  const here = directory();
  const [mistake] = mistakesOf(() => findConfig(undefined, here, path.join(here, 'none.yaml')));
  expect(mistake).toMatchObject({ file: path.join(here, 'config.yaml') });
  expect(mistake?.message).toContain(path.join(here, 'none.yaml'));
  expect(mistake?.message).toContain('--config');
});
