/**
 * A report on disk: three files under one stem, each whole or not there. All three are written and synced under temporary names first,
 * so that a full disk is met before anything is visible. The .json comes last: where it stands, so do the others. A crash leaves at most
 * temporary files (their names start with a dot), which a later report removes, and a whole .md or .html without its .json.
 */
import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import { errorCodeOf, toFileError } from '../errors.js';
import type { RunReport } from '../jobs/outcome.js';
import { compactUtc } from '../units.js';
import { reportAsHtml } from './html.js';
import { type ReportContext, reportAsJson } from './json.js';
import { reportAsMarkdown } from './markdown.js';

/** Absolute paths when the directory was. */
export interface ReportFiles {
  readonly json: string;
  readonly markdown: string;
  readonly html: string;
}

const extensions = ['md', 'html', 'json'] as const;
type Extension = (typeof extensions)[number];

const temporaryName = /^\.report-\d+-\d+\.(?:json|md|html|link)\.tmp$/;
const staleAfterMs = 3_600_000;
let sequence = 0;

/**
 * Writes `<UTC time>-<schedule>.json`, `.md` and `.html` (mode 0600; the directory is made with 0700 if need be; a taken second: the
 * next one), then turns `latest.*` to them.
 *
 * @throws JobError `full`, `permission`, `io`, …: then none of the three is there, unless only `latest.*` failed, which the message says.
 */
export async function writeReport(directory: string, report: RunReport, context: ReportContext): Promise<ReportFiles> {
  const what = `cannot write the report to ${directory}`;
  const documents: Readonly<Record<Extension, string>> = {
    json: reportAsJson(report, context),
    md: reportAsMarkdown(report, context),
    html: reportAsHtml(report, context),
  };
  const stem = await written(directory, report, documents).catch((error: unknown) => {
    throw toFileError(error, what);
  });
  try {
    for (const extension of extensions) await pointLatest(directory, `${stem}.${extension}`, `latest.${extension}`);
    await syncDirectory(directory);
  } catch (error) {
    throw toFileError(
      error,
      `the report ${join(directory, `${stem}.json`)} is written, but latest.* cannot be turned to it`,
    );
  }
  return {
    json: join(directory, `${stem}.json`),
    markdown: join(directory, `${stem}.md`),
    html: join(directory, `${stem}.html`),
  };
}

async function written(
  directory: string,
  report: RunReport,
  documents: Readonly<Record<Extension, string>>,
): Promise<string> {
  await fs.mkdir(directory, { recursive: true, mode: 0o700 });
  await sweep(directory);
  const temporary = temporaryNames(directory);
  try {
    for (const extension of extensions) await writeSynced(temporary(extension), documents[extension]);
    const stem = await publish(directory, report, temporary);
    await syncDirectory(directory);
    return stem;
  } finally {
    for (const extension of extensions) await fs.rm(temporary(extension), { force: true });
  }
}

function temporaryNames(directory: string): (kind: Extension | 'link') => string {
  sequence += 1;
  const mine = sequence;
  return (kind) => join(directory, `.report-${process.pid}-${mine}.${kind}.tmp`);
}

/** Creates the file; one that cannot be written whole is removed again. */
async function writeSynced(path: string, content: string): Promise<void> {
  const file = await fs.open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await fs.rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Gives the three their final names, under the first second that none of them has taken. */
async function publish(
  directory: string,
  report: RunReport,
  temporary: (extension: Extension) => string,
): Promise<string> {
  for (let time = new Date(report.started_at); ; time = new Date(time.getTime() + 1000)) {
    const stem = `${compactUtc(time)}-${report.schedule}`;
    const done: string[] = [];
    try {
      for (const extension of extensions) {
        const final = join(directory, `${stem}.${extension}`);
        await moveWithoutReplacing(temporary(extension), final);
        done.push(final);
      }
      return stem;
    } catch (error) {
      for (const final of done) await fs.rm(final, { force: true });
      if (errorCodeOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** A rename would replace what is there. File systems without hard links (FAT, some network ones) get a copy. */
async function moveWithoutReplacing(from: string, to: string): Promise<void> {
  try {
    await fs.link(from, to);
  } catch (error) {
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK'].includes(errorCodeOf(error) ?? '')) throw error;
    await writeSynced(to, await fs.readFile(from, 'utf8'));
  }
}

/** `latest.json` is a symlink, replaced in one step; a copy where there are no symlinks. */
async function pointLatest(directory: string, target: string, name: string): Promise<void> {
  const temporary = temporaryNames(directory)('link');
  try {
    try {
      await fs.symlink(target, temporary);
    } catch (error) {
      if (!['EPERM', 'ENOTSUP', 'ENOSYS'].includes(errorCodeOf(error) ?? '')) throw error;
      await writeSynced(temporary, await fs.readFile(join(directory, target), 'utf8'));
    }
    await fs.rename(temporary, join(directory, name));
  } finally {
    await fs.rm(temporary, { force: true });
  }
}

/** What a crash left, old enough to be nobody's work. */
async function sweep(directory: string): Promise<void> {
  const now = Date.now();
  for (const name of await fs.readdir(directory)) {
    if (!temporaryName.test(name)) continue;
    const path = join(directory, name);
    const modified = await fs.lstat(path).then(
      (stat) => stat.mtimeMs,
      () => now,
    );
    if (now - modified > staleAfterMs) await fs.rm(path, { force: true });
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
