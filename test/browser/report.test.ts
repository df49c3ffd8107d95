/** The written report in a real browser, from its file and from a server. */
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { reportAsHtml } from '../../src/report/html.js';
import { writeReport } from '../../src/report/write.js';
import { workspace } from '../helpers/workspace.js';
import { failedRun, hostileRun, context as written } from '../report/fixture.js';
import { missingChromium, needChromium, openSite, type Site } from './chromium.js';
import { faint, openAll, overflow, overlaps } from './look.js';

const missing = missingChromium();
let site: Site;
beforeAll(async () => {
  if (missing === null)
    site = await openSite({ '/': reportAsHtml(failedRun, written), '/hostile': reportAsHtml(hostileRun, written) });
});
afterAll(async () => {
  if (missing === null) await site.close();
});
beforeEach((context) => needChromium(context, missing));

test('the file opens by itself: nothing is missing, nothing is asked for', async () => {
  const { html } = await writeReport(workspace().path('reports'), failedRun, written);
  const { page, requests, complaints } = await site.visit('/');
  await page.goto(pathToFileURL(html).href);
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toContain('daily failed: backup of logs');
  expect(await page.getByRole('table', { name: /^logs/ }).getByRole('row').count()).toBe(3);
  expect(requests).toEqual([`${site.origin}/`, pathToFileURL(html).href]);
  expect(complaints).toEqual([]);
});

test.each([
  ['light', '/', 1280],
  ['dark', '/', 360],
  ['light', '/hostile', 360],
  ['dark', '/hostile', 1280],
] as const)(
  'in %s, %s at %d pixels fits the window, nothing upon anything, and no faint word',
  async (colorScheme, address, width) => {
    const { page, complaints } = await site.visit(address, { colorScheme, viewport: { width, height: 800 } });
    await openAll(page);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    expect(await overlaps(page)).toEqual([]);
    expect(await faint(page)).toEqual([]);
    expect(complaints).toEqual([]);
  },
);

test('on a telephone each job has its summary below, and is still the row of a table to who does not see it', async () => {
  const { page } = await site.visit('/', { viewport: { width: 360, height: 800 } });
  const table = page.getByRole('table', { name: /^logs/ });
  expect(await table.getByRole('columnheader').allTextContents()).toEqual(['Job', 'Outcome', 'Duration', 'Summary']);
  const row = table.getByRole('row', { name: /^backup/ });
  expect(await row.getByRole('rowheader').textContent()).toBe('backup');
  expect(await row.getByRole('cell').allTextContents()).toEqual([
    'failed',
    '4.2 s',
    'cannot back up logs: 1.2 GB free in /backups, 3.0 GB needed',
  ]);
});
