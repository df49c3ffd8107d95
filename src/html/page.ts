/**
 * The frame of a page: no scripts, nothing loaded from anywhere. The content security policy allows this file's own style, by its hash,
 * and nothing else; whoever serves the page says the same in a header.
 */
import { createHash } from 'node:crypto';
import { type Html, html } from './markup.js';
import { style } from './style.js';
import { shapes } from './tone.js';

export const contentSecurityPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'`;

export interface PageOptions {
  readonly title: string;
  /** With its landmarks. */
  readonly body: Html;
  /** Loads itself anew so often; null: never. */
  readonly refreshSeconds?: number | null;
}

export function page({ title, body, refreshSeconds = null }: PageOptions): string {
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${{ markup: contentSecurityPolicy }}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
${refreshSeconds === null ? null : html`<meta http-equiv="refresh" content="${refreshSeconds}">\n`}<title>${title}</title>
<style>${{ markup: style }}</style>
</head>
<body>
${shapes}
${body}
</body>
</html>
`;
  return whole.markup;
}
