/**
 * The id of a database's part of the page: for any name at all one that is safe in an attribute and in a link, the same from day to day,
 * and different from every other one.
 */
import { createHash } from 'node:crypto';

const longest = 64;

export function anchorOf(database: string): string {
  const safe = database.replace(/[^A-Za-z0-9.-]/g, (unit) => `_${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (safe.length <= longest) return `db-${safe}`;
  return `long-db-${createHash('sha256').update(JSON.stringify(database)).digest('hex').slice(0, 40)}`;
}
