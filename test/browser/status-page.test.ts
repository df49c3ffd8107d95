/** The status page in a real browser: what is found by whom, what is seen, and that nothing leaves the machine. */
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { statusPage } from '../../src/http/status-page.js';
import { healthy, hostile, hostileNames, many, pictured, troubled } from '../http/overview-fixture.js';
import { missingChromium, needChromium, openSite, type Site } from './chromium.js';
import { background, faint, focus, openAll, overflow, overlaps } from './look.js';

const missing = missingChromium();
const pages = {
  '/': statusPage(troubled),
  '/?database=orders': statusPage(troubled, { database: 'orders' }),
  '/healthy': statusPage(healthy),
  '/fifty': statusPage(many(50)),
  '/hostile': statusPage(hostile),
  '/pictured': statusPage(pictured),
};
const phone = { width: 360, height: 740 };
const desk = { width: 1280, height: 900 };

let site: Site;
beforeAll(async () => {
  if (missing === null) site = await openSite(pages);
});
afterAll(async () => {
  if (missing === null) await site.close();
});
beforeEach((context) => needChromium(context, missing));

test('is found by its roles and names, asks for nothing but itself, and the browser has nothing to complain of', async () => {
  const { page, requests, complaints } = await site.visit('/');
  for (const landmark of ['banner', 'navigation', 'main', 'contentinfo'] as const)
    expect(await page.getByRole(landmark).count(), landmark).toBe(1);
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain('1 critical problem and 2 warnings');
  expect(await page.getByRole('heading', { level: 2 }).allTextContents()).toEqual([
    'Open problems',
    'Running now',
    'Databases',
    'Schedules',
  ]);
  expect(await page.getByRole('progressbar', { name: 'integrity of sessions' }).getAttribute('value')).toBe('62');
  expect(await page.getByRole('region', { name: 'orders', exact: true }).count()).toBe(1);
  const chart = page.getByRole('img', { name: 'Size of orders over the last 30 days' });
  expect(await chart.count()).toBe(1);
  expect(await page.getByRole('img', { name: 'How long the last 30 runs of daily took' }).count()).toBe(1);
  await page.getByText('9 backups, 1 not sound').click();
  const table = page.getByRole('region', { name: 'Backups of orders' }).getByRole('table', { name: 'All backups' });
  expect(await table.getByRole('row').count()).toBe(10);
  expect(await table.getByRole('columnheader').allTextContents()).toEqual([
    'Backup',
    'State of (UTC)',
    'Stored',
    'Proven by',
    'Kept because',
  ]);
  expect(await table.getByRole('rowheader', { name: 'orders-20261126T020000Z-daily' }).count()).toBe(1);
  expect(requests).toEqual([`${site.origin}/`]);
  expect(complaints).toEqual([]);
});

test.each([
  ['troubled', '/', desk],
  ['troubled', '/', phone],
  ['of fifty databases', '/fifty', desk],
  ['of fifty databases', '/fifty', phone],
  ['of hostile names', '/hostile', desk],
  ['of hostile names', '/hostile', phone],
  ['of one database', '/?database=orders', phone],
  ['healthy', '/healthy', { width: 800, height: 600 }],
])(
  'the page %s (%s, %o) fits the window, nothing lies upon anything, and no word is faint',
  async (_, address, viewport) => {
    const { page, complaints } = await site.visit(address, { viewport, colorScheme: 'light' });
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    expect(await overlaps(page)).toEqual([]);
    await openAll(page);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    expect(await overlaps(page)).toEqual([]);
    expect(await faint(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await faint(page)).toEqual([]);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    expect(complaints).toEqual([]);
  },
);

test('needs no JavaScript: what is opened without it says the same', async () => {
  const look = async (javaScriptEnabled: boolean): Promise<string> => {
    const { page } = await site.visit('/pictured', { javaScriptEnabled });
    return page.locator('body').ariaSnapshot();
  };
  const without = await look(false);
  expect(without).toContain('The backup of logs failed');
  expect(without).toBe(await look(true));
});

test('the keyboard reaches each link and each part to open, in their order, and shows where it is', async () => {
  const { page } = await site.visit('/');
  const wanted = await page.locator('a:visible, summary:visible').count();
  const reached: string[] = [];
  for (let n = 0; n < wanted; n += 1) {
    await page.keyboard.press('Tab');
    const { outline, text, seen } = await focus(page);
    expect(outline, text).toBeGreaterThanOrEqual(2);
    expect(seen, text).toBe(true);
    reached.push(text);
  }
  expect(reached).toEqual(await page.locator('a:visible, summary:visible').allTextContents());
  expect(reached[0]).toBe('Skip to the content');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  expect(await page.locator('details[open]').count()).toBe(1);
});

test('a link leads to the part of its database, whatever the database is called', async () => {
  const { page } = await site.visit('/hostile', { javaScriptEnabled: true });
  for (const [n] of hostileNames.entries()) {
    const link = page.locator('table').first().getByRole('link').nth(n);
    await link.click();
    expect(await page.locator('.card:target h3').textContent()).toBe(await link.textContent());
  }
});

test('on paper there is no navigation, and nothing dark', async () => {
  const { page } = await site.visit('/', { colorScheme: 'dark' });
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  expect(await page.locator('nav').isVisible()).toBe(false);
  expect(await background(page)).toBe('rgb(255, 255, 255)');
  expect(await faint(page)).toEqual([]);
});

// DM_SCREENSHOTS=docs/images npx vitest run test/browser/status-page.test.ts -t picture
const directory = process.env['DM_SCREENSHOTS'];
if (directory !== undefined)
  test('the picture in the documentation', async () => {
    const { page } = await site.visit('/pictured', { viewport: { width: 900, height: 800 } });
    const file = path.join(directory, 'status-page.png');
    // Without the foot, which says nothing that has to be seen.
    const height = (await page.locator('footer').boundingBox())?.y ?? 0;
    await page.screenshot({ path: file, fullPage: true, clip: { x: 0, y: 0, width: 900, height } });
    expect(fs.statSync(file).size).toBeLessThan(200_000);
  });
