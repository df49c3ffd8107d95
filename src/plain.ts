/**
 * Text from outside (database names, messages, paths) made fit to be shown on a terminal or in a document: control characters and those
 * that turn the direction of writing become visible escapes, so that nothing can pretend to be another line or word.
 */

const invisible = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** One line, nothing hidden in it. */
export function plain(text: string): string {
  return text.replace(invisible, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return ' ';
    return `\\u{${character.charCodeAt(0).toString(16)}}`;
  });
}
