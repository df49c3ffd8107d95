/**
 * What may stand in a log line. Names and messages come from databases and are hostile: each field is bounded, secrets are replaced, and
 * whatever could end a line or rewrite a terminal is escaped, so that one record is one line.
 */
import { JobError } from '../errors.js';

export interface CleanOptions {
  /** Values that must never be written, as they are at the moment. Empty ones are ignored. */
  readonly secrets: () => readonly string[];
  /** Whether errors that are defects of ours show their stack. */
  readonly stacks: () => boolean;
}

const longestText = 4096;
const longestList = 100;
const deepest = 8;

export interface Cleaner {
  text(text: string): string;
  facts(facts: object): Record<string, unknown>;
}

/** The text with `[redacted]` in place of each secret. */
export function redacted(text: string, secrets: readonly string[]): string {
  // The longest first: one secret may contain another.
  const known = secrets.filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
  return known.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
}

export function createCleaner({ secrets, stacks }: CleanOptions): Cleaner {
  function text(value: string): string {
    return shortened(redacted(value, secrets()));
  }

  function shortened(redacted: string): string {
    if (redacted.length <= longestText) return redacted;
    return `${redacted.slice(0, longestText)}… [${redacted.length - longestText} more characters]`;
  }

  function clean(value: unknown, depth: number): unknown {
    if (typeof value === 'string') return text(value);
    if (typeof value === 'bigint') return value.toString();
    if (typeof value === 'function' || typeof value === 'symbol') return undefined;
    if (typeof value !== 'object' || value === null) return value;
    if (value instanceof Error) return error(value);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (depth === deepest) return '[deeper]';
    if (Array.isArray(value)) {
      const items = value.slice(0, longestList).map((item: unknown) => clean(item, depth + 1));
      return value.length > longestList ? [...items, `[${value.length - longestList} more]`] : items;
    }
    return fields(value, depth);
  }

  function fields(value: object, depth: number): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(value).map(([key, field]: [string, unknown]) => [text(key), clean(field, depth + 1)]),
    );
  }

  function error(value: Error): Record<string, unknown> {
    const code = 'code' in value && typeof value.code === 'string' ? value.code : 'internal';
    const unexpected = !(value instanceof JobError) || value.code === 'internal';
    const origin = value.cause instanceof Error ? value.cause : value;
    return {
      code: text(code),
      message: text(value.message),
      ...(stacks() && unexpected && origin.stack !== undefined && { stack: text(origin.stack) }),
    };
  }

  return { text, facts: (facts) => fields(facts, 0) };
}

/** JSON escapes what is below U+0020; these end lines or turn the direction of writing in some readers. */
const unsafe = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** A line of JSON with nothing in it but what every reader takes as part of the line. Still the same JSON. */
export function escapeLine(json: string): string {
  return json.replace(unsafe, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
