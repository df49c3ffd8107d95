/** Holds what docs/architecture.md says about who may import whom. A new import that breaks it is either moved, or argued for there first. */
import fs from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { jobKindNames } from '../src/jobs/registry.js';

const root = path.join(import.meta.dirname, '..');
const src = path.join(root, 'src');

interface Import {
  /** Relative to src. */
  readonly from: string;
  /** A file relative to src, or a package. */
  readonly to: string;
  readonly ours: boolean;
  /** Only types: gone once compiled. */
  readonly typeOnly: boolean;
}

const files = fs
  .readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();
const imports = files.flatMap(importsOf);
const ours = imports.filter((one) => one.ours);

/** The folder of a file; a file at the top stands for itself. */
const roomOf = (file: string): string =>
  file.includes(path.sep) ? (file.split(path.sep)[0] ?? '') : file.replace(/\.ts$/, '');

/** The sentence of docs/architecture.md. `errors`, `units` and `plain` are everybody's; cli and daemon import everything. */
const anything: readonly string[] = ['daemon', 'cli'];
const values: Readonly<Record<string, readonly string[]>> = {
  config: ['jobs', 'notify'],
  jobs: ['guard', 'engine', 'sqlite', 'files'],
  guard: ['jobs', 'engine', 'sqlite', 'files'],
  engine: ['sqlite', 'files'],
  overview: ['jobs', 'schedule'],
  report: ['html'],
  http: ['html', 'jobs'],
};
const types: Readonly<Record<string, readonly string[]>> = {
  config: ['schedule'],
  schedule: ['jobs'],
  history: ['jobs'],
  report: ['jobs'],
  notify: ['jobs', 'history'],
  html: ['jobs'],
  overview: ['config', 'engine', 'files', 'history'],
  http: ['overview'],
};

/** Imports between folders that the sentence does not name, each with its reason. One that is no longer needed fails the test. */
const besides: Readonly<Record<string, string>> = {
  'config/cron -> schedule': 'a pattern is valid when the scheduler can make slots of it',
  'config/clock-changes -> schedule': 'what a clock change does to a pattern, only slots.ts knows',
  'config/schema -> profiles': 'the names of profiles; profiles are data',
  'jobs/job -> profiles': 'a target has its profile; profiles are data',
  'jobs/targets -> profiles': 'a target has its profile; profiles are data',
  'guard/audit -> version': 'who carried a restore out',
  'guard/run -> version': 'who made a decision',
  'guard/guarded-run -> version': 'who intended something',
  'jobs/backup-manifest -> version': 'who wrote a manifest',
  'jobs/analyze -> version': 'whether the library may write at all',
  'schedule/run -> jobs': 'somebody must call the jobs: the one runner',
  'schedule/run -> engine': 'it opens the session that jobs are handed',
  'schedule/run -> files': 'the path of the lock',
  'schedule/plan -> jobs': 'the dry run calls them too',
  'schedule/plan -> engine': 'it opens the session that jobs are handed',
  'overview/watch -> engine': 'it has backups listed, by a child',
  'overview/watch -> version': 'whose picture it is',
  'overview/problems -> report': 'what to do about an error is said in one place',
  'history/history -> jobs': 'the list of outcomes',
  'history/history -> sqlite': 'it is a database of ours, and only sqlite/ opens databases',
  'history/file -> sqlite': 'it is a database of ours',
  'history/runs -> sqlite': 'it is a database of ours',
  'history/runs -> jobs': 'the worst of outcomes',
  'history/schema -> sqlite': 'it is a database of ours',
  'history/retain -> sqlite': 'it is a database of ours',
  'history/guard -> sqlite': 'it is a database of ours',
  'history/knowledge -> sqlite': 'it is a database of ours',
  'history/problems -> sqlite': 'it is a database of ours',
  'history/outbox -> sqlite': 'it goes on in a database in memory',
  'history/outbox-rows -> sqlite': 'it is a database of ours',
  'notify/http -> version': 'who asks',
  'notify/notifier -> log': 'what the log must not say, no message may',
  'notify/trial -> log': 'what the log must not say, no message may',
  'log/log -> jobs': 'the type of a logger',
  'service/systemd -> jobs': 'the type of a logger',
  'sqlite/live-header -> files': 'a read that does all of what was asked for',
  'sqlite/operations/restore-cut-short -> files': 'it locks the file beside which a journal is written',
  'sqlite/file-copy -> files': 'large files are copied at the pace of the disk',
  'sqlite/operations/copy-ahead -> files': 'removing what was begun, as whoever writes files does',
  'sqlite/operations/raw-copy -> files': 'removing what was begun, as whoever writes files does',
  'sqlite/operations/vacuum -> files':
    'whether anybody would wait for the checkpoint afterwards, only the kernel knows',
  'sqlite/operations/match-page-size -> files': 'removing what was begun',
  'sqlite/operations/salvage -> files': 'a new file made durable, or removed',
  'sqlite/operations/snapshot -> files': 'the two bytes of a header that say which journal a copy uses',
};

