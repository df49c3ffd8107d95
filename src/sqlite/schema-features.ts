/**
 * What in a schema forbids a rewrite: collations and functions that this program does not have (or has otherwise), and tables whose
 * rowids somebody relies on although VACUUM numbers them anew. Reading only the schema; no row is looked at.
 *
 * https://www.sqlite.org/lang_vacuum.html: "may change the ROWIDs for entries in any tables that do not have an explicit INTEGER PRIMARY KEY"
 */
import type { Connection } from './open.js';
import { expressionsOf, foreignIn, fullTextContent } from './schema-text.js';

export interface SchemaFeatures {
  /** Collations other than SQLite's three, each with the index or table that uses it. */
  readonly collations: readonly Use[];
  /** Functions that are not SQLite's, in indexes and generated columns. */
  readonly functions: readonly Use[];
  /** Tables whose rowids VACUUM may change. */
  readonly rowidTables: readonly string[];
  /** Full-text tables that find their content by the rowids of one of those: `name` is the full-text table, `by` its content. */
  readonly boundToRowids: readonly Use[];
}

export interface Use {
  readonly name: string;
  /** The index, table or view concerned. */
  readonly by: string;
}

interface SchemaObject {
  readonly type: string;
  readonly name: string;
  readonly sql: string | null;
}

const ownCollations: ReadonlySet<string> = new Set(['BINARY', 'NOCASE', 'RTRIM']);

export function schemaFeatures(connection: Connection): SchemaFeatures {
  const objects = connection.prepare<[], SchemaObject>('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all();
  const functions = new Set(
    connection
      .prepare('SELECT DISTINCT lower(name) FROM pragma_function_list WHERE builtin = 1')
      .pluck()
      .all()
      .map(String),
  );
  const rowidTables = tablesWithChangingRowids(connection);
  const foreign = objects.flatMap(({ name, sql, type }) =>
    expressionsOf(type, sql ?? '').map((expression) => ({ by: name, ...foreignIn(expression, functions) })),
  );
  return {
    collations: distinct([
      ...indexedCollations(connection),
      ...foreign.flatMap(({ by, collations }) =>
        collations.filter((name) => !ownCollations.has(name.toUpperCase())).map((name) => ({ name, by })),
      ),
    ]),
    functions: distinct(foreign.flatMap(({ by, functions: names }) => names.map((name) => ({ name, by })))),
    rowidTables,
    boundToRowids: boundToRowids(objects, rowidTables),
  };
}

function indexedCollations(connection: Connection): Use[] {
  return connection
    .prepare<[], Use>(
      `SELECT DISTINCT coll AS name, i.name AS by FROM sqlite_schema AS i, pragma_index_xinfo(i.name)
       WHERE i.type = 'index' AND coll IS NOT NULL AND upper(coll) NOT IN ('BINARY', 'NOCASE', 'RTRIM') ORDER BY 1, 2`,
    )
    .all();
}

/** A rowid table has its rowid as INTEGER PRIMARY KEY exactly when it has a primary key and no index for it. */
function tablesWithChangingRowids(connection: Connection): string[] {
  return connection
    .prepare(
      `SELECT t.name FROM pragma_table_list AS t
       WHERE t.schema = 'main' AND t.type = 'table' AND t.wr = 0 AND t.name NOT GLOB 'sqlite_*'
         AND (NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(t.name) WHERE pk > 0)
              OR EXISTS (SELECT 1 FROM pragma_index_list(t.name) WHERE origin = 'pk'))
       ORDER BY t.name`,
    )
    .pluck()
    .all()
    .map(String);
}

/** Content that is a view counts when the view speaks of rowids: what they are, it got from some table. */
function boundToRowids(objects: readonly SchemaObject[], rowidTables: readonly string[]): Use[] {
  const changing = new Set(rowidTables.map((name) => name.toLowerCase()));
  const views = new Map(
    objects.filter(({ type }) => type === 'view').map(({ name, sql }) => [name.toLowerCase(), sql ?? '']),
  );
  return objects.flatMap(({ type, name, sql }) => {
    const content = type === 'table' ? fullTextContent(sql ?? '') : undefined;
    if (content === undefined) return [];
    const view = views.get(content.toLowerCase());
    const bound =
      changing.has(content.toLowerCase()) || (view !== undefined && /\b(?:rowid|oid|_rowid_)\b/i.test(view));
    return bound ? [{ name, by: content }] : [];
  });
}

function distinct(uses: readonly Use[]): Use[] {
  return [...new Map(uses.map((use) => [`${use.name.toLowerCase()}\0${use.by}`, use])).values()];
}
