/**
 * YAML text -> plain values with references filled in, and where in the text each of them stands. The library's own conversion to
 * JavaScript is not used: it forgets positions, and lets `__proto__` and repeated aliases through. The walk here stops at a budget.
 */
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, type YAMLMap } from 'yaml';
import { z } from 'zod';
import { contentsOf, type Environment, interpolated, isReferenceKind } from './references.js';
import { childSchema, mappingAmong, unwrapped } from './schema.js';
import { parseYaml } from './yaml-syntax.js';

export type DocumentPath = readonly PropertyKey[];

/** A mistake found at an offset of the text. */
export interface Finding {
  readonly offset: number;
  readonly path: DocumentPath;
  readonly message: string;
}

export interface SourceDocument {
  /** Objects, lists and scalars; undefined where a reference could not be resolved. */
  readonly raw: unknown;
  readonly findings: readonly Finding[];
  /** Whether the value at this path is missing in `raw` for a reason that `findings` give. */
  isUnresolved(path: DocumentPath): boolean;
  /** Whether all of the text was understood; if not, nothing can be said of what is missing in `raw`. */
  readonly isWhole: boolean;
  /** Where a value stands, or its key; for what is not there, the key of the nearest mapping around it. */
  offsetOf(path: DocumentPath, part: 'key' | 'value'): number;
  /** 1-based. */
  positionOf(offset: number): { readonly line: number; readonly column: number };
}

/** Where references lead. Relative paths in `{ file: … }` are relative to `directory`. */
export interface Sources {
  readonly directory: string;
  readonly environment: Environment;
}

type Schema = z.core.$ZodType | undefined;

/** What the walk has gathered so far. */
interface Walk {
  readonly yaml: Document;
  readonly sources: Sources;
  readonly findings: Finding[];
  /** Offsets by path, as JSON. */
  readonly places: Map<string, { readonly key: number; readonly value: number }>;
  /** Paths, as JSON, of values that are not to be had. */
  readonly unresolved: Set<string>;
  /** Values met, those behind aliases each time. */
  nodes: number;
}

const maxNodes = 50_000;
const maxDepth = 40;

/** Ends the walk: there is more than a configuration can hold. */
class TooMuch extends Error {
  readonly finding: Finding;

  constructor(offset: number, message: string) {
    super(message);
    this.finding = { offset, path: [], message: `this is no configuration: ${message}` };
  }
}

/** The schema says where a mapping is expected, and where `{ file: … }` stands for a text instead. */
export function readDocument(text: string, schema: z.core.$ZodType, sources: Sources): SourceDocument {
  const lines = new LineCounter();
  const yaml = parseYaml(text, lines);
  const findings: Finding[] = yaml.findings.map((finding) => ({ ...finding, path: [] }));
  const walk: Walk = { yaml: yaml.document, sources, findings, places: new Map(), unresolved: new Set(), nodes: 0 };
  const { raw, isWhole } = yaml.isWhole ? walked(walk, schema) : { raw: undefined, isWhole: false };
  return {
    raw,
    findings,
    isWhole,
    isUnresolved: (path) => walk.unresolved.has(JSON.stringify(path)),
    offsetOf: (path, part) => offsetOf(walk, path, part),
    positionOf: (offset) => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(line, 1), column: Math.max(col, 1) }; // an empty text has no first line
    },
  };
}

function walked(walk: Walk, schema: Schema): Pick<SourceDocument, 'raw' | 'isWhole'> {
  try {
    return { raw: valueOf(walk, walk.yaml.contents, [], schema), isWhole: true };
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    walk.findings.push(error.finding);
    return { raw: undefined, isWhole: false };
  }
}

function valueOf(walk: Walk, node: Node | null, path: DocumentPath, schema: Schema): unknown {
  walk.nodes++;
  if (walk.nodes > maxNodes) {
    throw new TooMuch(
      offsetOf(walk, path, 'value'),
      `more than ${maxNodes} values, those behind aliases counted each time`,
    );
  }
  if (path.length > maxDepth) {
    throw new TooMuch(
      offsetOf(walk, path, 'value'),
      `nested more than ${maxDepth} deep, or an alias that contains itself`,
    );
  }
  if (isAlias(node)) {
    const target = node.resolve(walk.yaml);
    if (target !== undefined) return valueOf(walk, target, path, schema);
    return report(
      walk,
      path,
      `\`*${node.source}\` refers to an anchor that is not there: if it is text, put it in quotes`,
    );
  }
  if (isMap(node))
    return acceptsText(schema) ? referenceOf(walk, node, path, schema) : mappingOf(walk, node, path, schema);
  if (isSeq(node))
    return node.items.map((item, index) => elementOf(walk, item, [...path, index], childSchema(schema, index)));
  if (!isScalar(node)) return null;
  const { value } = node;
  return typeof value === 'string'
    ? filled(walk, path, schema, value, () => interpolated(value, walk.sources.environment.variables))
    : value;
}

