/** What a job measured, in words: the name of a fact ends in its unit. */
import type { Facts, Json } from '../jobs/outcome.js';
import { plain } from '../plain.js';
import { formatBytes, formatDuration } from '../units.js';

export interface Fact {
  readonly label: string;
  readonly text: string;
}

const mostItems = 20;
/** Of `sizeBytes`, `sizeBytesBefore`. */
const unit = /(Bytes|Ms|Ratio)(?=$|Before$)/;

/**
 * `{ sizeBytes: 1200000 }` → `size: 1.2 MB`. Nested facts get their path as label, those in a list one line each; empty ones are left out,
 * and so is what a nested fact says as the job itself does.
 */
export function readableFacts(facts: Facts): readonly Fact[] {
  return Object.entries(facts).flatMap(([name, value]) =>
    readable(name, isObject(value) ? withoutRepeated(value, facts) : value),
  );
}

function withoutRepeated(nested: Facts, facts: Facts): Facts {
  return Object.fromEntries(
    Object.entries(nested).filter(([name, value]) => JSON.stringify(facts[name]) !== JSON.stringify(value)),
  );
}

function readable(name: string, value: Json): readonly Fact[] {
  if (value === null || value === '' || (Array.isArray(value) && value.length === 0)) return [];
  if (Array.isArray(value) && value.length <= mostItems && value.every(isObject)) {
    return value.map((item) => ({ label: labelOf(name), text: Object.entries(item).flatMap(inARow).join(', ') }));
  }
  if (isObject(value)) {
    return Object.entries(value).flatMap(([inner, nested]) =>
      readable(inner, nested).map(({ label, text }) => ({ label: `${labelOf(name)}: ${label}`, text })),
    );
  }
  return [{ label: labelOf(name), text: plain(textOf(name, value)) }];
}

function inARow([name, value]: [string, Json]): readonly string[] {
  return readable(name, value).map(({ label, text }) => `${label} ${text}`);
}

function textOf(name: string, value: Json): string {
  if (typeof value === 'number') return numberOf(name, value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  const items = value.slice(0, mostItems).map((item: Json) => textOf(name, item));
  return value.length > mostItems ? `${items.join(', ')} and ${value.length - mostItems} more` : items.join(', ');
}

function numberOf(name: string, value: number): string {
  switch (unit.exec(name)?.[1]) {
    case 'Bytes':
      return formatBytes(value);
    case 'Ms':
      return formatDuration(value);
    case 'Ratio':
      return `${(value * 100).toFixed(1)} %`;
    default:
      return String(value);
  }
}

/** `freelistRatio` → `freelist`, `walBytes` → `wal`, `rowsPerTable` → `rows per table`. A table's or file's own name stays as it is. */
function labelOf(name: string): string {
  if (!/^[a-z][A-Za-z0-9]*$/.test(name)) return plain(name);
  const words = name.replace(unit, '');
  return words.replace(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
}

function isObject(value: Json): value is Facts {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
