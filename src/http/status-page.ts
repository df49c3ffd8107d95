/**
 * The status page: the whole overview for a person with a browser, made anew for each request, with no script in it.
 *
 * It does not refresh itself unless the reader asks for it (`?refresh=30`, a link of the page): a page that loads anew closes what somebody
 * has opened and takes a screen reader back to its start, in the middle of reading.
 *
 * Its length is bounded: with more databases than a reader scrolls through, only those with something to look at are shown in full, and the
 * table of all links to a page for each of the others (`?database=NAME`).
 */
import { type Html, html, name } from '../html/markup.js';
import { page } from '../html/page.js';
import { absolute, machineTime, moment } from '../html/time.js';
import { icon } from '../html/tone.js';
import type { DatabaseView, Overview } from '../overview/overview.js';
import { anchorOf } from './status-page/anchor.js';
import { databaseCard } from './status-page/database.js';
import { databasesTable, failingIn, needsSomebody, worstFirst } from './status-page/databases.js';
import { linkTo, type StatusPageChoice } from './status-page/links.js';
import { problemsPart } from './status-page/problems.js';
import { runningPart } from './status-page/running.js';
import { schedulesPart } from './status-page/schedules.js';
import { wholeVerdict } from './status-page/verdict.js';

export { contentSecurityPolicy } from '../html/page.js';
export { type StatusPageChoice, statusPageChoice } from './status-page/links.js';

/** Up to so many, each database is on the page in full; with more of them, this is how many of those to look at are. */
const mostInFull = { ofAll: 60, ofMore: 25 };
/** From so many on, a table of all comes first. */
const fewestInTable = 4;
/** With more than so many, the healthy ones keep their jobs and older backups to their own pages. */
const mostInDetail = 10;
const offeredRefreshSeconds = 30;

export function statusPage(overview: Overview, choice: StatusPageChoice = {}): string {
  const { tone, sentence } = wholeVerdict(overview);
  const refreshSeconds = choice.refreshSeconds ?? null;
  return page({
    title: `${sentence} – debuggle-maintenance on ${overview.host}`,
    refreshSeconds,
    body: html`<a class="skip" href="#main">Skip to the content</a>
<header>
<p class="top"><strong>debuggle-maintenance</strong><span>${name(overview.host)}, ${absolute(overview.at)}</span></p>
<h1 class="${tone}">${icon(tone)}${sentence}</h1>
${navigation(overview, choice)}
</header>
<main id="main" tabindex="-1">
${choice.database === undefined ? everything(overview, choice) : oneDatabase(overview, choice, choice.database)}
</main>
${foot(overview, choice)}`,
  });
}

function navigation({ problems, running, databases, schedules }: Overview, choice: StatusPageChoice): Html {
  const to = (anchor: string): string =>
    choice.database === undefined ? `#${anchor}` : linkTo(withoutDatabase(choice), anchor);
  const places = [
    ['problems', 'Open problems', problems.length] as const,
    ...(running.length === 0 ? [] : [['running', 'Running now', running.length] as const]),
    ['databases', 'Databases', databases.length] as const,
    ['schedules', 'Schedules', schedules.length] as const,
  ];
  return html`<nav aria-label="Parts"><ul>
${places.map(([anchor, title, count]) => html`<li><a href="${to(anchor)}">${title}</a> <span class="soft">${count}</span></li>`)}
</ul></nav>`;
}

function everything(overview: Overview, choice: StatusPageChoice): Html {
  const { at, problems, running, schedules } = overview;
  const databases = worstFirst(overview.databases);
  const shown =
    databases.length <= mostInFull.ofAll ? databases : databases.filter(worthShowing).slice(0, mostInFull.ofMore);
  const here = new Set(shown.map((database) => database.name));
  const known = new Set(databases.map((database) => database.name));
  const link = (database: string): string =>
    here.has(database) ? `#${anchorOf(database)}` : linkTo({ ...choice, database });
  const cards = shown.map((database) =>
    databaseCard(database, {
      now: at,
      detail: shown.length <= mostInDetail || worthShowing(database) ? 'much' : 'little',
      link: linkTo({ ...choice, database: database.name }),
    }),
  );
  const withTable = databases.length >= fewestInTable;
  const left = databases.length - shown.length;
  return html`${
    problems.length + running.length === 0
      ? html`<p id="problems" class="soft">No open problems, and nothing is running at the moment.</p>`
      : html`${problemsPart(problems, at, (database) => (known.has(database) ? link(database) : null))}
${running.length === 0 ? null : runningPart(running, at)}`
  }
<section id="databases" aria-labelledby="databases-title">
<h2 id="databases-title">Databases</h2>
${databases.length === 0 ? html`<p class="soft">None.</p>` : withTable ? databasesTable(databases, at, link) : cards}
</section>
${schedulesPart(schedules, at)}
${
  withTable
    ? html`<section id="each" aria-labelledby="each-title">
<h2 id="each-title">Each database</h2>
${left === 0 ? null : html`<p>${shown.length === 0 ? 'All are healthy' : `Shown are ${shown.length} with something to look at`}. The table of <a href="#databases">databases</a> links to a page for each of the other ${left}.</p>`}
${cards}
</section>`
    : null
}`;
}

function withoutDatabase({ refreshSeconds }: StatusPageChoice): StatusPageChoice {
  return refreshSeconds === undefined ? {} : { refreshSeconds };
}

function worthShowing(database: DatabaseView): boolean {
  return database.status !== 'healthy' || needsSomebody(database) || failingIn(database) !== null;
}

function oneDatabase(overview: Overview, choice: StatusPageChoice, wanted: string): Html {
  const database = overview.databases.find((one) => one.name === wanted);
  const back = html`<p><a href="${linkTo(withoutDatabase(choice))}">All databases</a></p>`;
  if (database === undefined) return html`<h2>There is no database ${name(wanted)}</h2>\n${back}`;
  const problems = overview.problems.filter((problem) => problem.database === wanted);
  return html`${back}
${problemsPart(problems, overview.at, () => null)}
<section id="databases" aria-labelledby="databases-title">
<h2 id="databases-title">Database</h2>
${databaseCard(database, { now: overview.at, detail: 'all', link: linkTo(choice) })}
</section>`;
}

function foot({ at, host, startedAt, version }: Overview, choice: StatusPageChoice): Html {
  const { refreshSeconds, ...rest } = choice;
  const refresh =
    refreshSeconds === undefined
      ? html`This page stays as it is. <a href="${linkTo({ ...rest, refreshSeconds: offeredRefreshSeconds })}">Load it anew every ${offeredRefreshSeconds} s</a>`
      : html`This page loads itself anew every ${refreshSeconds} s. <a href="${linkTo(rest)}">Leave it as it is</a>`;
  return html`<footer>
<p>debuggle-maintenance ${version} on ${name(host)}${startedAt === null ? null : html`, running since ${moment(startedAt, at)}`}. Page made <time datetime="${machineTime(at)}">${absolute(at)}</time>. All times are UTC.</p>
<p>${refresh}</p>
</footer>`;
}
