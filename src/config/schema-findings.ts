/** Checks a document against the schema: the values with their defaults, or zod's issues as messages for people, each with its path. */
import { z } from 'zod';
import { type ConfigDocument, childSchema, documentSchema, mappingAmong, unwrapped } from './schema.js';
import { suggestion } from './suggest.js';

interface SchemaFinding {
  readonly path: readonly PropertyKey[];
  /** Whether the key at `path` is at fault, not its value. */
  readonly part: 'key' | 'value';
  readonly message: string;
}

export type Checked =
  | { readonly document: ConfigDocument; readonly findings: readonly [] }
  | { readonly document: undefined; readonly findings: readonly SchemaFinding[] };

export function checkDocument(raw: unknown): Checked {
  const result = documentSchema.safeParse(raw, { error: wording });
  if (result.success) return { document: result.data, findings: [] };
  return { document: undefined, findings: result.error.issues.flatMap(findingsOf) };
}

function findingsOf(issue: z.core.$ZodIssue): SchemaFinding[] {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], part: 'key', message: unknownKey(key, path) }));
  }
  if (issue.code === 'invalid_union') {
    // Each alternative has said what is wrong: where a mapping was written, what the one for mappings said is of use.
    const inside = issue.errors.find((issues) =>
      issues.some(({ path: below, code }) => below.length > 0 || code === 'unrecognized_keys'),
    );
    if (inside !== undefined) return inside.flatMap((each) => findingsOf({ ...each, path: [...path, ...each.path] }));
  }
  return [{ path, part: issue.code === 'invalid_key' ? 'key' : 'value', message }];
}

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const found = unwrapped(path.reduce<z.core.$ZodType | undefined>(childSchema, documentSchema));
  const mapping = found instanceof z.ZodUnion ? mappingAmong(found) : found;
  const known = mapping instanceof z.ZodObject ? Object.keys(mapping.shape) : [];
  return `unknown key \`${key}\`${suggestion(key, known)}`;
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (name: …)',
};

/** The message of an issue. Where a schema says it better itself (a duration, a name), its own words stand, and this is not asked. */
function wording(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, issue.input);
    case 'invalid_value':
      return notOneOf(issue.values.map(String), issue.input);
    case 'too_small':
      if (issue.origin === 'string') return 'is empty';
      return issue.origin === 'array' ? 'at least one is needed' : `at least ${issue.minimum} is needed`;
    case 'too_big':
      return `at most ${issue.maximum} is allowed`;
    case 'invalid_key':
      return issue.issues[0]?.message;
    case 'invalid_union':
      return unionWording(issue);
    default:
      return undefined;
  }
}

/** The only unions are of a mapping and `false`, and of text and number. */
function unionWording({ input, inst }: z.core.$ZodRawIssue): string {
  if (input === undefined) return 'is missing';
  const switchable = inst instanceof z.ZodUnion && mappingAmong(inst) !== undefined;
  return switchable ? 'a mapping (key: value) or false is needed' : 'text or a number is needed';
}

function wrongType(expected: string, input: unknown): string {
  if (input === undefined) return 'is missing';
  const needed = `${nouns[expected] ?? expected} is needed`;
  if (input === null) return `has no value: ${needed}`;
  const needsQuotes = expected === 'string' && (typeof input === 'number' || typeof input === 'boolean');
  return needsQuotes ? `${needed}: put ${String(input)} in quotes` : needed;
}

/** What was written is not repeated: it may come from a secret. */
function notOneOf(values: readonly string[], input: unknown): string {
  if (input === undefined) return 'is missing';
  if (typeof input !== 'string') return `one of ${values.join(', ')} is needed`;
  return `not one of ${values.join(', ')}${suggestion(input, values)}`;
}