test('every import between folders is one that the architecture allows', () => {
  const used = new Set<string>();
  const forbidden = ours.filter(({ from, to, typeOnly }) => {
    const [here, there] = [roomOf(from), roomOf(to)];
    if (here === there || anything.includes(here) || there === 'errors') return false;
    if ((there === 'units' || there === 'plain') && here !== 'errors') return false;
    if (values[here]?.includes(there) === true) return false;
    if (typeOnly && types[here]?.includes(there) === true) return false;
    const named = `${from.replace(/\.ts$/, '')} -> ${there}`;
    used.add(named);
    return !(named in besides);
  });
  expect(forbidden.map(({ from, to, typeOnly }) => `${from} imports ${typeOnly ? 'types of ' : ''}${to}`)).toEqual([]);
  expect(Object.keys(besides).filter((named) => !used.has(named))).toEqual([]);
});

test('errors.ts and plain.ts import nothing, and units.ts only zod', () => {
  const of = (file: string): string[] => imports.filter(({ from }) => from === file).map(({ to }) => to);
  expect(of('errors.ts')).toEqual([]);
  expect(of('plain.ts')).toEqual([]);
  expect(of('units.ts')).toEqual(['zod']);
});

test('no two folders import each other, not even in a circle, and no two files', () => {
  // The guard takes copies and confirms damage as jobs do, and jobs hand it their work: two rooms with one door between them.
  const apartmentOf = (file: string): string => (roomOf(file) === 'guard' ? 'jobs' : roomOf(file));
  expect(circleIn(ours.map(({ from, to }) => [apartmentOf(from), apartmentOf(to)]))).toEqual([]);
  // Types may: job.ts names the engine's session, whose operations name what jobs store.
  expect(circleIn(ours.filter(({ typeOnly }) => !typeOnly).map(({ from, to }) => [from, to]))).toEqual([]);
});

