/** What is wrong with a cron pattern or a time zone, said for people. What they mean is schedule/slots.ts's to know. */
import { assertTimeZone, createSlots } from '../schedule/slots.js';
import { suggestion } from './suggest.js';

const fields = [
  ['a minute', '0-59'],
  ['an hour', '0-23'],
  ['a day of the month', '1-31, or L for the last'],
  ['a month', '1-12 or JAN-DEC'],
  ['a day of the week', '0-7 (0 and 7 are Sunday) or SUN-SAT'],
] as const;

/** Undefined when the pattern is valid and some date matches it. */
export function cronMistake(cron: string): string | undefined {
  const mistake = mistakeOf(cron);
  if (mistake === undefined) return undefined;
  const given = cron.trim().split(/\s+/);
  if (given.length !== fields.length) return mistake;
  // Each field is tried alone, so that the one at fault can be named whatever the parser said.
  for (const [index, [name, range]] of fields.entries()) {
    const field = given[index] ?? '*';
    const alone = fields.map((_, i) => (i === index ? field : '*')).join(' ');
    if (mistakeOf(alone) === undefined) continue;
    return `"${field}" is not ${name}: use ${range}, *, lists (1,2), ranges (1-5) or steps (*/2)`;
  }
  return mistake;
}

/** Undefined when this is the IANA name of a time zone. */
export function timeZoneMistake(timezone: string): string | undefined {
  try {
    assertTimeZone(timezone);
    return undefined;
  } catch {
    const zones = ['UTC', ...Intl.supportedValuesOf('timeZone')];
    const city = zones.find((zone) => zone.toLowerCase().endsWith(`/${timezone.toLowerCase().replaceAll(' ', '_')}`));
    const meant = city === undefined ? suggestion(timezone, zones) : `: did you mean \`${city}\`?`;
    return `unknown time zone${meant === '' ? ': an IANA name is needed, such as Europe/Berlin or UTC' : meant}`;
  }
}

function mistakeOf(cron: string): string | undefined {
  try {
    createSlots(cron, 'UTC');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
