import fs from 'node:fs';
import { expect, test } from 'vitest';
import { configJsonSchema } from '../../src/config/json-schema.js';

const committed = new URL('../../config.schema.json', import.meta.url);
const aDurationPattern: unknown = expect.stringContaining('ms|s|m|h|d');
const aSizePattern: unknown = expect.stringContaining('KiB');
const something: unknown = expect.any(Object);
const reference = { $ref: '#/$defs/reference' };

test('config.schema.json is what the code says: after a change, npm run build && node scripts/config-schema.mjs', () => {
  expect(fs.readFileSync(committed, 'utf8')).toBe(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
});

test('every key has a description', () => {
  const without: string[] = [];
  const look = (schema: unknown, where: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    for (const [key, value] of Object.entries(schema) as [string, unknown][]) {
      if (key === 'properties') {
        for (const [name, property] of Object.entries(value as Record<string, object>)) {
          if (!('description' in property)) without.push(`${where}.${name}`);
          look(property, `${where}.${name}`);
        }
      } else if (key !== '$defs') look(value, where);
    }
  };
  look(configJsonSchema(), '');
  expect(without).toEqual([]);
});

test('durations and sizes are text with units, their defaults too, and references are allowed in their place', () => {
  expect(configJsonSchema()).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    additionalProperties: false,
    required: ['databases', 'schedules'],
    properties: {
      shutdown_timeout: {
        default: '10s',
        anyOf: [{ type: 'string', pattern: aDurationPattern }, reference],
      },
      child_memory: {
        default: '1GiB',
        anyOf: [{ type: 'string', pattern: aSizePattern }, reference],
      },
      concurrency: { default: 1, anyOf: [{ type: 'integer', minimum: 1 }, reference] },
      databases: {
        propertyNames: { type: 'string' },
        additionalProperties: { properties: { path: { anyOf: [{ type: 'string' }, reference] } } },
      },
      schedules: { additionalProperties: { properties: { jitter: { default: '0s' } } } },
      jobs: { properties: { health: { properties: { max_backup_age: { default: '26h' } } } } },
    },
    $defs: { reference: something },
  });
});
