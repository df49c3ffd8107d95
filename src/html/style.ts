/**
 * The one stylesheet of the report and the status page: light and dark, telephone and paper. Nothing moves in it, and every pair of
 * colours that carries text has a contrast of at least 4.5 to 1 in both schemes; test/browser/ computes it.
 */
export const style = `
:root { color-scheme: light dark; --text: #1b1f24; --soft: #565d66; --line: #dfe3e8; --back: #f5f6f8; --panel: #fff; --accent: #1f5fbf;
  --good: #146c2e; --bad: #b3151b; --warn: #855000; --good-back: #e8f5eb; --bad-back: #fdeceb; --warn-back: #fcf1dd; --soft-back: #eef0f3; }
@media screen and (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --soft: #a3abb5; --line: #2e353d; --back: #0f1215; --panel: #181c21;
  --accent: #8ab8ff; --good: #74d291; --bad: #ff8f89; --warn: #f0b75e; --good-back: #15281b; --bad-back: #33191a; --warn-back: #2e2412;
  --soft-back: #242a31; } }
@media print { :root { color-scheme: light; --back: #fff; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem 1.25rem 2rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
a { color: var(--accent); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .2rem; }
.shapes { position: absolute; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; padding: .5rem 1rem; background: var(--panel); z-index: 1; }
h1 { margin: .25rem 0 .75rem; padding: .9rem 1.1rem; font-size: 1.4rem; line-height: 1.3; font-weight: 650; border-radius: .6rem;
  border-left: .45rem solid; }
h1.good { background: var(--good-back); } h1.bad { background: var(--bad-back); } h1.warn { background: var(--warn-back); }
h1.soft { background: var(--soft-back); }
h1 .icon { margin-top: .18em; width: 1em; height: 1em; margin-right: .5em; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.2rem; line-height: 1.3; }
h3 { margin: 0; font-size: 1.05rem; line-height: 1.35; min-width: 0; }
p { margin: .35rem 0; }
code { font: .9em ui-monospace, monospace; }
small, .small { font-size: .875rem; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; } .warn { color: var(--warn); font-weight: 600; }
.soft, .exact { color: var(--soft); }
.exact { font-size: .875rem; font-weight: 400; white-space: nowrap; }
.icon { width: .85em; height: .85em; margin-right: .35em; vertical-align: -.06em; flex: none; }
.word { white-space: nowrap; }
.badge { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; font-size: .875rem; font-weight: 600; white-space: nowrap;
  border: 1px solid transparent; }
.badge.good { background: var(--good-back); } .badge.bad { background: var(--bad-back); } .badge.warn { background: var(--warn-back); }
.badge.soft { background: var(--soft-back); }
.badges { display: flex; flex-wrap: wrap; gap: .3rem; }
.top { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; justify-content: space-between; align-items: baseline; font-size: .9rem; }
.top strong { font-size: 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0; padding: 0; list-style: none; font-size: .95rem; }
nav a { display: inline-block; padding: .25rem 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.15rem; margin: 0 0 1rem;
  scroll-margin-top: .5rem; }
.card > :first-child, .card > section:first-child > :first-child { margin-top: 0; }
.card > :last-child { margin-bottom: 0; }
.card:target { outline: 2px solid var(--accent); }
.card.bad, .card.warn { color: inherit; font-weight: inherit; border-left: .3rem solid var(--warn); }
.card.bad { border-left-color: var(--bad); }
.head { display: flex; flex-wrap: wrap; gap: .3rem .75rem; align-items: baseline; justify-content: space-between; }
.notes { margin: .75rem 0; padding: .6rem .9rem .6rem 2rem; border-radius: .4rem; background: var(--soft-back); }
.notes li { margin: .15rem 0; }
.notes.warn, .notes.bad { color: var(--text); font-weight: inherit; background: var(--warn-back); }
.notes.bad { background: var(--bad-back); }
.next { margin-top: .5rem; padding-left: .8rem; border-left: 3px solid var(--line); }
.about { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; margin-top: .6rem; }
.split { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem 2rem; margin-top: .9rem; }
.cards { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; }
.cards > .card { margin: 0; }
dl { display: grid; grid-template-columns: minmax(7rem, auto) minmax(0, 1fr); gap: .2rem 1rem; margin: .5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.figures { grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: .9rem 1.25rem; align-content: start; margin: 0; }
.figures dt { font-size: .875rem; }
.figures dd { font-size: 1.05rem; font-weight: 550; line-height: 1.35; }
.figures dd small, .figures dd .exact { display: block; font-weight: 400; color: var(--soft); white-space: normal; }
figure { margin: 0; }
.cards figure { margin-top: .9rem; }
.cards .exact { font-size: .8rem; letter-spacing: -.01em; }
.cards .figures { margin-top: .7rem; grid-template-columns: repeat(auto-fill, minmax(8.4rem, 1fr)); }
figcaption { font-size: .875rem; color: var(--soft); margin-bottom: .25rem; }
.chart { display: block; width: 100%; max-width: 27rem; height: auto; overflow: visible; }
.chart text { font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums; fill: var(--soft); }
.chart .unit { font-size: 10.5px; }
.chart .grid { stroke: var(--line); stroke-width: 1; fill: none; }
.chart .line { stroke: var(--accent); stroke-width: 2; fill: none; stroke-linejoin: round; stroke-linecap: round; }
.chart .dot { fill: var(--accent); }
.chart .bar { fill: currentColor; }
.chart .good .bar { opacity: .5; }
.chart .mark { font-size: 12px; font-weight: 700; fill: currentColor; }
.share { display: block; width: 100%; max-width: 4.5rem; height: .3rem; margin-top: .2rem; color: var(--soft); }
.jobs thead th:nth-child(1) { width: 9rem; } .jobs thead th:nth-child(2) { width: 9rem; } .jobs thead th:nth-child(3) { width: 7.5rem; }
progress { width: 100%; max-width: 24rem; height: .7rem; accent-color: var(--accent); vertical-align: middle; }
.scroll { overflow-x: auto; max-width: 100%; }
.scroll table { min-width: 46rem; font-size: .9rem; }
.scroll time > * { display: block; }
.scroll td:nth-child(2), .scroll td:nth-child(3) { white-space: nowrap; }
.backups th:first-child { width: 36%; }
.names tbody th, .names thead th:first-child { width: 60%; }
.names time { white-space: nowrap; }
table { width: 100%; border-collapse: collapse; margin: .5rem 0; }
caption { text-align: left; font-weight: 600; padding-bottom: .35rem; }
caption small { display: block; font-weight: 400; color: var(--soft); }
th, td { text-align: left; vertical-align: top; padding: .4rem 1rem .4rem 0; border-top: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-size: .85rem; font-weight: 600; color: var(--soft); border-top: 0; overflow-wrap: normal; }
tbody th { font-weight: 550; min-width: 8rem; }
td.number, th.number, td.spare.number, th.spare.number { text-align: right; white-space: nowrap; }
details { margin-top: .4rem; border-top: 1px solid var(--line); padding-top: .4rem; }
.split + details { margin-top: 1rem; }
details > :last-child { margin-bottom: 0; }
summary { cursor: pointer; padding: .2rem 0; }
footer { margin-top: 2.5rem; padding-top: .5rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; }
@media (min-width: 52rem) {
  .split { grid-template-columns: minmax(0, 1fr) minmax(0, 26rem); }
  .cards { grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); }
}
@media (max-width: 40rem) {
  body { padding: .75rem .75rem 1.5rem; }
  h1 { font-size: 1.2rem; padding: .75rem .85rem; }
  .card { padding: .85rem .9rem; }
  .spare { display: none; }
  dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: .4rem; }
  .exact { white-space: normal; }
  .figures { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .8rem 1rem; }
  tbody th { min-width: 3.5rem; }
  table { font-size: .925rem; }
  thead th { font-size: .8rem; }
  .jobs thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .jobs tr { display: grid; grid-template-columns: minmax(0, 1fr) auto 5rem; gap: .1rem .9rem; padding: .5rem 0; border-top: 1px solid var(--line); }
  .jobs tbody th, .jobs td { border: 0; padding: 0; }
  .jobs td:nth-child(n+4), .jobs td[colspan] { grid-column: 1 / -1; }
  .figures .exact, .figures small { font-size: .8rem; letter-spacing: -.01em; }
  th, td { padding-right: .6rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: .85rem; }
  nav, .skip { display: none; }
  .card, tr { break-inside: avoid; }
  .scroll { overflow: visible; } .scroll table { min-width: 0; }
}
`;
