import type { Overview } from '../overview/overview.js';

export const statusPagePolicy = "default-src 'none'";

export function statusPage(overview: Overview, only: { readonly database?: string } = {}): string {
  return `<!doctype html><title>${overview.databases.length}${only.database ?? ''}</title>`;
}
