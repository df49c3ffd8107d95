/**
 * Whether a glob would match a file that need not exist yet. The globs themselves are expanded by tinyglobby (files/expand.ts), which
 * can only answer for files that are there. Same rules: `*`, `?` and `**` pass over names that begin with a dot. What `[…]` and `{1..9}` leave out is not looked at: rather
 * a match too many.
 */

/** `pattern` and `path` are absolute. */
export function globMatches(pattern: string, path: string): boolean {
  return new RegExp(`^${asRegExp(pattern)}$`, 'su').test(path);
}

function asRegExp(glob: string): string {
  // Every second piece is a piece of glob syntax, the others are literal.
  const pieces = glob.split(/(\*\*\/|\*+|\?|\[[^\]]+\]|\{[^{}]*\})/);
  return pieces
    .map((piece, index) => {
      if (index % 2 === 0) return piece.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
      const beginsName = pieces.slice(0, index).join('').endsWith('/');
      return (beginsName && /^[*?]/.test(piece) ? String.raw`(?!\.)` : '') + expression(piece);
    })
    .join('');
}

function expression(piece: string): string {
  if (piece === '**/') return String.raw`(?:(?!\.)[^/]+/)*`;
  if (piece === '**') return String.raw`(?:[^/]|/(?!\.))*`;
  if (piece.startsWith('*')) return '[^/]*';
  if (piece === '?') return '[^/]';
  if (piece.startsWith('[')) return '[^/]';
  const inner = piece.slice(1, -1);
  return inner.includes('..') ? '[^/]*' : `(?:${inner.split(',').map(asRegExp).join('|')})`;
}
