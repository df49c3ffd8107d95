import fs from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { unusedNote } from '../../src/files/names.js';
import { quarantine } from '../../src/files/quarantine.js';
import { workspace } from '../helpers/workspace.js';

test('what is noted as unused goes only for another attempt at the same, of the same database', async () => {
  const { path } = workspace();
  fs.writeFileSync(path('logs.db'), 'database');
  fs.mkdirSync(path('quarantine'));
  const take = async (name: string, database: string, replacesUnused: boolean): Promise<string> => {
    const request = { path: path('logs.db'), directory: path('quarantine', name), facts: { database }, replacesUnused };
    return (await quarantine(request)).directory;
  };
  const left = (): string[] => fs.readdirSync(path('quarantine')).sort();

  const unused = await take('logs-1', 'logs', true);
  const used = await take('logs-2', 'logs', true);
  const ofAnother = await take('other-1', 'other', true);
  for (const directory of [unused, ofAnother]) fs.writeFileSync(join(directory, unusedNote), '{}');
  // What a restore puts there may be less: of a file that is gone, nothing.
  fs.renameSync(path('logs.db'), path('gone.db'));
  await take('logs-3', 'logs', false);
  expect(left()).toEqual(['logs-1', 'logs-2', 'logs-3', 'other-1']);

  fs.renameSync(path('gone.db'), path('logs.db'));
  await take('logs-4', 'logs', true);
  expect(left()).toEqual([basename(used), 'logs-3', 'logs-4', basename(ofAnother)]);
});
