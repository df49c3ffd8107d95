/** HTML as text, looked through without a browser. */

const withoutEnd = ['meta', 'br', 'link', 'img', 'input', 'hr'];

/** Elements that are closed in the wrong order or not at all. */
export function unclosed(html: string): readonly string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, name = ''] of html
    .replace(/<style>[^]*<\/style>/, '')
    .matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
    if (withoutEnd.includes(name)) continue;
    if (slash === '') open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  return [...wrong, ...open];
}
