import fs from 'node:fs';
import { expect, test } from 'vitest';
import { abortsLater, loadAddon } from '../../src/sqlite/addon.js';
import { workspace } from '../helpers/workspace.js';

test('the installed addon loads, and has no defect of this Node.js', () => {
  expect(loadAddon()).toBeUndefined();
});

test('an addon built with the defect of Node.js 24.19 is known by what it calls, on that line of Node.js only', () => {
  const addon = workspace().path('better_sqlite3.node');
  expect(abortsLater('24.21.0', addon)).toBe(false);
  fs.writeFileSync(addon, '\0_ZN4node28RemoveEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_\0');
  expect(['20.20.2', '22.23.2', '24.21.0', '26.10.0'].filter((version) => abortsLater(version, addon))).toEqual([
    '24.21.0',
  ]);
  fs.writeFileSync(addon, '\0_ZN4node25AddEnvironmentCleanupHookEPN2v87IsolateEPFvPvES3_\0');
  expect(abortsLater('24.21.0', addon)).toBe(false);
});
