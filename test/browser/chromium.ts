/**
 * A real browser, Debian's chromium, and a server on loopback whose pages it looks at. What the browser asked for and what it complained of
 * is kept. A test file starts one browser; it ends with the file, and so does the server.
 */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onTestFinished, type TestContext } from 'vitest';
import { contentSecurityPolicy } from '../../src/http/status-page.js';

/** What the daemon sends with the page. */
const headers = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `${contentSecurityPolicy}; frame-ancestors 'none'`,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
};

export interface Visit {
  readonly page: Page;
  /** Addresses of everything that was asked for. */
  readonly requests: readonly string[];
  /** Errors and warnings of the console, and of the page. */
  readonly complaints: readonly string[];
}

export interface Site {
  /** Opens what is served at a path, in a window of its own that is closed with the test. */
  readonly visit: (path: string, options?: BrowserContextOptions) => Promise<Visit>;
  readonly origin: string;
  readonly close: () => Promise<void>;
}

/** Why there is no browser; null: there is one. */
export function missingChromium(): string | null {
  const { error, status } = spawnSync('chromium', ['--version'], { encoding: 'utf8' });
  return error === undefined && status === 0 ? null : `needs chromium: ${error?.message ?? `it exits with ${status}`}`;
}

/** In CI a missing browser is a failure, elsewhere a test that is left out. */
export function needChromium(context: TestContext, missing: string | null): void {
  if (missing === null) return;
  if (process.env['CI']) throw new Error(missing);
  context.skip(missing);
}

/** Serves the given pages by their path. */
export async function openSite(pages: Readonly<Record<string, string>>): Promise<Site> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0] ?? '';
    const page = pages[request.url ?? ''] ?? pages[path];
    response.writeHead(page === undefined ? 404 : 200, headers);
    response.end(page ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  let browser: Browser;
  try {
    browser = await chromium.launch({
      executablePath: whereIs('chromium'),
      // Root has no sandbox, and the page under test is our own. Nothing is asked of the network by the browser itself.
      args: ['--no-sandbox', '--disable-lcd-text', '--disable-background-networking', '--disable-component-update'],
    });
  } catch (error) {
    server.close();
    throw error;
  }

  async function visit(path: string, options: BrowserContextOptions = {}): Promise<Visit> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    onTestFinished(() => context.close());
    const requests: string[] = [];
    const complaints: string[] = [];
    const page = await context.newPage();
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    await page.goto(`${origin}${path}`, { waitUntil: 'load' });
    return { page, requests, complaints };
  }

  async function close(): Promise<void> {
    await browser.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  return { visit, origin, close };
}

function whereIs(program: string): string {
  return spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim();
}
