/**
 * Writes the reference of every key into docs/configuration.md, between its two markers, from config.schema.json: `npm run build`.
 * With `--check` it writes nothing, and fails when the page is not what it would write.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const page = new URL('../docs/configuration.md', import.meta.url);
const schema = JSON.parse(readFileSync(new URL('../config.schema.json', import.meta.url), 'utf8'));
const begin = '<!-- From here on made by scripts/config-reference.mjs; edit src/config/schema.ts instead. -->';
const end = '<!-- Made until here. -->';

const before = readFileSync(page, 'utf8');
const [from, to] = [before.indexOf(begin), before.indexOf(end)];
if (from === -1 || to < from) throw new Error(`${page.pathname} has lost its markers`);
const after = `${before.slice(0, from + begin.length)}\n\n${reference().join('\n')}\n${before.slice(to)}`;

if (!process.argv.includes('--check')) writeFileSync(page, after);
else if (before !== after) {
  console.error('docs/configuration.md is not up to date: run `npm run build`');
  process.exitCode = 1;
}

function reference() {
  const { jobs, notify, ...others } = schema.properties;
  const { databases, schedules, log, http } = others;
  const general = { ...others, notify };
  const channel = notify.properties.channels.additionalProperties;
  const kinds = Object.entries(channel.properties).filter(([, value]) => value.properties !== undefined);
  return [
    ...section('The whole program', { ...schema, properties: general }),
    ...section('`log`', { ...log, description: undefined }),
    ...section('`http`', { ...http.anyOf[0], description: undefined }),
    ...section('`databases.NAME`', databases.additionalProperties),
    ...section('`databases.NAME.hooks`', databases.additionalProperties.properties.hooks, '###'),
    ...section('`schedules.NAME`', schedules.additionalProperties),
    '## `jobs`',
    '',
    'Options of each kind of job, for all databases; under `databases.NAME.jobs` for one of them. Key by key, what stands there',
    'holds, else the common value, else the default.',
    '',
    ...Object.entries(jobs.properties).flatMap(([kind, options]) => section(`\`jobs.${kind}\``, options, '###')),
    ...section('`notify`', { ...notify, description: undefined }),
    ...section('`notify.channels.NAME`', {
      ...channel,
      description: `One of ${kinds.map(([kind]) => `\`${kind}\``).join(', ')}, and what it is told.`,
    }),
    ...kinds.flatMap(([kind, options]) => section(`\`notify.channels.NAME.${kind}\``, options, '###')),
  ];
}

/** @param {string} title */
function section(title, { description, properties, required = [] }, level = '##') {
  const keys = Object.entries(properties);
  return [
    `${level} ${title}`,
    '',
    ...(description === undefined ? [] : [description, '']),
    ...(keys.length === 0 ? ['No options.', ''] : table(keys, required)),
  ];
}

function table(keys, required) {
  const rows = keys.map(([key, value]) => [
    `\`${key}\``,
    typeOf(value),
    required.includes(key) ? '_required_' : defaultOf(value),
    (value.description ?? '').replace(/[*_]/g, String.raw`\$&`),
  ]);
  const head = ['key', 'type', 'default', 'meaning'];
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const lines = cells.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`);
  return [lines[0], `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.slice(1), ''];
}

function defaultOf({ default: value }) {
  if (value === undefined || value === null) return '';
  const isEmpty = typeof value === 'object' && Object.keys(value).length === 0;
  return isEmpty ? '' : `\`${value}\``;
}

/** In the words of somebody who writes the file. */
function typeOf(value) {
  const plain = withoutReference(value);
  if (plain.enum !== undefined) return plain.enum.map((word) => `\`${word}\``).join(', ');
  if (plain.pattern?.includes('KiB')) return 'size';
  if (plain.pattern?.includes('ms|s|m')) return 'duration';
  switch (plain.type) {
    case 'array':
      return `list of ${plain.items.type === 'object' ? `{ ${Object.keys(plain.items.properties).join(', ')} }` : typeOf(plain.items)}`;
    case 'object':
      return plain.additionalProperties instanceof Object ? 'mapping by name' : 'mapping';
    case 'integer':
      return `whole number${range(plain)}`;
    case 'number':
      return `number${range(plain)}`;
    case 'boolean':
      return '`true`, `false`';
    default:
      return 'text';
  }
}

/** Most values may come from elsewhere, or be absent: that is said once, above the tables. */
function withoutReference(value) {
  const choice = value.anyOf?.find((one) => one.$ref === undefined && one.type !== 'null');
  return choice === undefined ? value : withoutReference(choice);
}

function range({ minimum, maximum }) {
  if (maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) return `, ${minimum} to ${maximum}`;
  return minimum === undefined ? '' : `, ${minimum} or more`;
}