describe('a library has its one place:', () => {
  test.each([
    ['better-sqlite3', /^sqlite\//],
    ['croner', /^schedule\//],
    ['pino', /^log\//],
    ['prom-client', /^http\//],
    ['yaml', /^config\//],
    ['commander', /^cli\//],
    ['@commander-js/extra-typings', /^cli\//],
    ['tinyglobby', /^files\//],
    ['nodemailer', /^notify\/email\.ts$/],
    ['node:child_process', /^(?:engine|service)\/|^guard\/hooks\.ts$|^notify\/exec\.ts$/],
    ['node:worker_threads', /^engine\//],
  ])('%s', (library, place) => {
    const users = imports.filter(({ to }) => to === library || to.startsWith(`${library}/`)).map(({ from }) => from);
    expect(users.filter((file) => !place.test(file))).toEqual([]);
  });
});

test('what a session can do runs in the child: the main process calls no operation on databases or backups', () => {
  const host = ['engine/engine.ts', 'engine/child.ts', 'engine/messages.ts'];
  const inHost = ours.filter(({ from, typeOnly }) => host.includes(from) && !typeOnly).map(({ to }) => to);
  expect(inHost.filter((file) => /^(?:sqlite|files)\/|operations/.test(file))).toEqual([]);
  const byJobs = ours.filter(
    ({ from, to, typeOnly }) => roomOf(from) === 'jobs' && !typeOnly && /^(?:sqlite|files|engine)\//.test(to),
  );
  // What the rows of a check mean is pure.
  const pure = ['engine/backups.ts', 'files/names.ts', 'sqlite/findings.ts'];
  expect([...new Set(byJobs.map(({ to }) => to))].sort()).toEqual(pure);
  // The guard besides: the lock of the audit log, a file of our own.
  const byGuard = ours.filter(
    ({ from, to, typeOnly }) => roomOf(from) === 'guard' && !typeOnly && /^(?:sqlite|files|engine)\//.test(to),
  );
  expect([...new Set(byGuard.map(({ to }) => to))].sort()).toEqual([...pure, 'sqlite/operations/lock.ts']);
});

test('what a child loads for an ordinary run has no zod in it, which would take as long to load as all the rest', () => {
  const reach = (file: string, seen = new Set<string>()): Set<string> => {
    if (seen.has(file)) return seen;
    seen.add(file);
    for (const { from, to, typeOnly } of imports) if (from === file && !typeOnly) reach(to, seen);
    return seen;
  };
  const operations = imports.filter(({ from, typeOnly }) => from === 'engine/operations.ts' && !typeOnly);
  const withZod = operations.filter(({ to }) => reach(to).has('zod')).map(({ to }) => to);
  expect([...new Set(withZod)].sort()).toEqual([
    'files/quarantine.ts',
    'files/restore-marks.ts',
    'sqlite/operations/restore-live.ts',
  ]);
});

test('a file is named for its idea: no utils, helpers, types or common', () => {
  const vague = /(?:^|[/\\])(?:utils?|helpers?|types?|common|misc|shared|lib)(?:\.ts$|[/\\])/i;
  expect(files.filter((file) => vague.test(file))).toEqual([]);
});

test('every kind of job appears in config.example.yaml: in a schedule, and with its options', () => {
  const text = fs.readFileSync(path.join(root, 'config.example.yaml'), 'utf8');
  const { schedules } = parse(text) as { schedules: Record<string, { jobs: string[] }> };
  const scheduled = new Set(Object.values(schedules).flatMap(({ jobs }) => jobs));
  const options = text.slice(text.lastIndexOf('\njobs:'));
  for (const kind of jobKindNames) {
    expect(scheduled, kind).toContain(kind);
    expect(options, kind).toMatch(new RegExp(`^ {2}(?:# )?${kind}:`, 'm'));
  }
});

test('every folder that docs/architecture.md draws exists, and every folder is drawn', () => {
  const drawn = fs.readFileSync(path.join(root, 'docs', 'architecture.md'), 'utf8').split('```')[1] ?? '';
  const inPicture = [...drawn.slice(0, drawn.indexOf('\ntest/')).matchAll(/^ {2}([\w.-]+?)\/? {2,}/gm)].map(
    ([, name]) => name,
  );
  // What is not worth a line in the picture.
  const undrawn = ['version.ts'];
  expect([...inPicture].sort()).toEqual(
    fs
      .readdirSync(src)
      .filter((name) => !undrawn.includes(name))
      .sort(),
  );
});

function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, fs.readFileSync(path.join(src, file), 'utf8'), ts.ScriptTarget.ES2023);
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const relative = specifier.startsWith('.');
    const to = relative ? path.join(path.dirname(file), specifier).replace(/\.js$/, '.ts') : specifier;
    found.push({ from: file, to, ours: relative && to.endsWith('.ts'), typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier))
      add(node.moduleSpecifier.text, isTypeOnly(node.importClause));
    if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined && ts.isStringLiteral(node.moduleSpecifier))
      add(node.moduleSpecifier.text, node.isTypeOnly || allTypes(node.exportClause));
    const [argument] = ts.isCallExpression(node) ? node.arguments : [];
    if (
      ts.isCallExpression(node) &&
      node.expression.kind === ts.SyntaxKind.ImportKeyword &&
      argument &&
      ts.isStringLiteral(argument)
    )
      add(argument.text, false);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  return clause.name === undefined && allTypes(clause.namedBindings);
}

function allTypes(bindings: ts.NamedImportBindings | ts.NamedExportBindings | undefined): boolean {
  if (bindings === undefined || !(ts.isNamedImports(bindings) || ts.isNamedExports(bindings))) return false;
  return bindings.elements.every((element) => element.isTypeOnly);
}

/** The first circle found, as the names on it; none: empty. */
function circleIn(edges: readonly (readonly [from: string, to: string])[]): string[] {
  const next = new Map<string, Set<string>>();
  for (const [from, to] of edges) if (from !== to) next.set(from, (next.get(from) ?? new Set()).add(to));
  const done = new Set<string>();
  const walk = (name: string, way: readonly string[]): string[] => {
    if (way.includes(name)) return [...way.slice(way.indexOf(name)), name];
    if (done.has(name)) return [];
    for (const to of next.get(name) ?? []) {
      const circle = walk(to, [...way, name]);
      if (circle.length > 0) return circle;
    }
    done.add(name);
    return [];
  };
  for (const name of next.keys()) {
    const circle = walk(name, []);
    if (circle.length > 0) return circle;
  }
  return [];
}
