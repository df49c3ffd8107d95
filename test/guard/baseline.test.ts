import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { guardSites } from './site.js';

const guardSite = guardSites();

const hour = 3_600_000;

test('the backup a run has just sealed stays, though older ones of its kind seem to be younger: the clock was ahead', async () => {
  const site = guardSite();
  for (let run = 1; run <= 2; run += 1) await site.run();
  for (const name of fs.readdirSync(site.backupDirectory).filter((file) => file.endsWith('.json'))) {
    const file = path.join(site.backupDirectory, name);
    const manifest = JSON.parse(fs.readFileSync(file, 'utf8')) as { created_at: string };
    const ahead = new Date(Date.parse(manifest.created_at) + hour).toISOString();
    fs.writeFileSync(file, JSON.stringify({ ...manifest, manifest_sha256: undefined, created_at: ahead }));
  }
  const { facts } = await site.run();
  const { backup } = facts['guard'] as { backup: string };
  const stored = fs.readdirSync(site.backupDirectory).filter((name) => name.endsWith('.db'));
  expect(stored).toContain(`${backup}.db`);
  expect(stored).toHaveLength(2);
});
