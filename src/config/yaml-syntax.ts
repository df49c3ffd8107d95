/** YAML 1.2 text -> the library's document, and what is wrong with its syntax, said for people. */
import { type Document, type LineCounter, parseDocument, type YAMLError } from 'yaml';

interface SyntaxFinding {
  readonly offset: number;
  readonly message: string;
}

export interface ParsedYaml {
  readonly document: Document;
  /** At most one a line: what follows a mistake on its line is mostly its echo. */
  readonly findings: readonly SyntaxFinding[];
  /** Whether what was understood is the whole text. A key written twice does not hide the others. */
  readonly isWhole: boolean;
}

export function parseYaml(text: string, lines: LineCounter): ParsedYaml {
  const document = parseDocument(text, {
    version: '1.2',
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    prettyErrors: false,
    logLevel: 'error',
    lineCounter: lines,
  });
  const [first, ...others] = [...document.errors, ...document.warnings];
  // Once a { or [ is closed too early, the parser stumbles over every line that follows.
  const echo = /in YAML stream/;
  const complaints = first === undefined ? [] : [first, ...others.filter(({ message }) => !echo.test(message))];
  const findings: SyntaxFinding[] = [];
  if (document.directives.yaml.version !== '1.2') {
    findings.push({ offset: 0, message: 'YAML 1.2 is read here: remove the %YAML line' });
  }
  const seen = new Set<number>();
  for (const complaint of complaints) {
    const { line } = lines.linePos(complaint.pos[0]);
    if (seen.has(line)) continue;
    seen.add(line);
    findings.push(finding(complaint, text, lines.lineStarts[line - 1] ?? 0));
  }
  return { document, findings, isWhole: complaints.every(({ code }) => code === 'DUPLICATE_KEY') };
}

function finding({ code, message, pos }: YAMLError, text: string, lineStart: number): SyntaxFinding {
  const [offset] = pos;
  const line = text.slice(lineStart).split('\n', 1)[0] ?? '';
  const cron = /\bcron["']?:\s+(?<pattern>[*@%](?:(?!, |[}#\r\n]).)*)/d.exec(line);
  const pattern = cron?.groups?.['pattern']?.trim();
  if (pattern !== undefined) {
    const at = lineStart + (cron?.indices?.groups?.['pattern']?.[0] ?? 0);
    return {
      offset: at,
      message: `a cron pattern needs quotes here, or YAML reads it as something else: "${pattern}"`,
    };
  }
  const reference = /[{[,].*?(?<reference>(?<!["'$])\$\{[^}]*\})/d.exec(line);
  if (code === 'UNEXPECTED_TOKEN' && reference !== null) {
    const at = lineStart + (reference.indices?.groups?.['reference']?.[0] ?? 0);
    const written = reference.groups?.['reference'] ?? '';
    return { offset: at, message: `a reference inside { } or [ ] needs quotes: "${written}"` };
  }
  if (code === 'RESOURCE_EXHAUSTION') return { offset, message: 'nested too deeply to be read' };
  if (code === 'DUPLICATE_KEY')
    return { offset, message: `the key ${wordAt(text, offset)} is written twice in one mapping` };
  if (code === 'MULTIPLE_DOCS') return { offset, message: 'only one document is read: remove this line' };
  if (code === 'TAG_RESOLVE_FAILED') return { offset, message: `${message}; tags are not used here` };
  const isAlias = code === 'BAD_ALIAS' || /\balias\b/.test(message);
  return { offset, message: isAlias ? `${message} (a value that begins with * needs quotes)` : message };
}

function wordAt(text: string, offset: number): string {
  return `\`${/^["']?(?<word>[^"':\s]*)/.exec(text.slice(offset, offset + 200))?.groups?.['word'] ?? ''}\``;
}
