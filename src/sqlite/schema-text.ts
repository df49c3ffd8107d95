/**
 * Reads out of a CREATE statement, as text, what no PRAGMA tells: the functions and collations in the expressions of an index or of a
 * generated column, and the content of a full-text table. Pure. When in doubt it finds too much: a job is then skipped with a reason.
 */

type Token =
  | { readonly kind: 'word' | 'name'; readonly text: string }
  | { readonly kind: '(' | ')' | 'other'; readonly text: string };

const lexeme =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\p{L}_][\p{L}\p{N}_$]*|[()]|[^\s]/gu;

/** Words that may stand before a parenthesis without being a function. */
const notFunctions: ReadonlySet<string> = new Set(
  'and as between by case cast collate else escape exists filter from glob in is isnull like match not notnull null on or over raise regexp select then values when where'.split(
    ' ',
  ),
);

function tokensOf(sql: string): Token[] {
  return [...sql.matchAll(lexeme)].flatMap(([text]): Token[] => {
    if (text.startsWith('--') || text.startsWith('/*')) return [];
    if (text === '(' || text === ')') return [{ kind: text, text }];
    if (/^["`[]/.test(text)) return [{ kind: 'name', text: unquoted(text) }];
    if (/^[\p{L}_]/u.test(text)) return [{ kind: 'word', text }];
    return [{ kind: 'other', text }];
  });
}

/** The expressions that SQLite evaluates when it fills an index or a generated column of this object. */
export function expressionsOf(type: string, sql: string): readonly (readonly Token[])[] {
  const tokens = tokensOf(sql);
  if (type === 'index') {
    const first = tokens.findIndex(({ kind }) => kind === '(');
    return first === -1 ? [] : [tokens.slice(first)];
  }
  if (type !== 'table' || /^CREATE\s+VIRTUAL\b/i.test(sql.trim())) return [];
  return tokens.flatMap((token, index) =>
    token.kind === 'word' && token.text.toLowerCase() === 'as' && tokens[index + 1]?.kind === '('
      ? [enclosed(tokens, index + 1)]
      : [],
  );
}

/** From an opening parenthesis to the one that closes it. */
function enclosed(tokens: readonly Token[], start: number): Token[] {
  let depth = 0;
  for (let end = start; end < tokens.length; end += 1) {
    if (tokens[end]?.kind === '(') depth += 1;
    if (tokens[end]?.kind === ')') depth -= 1;
    if (depth === 0) return tokens.slice(start, end + 1);
  }
  return tokens.slice(start);
}

export function foreignIn(
  expression: readonly Token[],
  known: ReadonlySet<string>,
): { readonly functions: string[]; readonly collations: string[] } {
  const functions: string[] = [];
  const collations: string[] = [];
  for (const [index, token] of expression.entries()) {
    const before = expression[index - 1];
    const isName = token.kind === 'word' || token.kind === 'name';
    if (isName && before?.kind === 'word' && before.text.toLowerCase() === 'collate') collations.push(token.text);
    else if (
      isName &&
      expression[index + 1]?.kind === '(' &&
      !(token.kind === 'word' && notFunctions.has(token.text.toLowerCase())) &&
      !known.has(token.text.toLowerCase())
    )
      functions.push(token.text);
  }
  return { functions, collations };
}

/** The table or view that a full-text table of any version takes its content from; undefined: its own, or none. */
export function fullTextContent(sql: string): string | undefined {
  if (!/^\s*CREATE\s+VIRTUAL\s+TABLE\b[\s\S]*?\bUSING\s+["`[]?fts[345]\b/i.test(sql)) return undefined;
  const found = /[(,]\s*content\s*=\s*('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\p{L}\p{N}_$]+)/iu.exec(
    sql,
  );
  const content = found?.[1] === undefined ? '' : unquoted(found[1]);
  return content === '' ? undefined : content;
}

function unquoted(text: string): string {
  const [quote = ''] = text;
  if (quote === '[') return text.slice(1, -1);
  return `"'\``.includes(quote) ? text.slice(1, -1).replaceAll(quote + quote, quote) : text;
}
