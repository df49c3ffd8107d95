/**
 * HTML as a value of its own. Whatever is put into html`…` is escaped, unless it is such a value already: text from outside cannot become
 * markup by being forgotten.
 */
import { plain } from '../plain.js';

export interface Html {
  readonly markup: string;
}

/** Null is nothing; what stands in a list follows on each other. */
type Part = Html | string | number | null | readonly Html[];

export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { markup: strings.reduce((before, text, n) => `${before}${markupOf(parts[n - 1] ?? null)}${text}`) };
}

/** A name of somebody else's: it keeps its direction of writing to itself. */
export function name(text: string): Html {
  return html`<bdi>${text}</bdi>`;
}

/** A sentence in which `…` sets off what is typed, as messages and advice have it. */
export function prose(text: string): Html {
  const parts = text.split('`');
  // One without its other half sets nothing off.
  if (parts.length % 2 === 0) return html`${text}`;
  return html`${parts.map((part, n) => (n % 2 === 0 ? html`${part}` : html`<code>${part}</code>`))}`;
}

function markupOf(part: Part): string {
  if (part === null) return '';
  if (typeof part === 'number') return String(part);
  if (typeof part === 'string') return escape(part);
  return 'markup' in part ? part.markup : part.map(({ markup }) => markup).join('');
}

/** Text as HTML shows it, in elements and in quoted attributes: one line, nothing hidden in it. */
function escape(text: string): string {
  return plain(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