function mappingOf(walk: Walk, map: YAMLMap, path: DocumentPath, schema: Schema): Record<string, unknown> {
  const mapping: Record<string, unknown> = {};
  for (const { key: keyNode, value } of map.items) {
    const key = isScalar(keyNode) ? String(keyNode.value) : '';
    const keyOffset = startOf(keyNode) ?? offsetOf(walk, path, 'value');
    const here = [...path, key];
    walk.places.set(JSON.stringify(here), {
      key: keyOffset,
      value: isBlank(value) ? keyOffset : (startOf(value) ?? keyOffset),
    });
    // Assigned, it would replace the prototype instead of becoming a key that the schema refuses.
    if (key === '__proto__') report(walk, here, 'unknown key `__proto__`', 'key');
    else mapping[key] = valueOf(walk, isNode(value) ? value : null, here, childSchema(schema, key));
  }
  return mapping;
}

function elementOf(walk: Walk, item: unknown, path: DocumentPath, schema: Schema): unknown {
  const offset = startOf(item) ?? offsetOf(walk, path, 'value');
  walk.places.set(JSON.stringify(path), { key: offset, value: offset });
  return valueOf(walk, isNode(item) ? item : null, path, schema);
}

/** `{ file: PATH }` or `{ credential: NAME }` in place of a text; any other mapping is left for the schema to refuse. */
function referenceOf(walk: Walk, map: YAMLMap, path: DocumentPath, schema: Schema): unknown {
  const mapping = mappingOf(walk, map, path, undefined);
  const [[kind, target] = ['', ''], ...others] = Object.entries(mapping);
  if (!isReferenceKind(kind) || others.length > 0) return mapping;
  if (target === undefined) return unresolved(walk, path); // reported already, one level down
  if (typeof target !== 'string') return mapping;
  const { directory, environment } = walk.sources;
  return filled(walk, path, schema, undefined, () => contentsOf(kind, target, directory, environment));
}

/** A text, perhaps from elsewhere. A number or a truth value may come from there, too: then the text is read as one. */
function filled(
  walk: Walk,
  path: DocumentPath,
  schema: Schema,
  written: string | undefined,
  resolve: () => string,
): unknown {
  let text: string;
  try {
    text = resolve();
  } catch (error) {
    return report(walk, path, error instanceof Error ? error.message : String(error));
  }
  if (text === written) return text;
  const expected = unwrapped(schema);
  if (expected instanceof z.ZodNumber && /^-?\d+(?:\.\d+)?$/.test(text)) return Number(text);
  if (expected instanceof z.ZodBoolean && /^(?:true|false)$/.test(text)) return text === 'true';
  return text;
}

/** Whether a text, a number or a truth value is expected here. */
function acceptsText(schema: Schema): boolean {
  const bare = unwrapped(schema);
  const expected = bare instanceof z.ZodUnion ? (mappingAmong(bare) ?? bare) : bare;
  return (
    expected !== undefined &&
    !(expected instanceof z.ZodObject || expected instanceof z.ZodRecord || expected instanceof z.ZodArray)
  );
}

/** Takes the place of a value that is not to be had: undefined. */
function report(walk: Walk, path: DocumentPath, message: string, part: 'key' | 'value' = 'value'): unknown {
  walk.findings.push({ offset: offsetOf(walk, path, part), path, message });
  return unresolved(walk, path);
}

function unresolved(walk: Walk, path: DocumentPath): unknown {
  walk.unresolved.add(JSON.stringify(path));
  return undefined;
}

function offsetOf(walk: Walk, path: DocumentPath, part: 'key' | 'value'): number {
  const place = walk.places.get(JSON.stringify(path));
  if (place !== undefined) return place[part];
  return path.length === 0 ? 0 : offsetOf(walk, path.slice(0, -1), 'key');
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function isBlank(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null && (node.source ?? '') === '');
}
