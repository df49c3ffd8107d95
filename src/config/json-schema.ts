/** config.schema.json, for editors: made from the schema that checks the configuration, so that it says the same. */
import { z } from 'zod';
import { documentSchema } from './schema.js';

/** JSON Schema (draft 2020-12) of the configuration as it is written: durations and sizes with their units, references allowed. */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(documentSchema, {
    target: 'draft-2020-12',
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema instanceof z.ZodDefault) {
        jsonSchema.default = asWritten(zodSchema.def.defaultValue, jsonSchema.pattern);
      }
    },
  });
  return { title: 'debuggle-maintenance configuration', ...withReferences(schema), $defs: { reference } };
}

/** What may stand for a text, a number or a truth value. */
const reference = {
  description: 'A value from elsewhere: ${NAME} from the environment, a file, or a systemd credential.',
  anyOf: [
    { type: 'string', pattern: String.raw`\$\{[A-Za-z_]` },
    { type: 'object', properties: { file: { type: 'string' } }, required: ['file'], additionalProperties: false },
    {
      type: 'object',
      properties: { credential: { type: 'string' } },
      required: ['credential'],
      additionalProperties: false,
    },
  ],
};

const scalars: readonly unknown[] = ['string', 'number', 'integer', 'boolean'];
/** Not schemas of values: keys are written as they are, and a default is itself a value. */
const opaque: readonly string[] = ['propertyNames', 'default'];

/** The same schema, with a reference allowed wherever a scalar is. */
function withReferences(schema: object): object {
  const inner = Object.fromEntries(
    Object.entries(schema).map(([key, value]: [string, unknown]) => [
      key,
      opaque.includes(key) ? value : anywhere(value),
    ]),
  );
  const types: unknown[] = [inner['type']].flat();
  if (!types.every((type) => scalars.includes(type))) return inner;
  const { description, default: preset, ...scalar } = inner;
  return {
    ...(description !== undefined && { description }),
    ...(preset !== undefined && { default: preset }),
    anyOf: [scalar, { $ref: '#/$defs/reference' }],
  };
}

function anywhere(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(anywhere);
  return typeof value === 'object' && value !== null ? withReferences(value) : value;
}

const durations = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
const sizes = { GiB: 1024 ** 3, GB: 1000 ** 3, MiB: 1024 ** 2, MB: 1000 ** 2, KiB: 1024, kB: 1000, B: 1 };

/** A default as one would write it: durations and sizes in the largest unit that fits, which zod cannot know. */
function asWritten(value: unknown, pattern: string | undefined): unknown {
  if (typeof value !== 'number' || pattern === undefined) return value;
  const units = Object.entries(pattern.includes('KiB') ? sizes : durations);
  const [unit, factor] = units.find(([, factor]) => value >= factor && value % factor === 0) ?? ['s', 1];
  return `${value / factor}${unit}`;
}
