import { expect, test } from 'vitest';
import { type EligibilityFacts, ineligibleBecause, type Permissions } from '../../src/guard/eligibility.js';

const none: Permissions = { withLitestream: false, rowidChange: false };
const plain: EligibilityFacts = {
  operation: 'vacuum',
  features: { collations: [], functions: [], rowidTables: ['logs'], boundToRowids: [] },
  surroundings: { litestream: null, networkFileSystem: null },
  sqliteVersion: '3.53.2',
};
const collated = {
  ...plain.features,
  collations: [
    { name: 'GERMAN', by: 'by_name' },
    { name: 'GERMAN', by: 'by_town' },
  ],
};
const computed = { ...plain.features, functions: [{ name: 'soundex2', by: 'by_sound' }] };
const bound = { ...plain.features, boundToRowids: [{ name: 'logs_fts', by: 'logs' }] };

test.each(['vacuum', 'reindex'] as const)('an ordinary database is eligible for %s', (operation) => {
  expect(ineligibleBecause({ ...plain, operation }, none)).toBeUndefined();
});

test.each<[string, Partial<EligibilityFacts>, RegExp]>([
  ['SQLite itself is too old', { sqliteVersion: '3.51.2' }, /^SQLite 3\.51\.2 of this program is older than 3\.51\.3/],
  ['SQLite is very old', { sqliteVersion: '3.9.0' }, /older/],
  [
    'it lies on a network',
    { surroundings: { litestream: null, networkFileSystem: 'nfs4' } },
    /network file system \(nfs4\)/,
  ],
  [
    'Litestream is there',
    { surroundings: { litestream: '/d/.a.db-litestream', networkFileSystem: null } },
    /with_litestream: true allows it$/,
  ],
  [
    'an index has a foreign collation',
    { operation: 'reindex', features: collated },
    /^by_name \(and 1 more\) uses the collation GERMAN/,
  ],
  [
    'an index has a foreign function',
    { operation: 'reindex', features: computed },
    /^by_sound uses the function soundex2/,
  ],
  [
    'a full-text table finds rows by number',
    { features: bound },
    /rows of logs anew, and the full-text table logs_fts finds .*vacuum_allow_rowid_change: true$/,
  ],
])('not eligible when %s', (_, over, why) => {
  expect(ineligibleBecause({ ...plain, ...over }, none)).toMatch(why);
});

test.each<[string, Partial<EligibilityFacts>, Partial<Permissions>]>([
  ['VACUUM with foreign collations, which it needs not', { features: collated }, {}],
  ['VACUUM with foreign functions', { features: computed }, {}],
  ['REINDEX beside a full-text table bound to rowids', { operation: 'reindex', features: bound }, {}],
  ['what the operator allows: rowids', { features: bound }, { rowidChange: true }],
  [
    'what the operator allows: Litestream',
    { surroundings: { litestream: '/x', networkFileSystem: null } },
    { withLitestream: true },
  ],
  ['a newer SQLite', { sqliteVersion: '4.0.0' }, {}],
  ['the first safe SQLite', { sqliteVersion: '3.51.3' }, {}],
])('eligible: %s', (_, over, permissions) => {
  expect(ineligibleBecause({ ...plain, ...over }, { ...none, ...permissions })).toBeUndefined();
});

test('nobody may allow a network file system', () => {
  const all = { withLitestream: true, rowidChange: true };
  expect(ineligibleBecause({ ...plain, surroundings: { litestream: null, networkFileSystem: 'cifs' } }, all)).toMatch(
    /cifs/,
  );
});
