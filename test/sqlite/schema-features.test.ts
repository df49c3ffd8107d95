import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { type SchemaFeatures, schemaFeatures } from '../../src/sqlite/schema-features.js';

/** Of a database that an application with functions and collations of its own has made. */
function featuresOf(sql: string): SchemaFeatures {
  const connection = new Database(':memory:');
  try {
    connection.function('mine', { deterministic: true }, (value: unknown) => value);
    connection.exec(sql);
    return schemaFeatures(connection);
  } finally {
    connection.close();
  }
}

/** better-sqlite3 defines no collations: written into the schema instead. */
function featuresOfCollated(sql: string): SchemaFeatures {
  const connection = new Database(':memory:');
  try {
    connection.unsafeMode(true);
    connection.exec(sql.replaceAll('GERMAN', 'NOCASE'));
    connection.pragma('writable_schema = ON');
    connection.exec("UPDATE sqlite_schema SET sql = replace(sql, 'NOCASE', 'GERMAN')");
    const copy = new Database(connection.serialize());
    try {
      return schemaFeatures(copy);
    } finally {
      copy.close();
    }
  } finally {
    connection.close();
  }
}

test('what SQLite itself has is no obstacle', () => {
  const { collations, functions } = featuresOf(`
    CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY, b, c AS (lower(a) || substr(b, 1, (2)) COLLATE RTRIM), d VARCHAR(10) CHECK (d IN ('x(', 'y')));
    CREATE INDEX i ON t (abs(b), json_extract(a, '$.mine(x)')) WHERE b IS NOT NULL AND (c) IN (1, 2) AND CAST(b AS INTEGER) > 1;
    CREATE UNIQUE INDEX "odd ( name" ON t (iif(b, 1, 2), (CASE WHEN (b) THEN (1) ELSE (2) END)); -- mine(1)
  `);
  expect({ collations, functions }).toEqual({ collations: [], functions: [] });
});

test('functions of the application are found in indexes, their conditions and generated columns; not in CHECKs, views and triggers', () => {
  const { functions } = featuresOf(`
    CREATE TABLE t (a, b GENERATED ALWAYS AS (1 + (mine /* ( */ (a))) STORED, CHECK (mine(a) > 0));
    CREATE INDEX i ON t ("mine"(a));
    CREATE INDEX j ON t (a) WHERE mine(a) = 1;
    CREATE VIEW v AS SELECT mine(a) AS x FROM t;
    CREATE TRIGGER w AFTER INSERT ON t BEGIN SELECT mine(1); END;
  `);
  expect(functions).toEqual([
    { name: 'mine', by: 'i' },
    { name: 'mine', by: 'j' },
    { name: 'mine', by: 't' },
  ]);
});

test('collations of the application are found where an index uses them, through a column or by itself', () => {
  const { collations } = featuresOfCollated(`
    CREATE TABLE t (a TEXT COLLATE GERMAN, b TEXT, c TEXT COLLATE GERMAN);
    CREATE INDEX through_column ON t (a);
    CREATE INDEX by_itself ON t (b COLLATE GERMAN);
    CREATE INDEX none ON t (b);
  `);
  expect(collations).toEqual([
    { name: 'GERMAN', by: 'by_itself' },
    { name: 'GERMAN', by: 'through_column' },
  ]);
});

test('rowids change where no INTEGER PRIMARY KEY holds them', () => {
  const { rowidTables } = featuresOf(`
    CREATE TABLE kept (id INTEGER PRIMARY KEY, a);
    CREATE TABLE without_rowid (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE by_text (id TEXT PRIMARY KEY);
    CREATE TABLE by_int (id INT PRIMARY KEY);
    CREATE TABLE by_two (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
    CREATE TABLE bare (a);
  `);
  expect(rowidTables).toEqual(['bare', 'by_int', 'by_text', 'by_two']);
});

test('a full-text table is bound to rowids only where its content can be numbered anew', () => {
  const { boundToRowids } = featuresOf(`
    CREATE TABLE numbered (id INTEGER PRIMARY KEY, text);
    CREATE TABLE "bare one" (text);
    CREATE VIEW by_rowid AS SELECT rowid AS id, text FROM "bare one";
    CREATE VIEW by_id AS SELECT id, text FROM numbered;
    CREATE VIRTUAL TABLE own USING fts5(text);
    CREATE VIRTUAL TABLE contentless USING fts5(text, content='');
    CREATE VIRTUAL TABLE good USING fts5(text, content=numbered, content_rowid=id);
    CREATE VIRTUAL TABLE bad USING fts5(text, content = 'bare one');
    CREATE VIRTUAL TABLE bad4 USING fts4(content="bare one", text);
    CREATE VIRTUAL TABLE bad_view USING fts5(text, content=by_rowid, content_rowid=id);
    CREATE VIRTUAL TABLE good_view USING fts5(text, content=[by_id], content_rowid=id);
  `);
  expect(boundToRowids).toEqual([
    { name: 'bad', by: 'bare one' },
    { name: 'bad4', by: 'bare one' },
    { name: 'bad_view', by: 'by_rowid' },
  ]);
});
