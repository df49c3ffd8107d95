/** How good or bad a word is. The word always stands there, with a shape before it: colour only repeats what they say. */
import type { HealthStatus } from '../jobs/health-verdict.js';
import type { JobOutcome } from '../jobs/outcome.js';
import { type Html, html } from './markup.js';

export type Tone = 'good' | 'warn' | 'bad' | 'soft';

const tones: Readonly<Record<JobOutcome, Tone>> = {
  succeeded: 'good',
  repaired: 'warn',
  skipped: 'soft',
  interrupted: 'warn',
  'timed-out': 'bad',
  failed: 'bad',
  damaged: 'bad',
  held: 'bad',
  restored: 'warn',
};

const statusTones: Readonly<Record<HealthStatus, Tone>> = {
  healthy: 'good',
  degraded: 'warn',
  warning: 'warn',
  unhealthy: 'bad',
};

export function toneOf(outcome: JobOutcome): Tone {
  return tones[outcome];
}

export function toneOfStatus(status: HealthStatus): Tone {
  return statusTones[status];
}

export function outcomeWord(outcome: JobOutcome): string {
  return outcome === 'timed-out' ? 'timed out' : outcome;
}

/** Above the bar of a run in a chart; empty for what went well. */
export function markOf(outcome: JobOutcome): string {
  const marks: Readonly<Record<Tone, string>> = { good: '', soft: '', warn: '!', bad: '×' };
  return marks[tones[outcome]];
}

export function icon(tone: Tone): Html {
  return html`<svg class="icon" aria-hidden="true"><use href="#shape-${tone}"></use></svg>`;
}

/** A word with its shape, in its colour. */
export function toned(tone: Tone, word: string): Html {
  return html`<span class="word ${tone}">${icon(tone)}${word}</span>`;
}

/** The same, as a label that stands out. */
export function badge(tone: Tone, word: string): Html {
  return html`<span class="badge ${tone}">${icon(tone)}${word}</span>`;
}

/** The shapes, once a page. */
export const shapes: Html = html`<svg class="shapes" aria-hidden="true" width="0" height="0">
<symbol id="shape-good" viewBox="0 0 16 16"><path d="M3 8.5 6.5 12 13 4.5" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round"></path></symbol>
<symbol id="shape-warn" viewBox="0 0 16 16"><path d="M8 1.5 15.2 14.5H.8z" fill="currentColor"></path><path d="M8 6v4.2M8 12.2v.4" stroke="var(--panel)" stroke-width="1.8" stroke-linecap="round"></path></symbol>
<symbol id="shape-bad" viewBox="0 0 16 16"><path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor"></path><path d="m5.4 5.4 5.2 5.2m0-5.2-5.2 5.2" stroke="var(--panel)" stroke-width="1.9" stroke-linecap="round"></path></symbol>
<symbol id="shape-soft" viewBox="0 0 16 16"><path d="M3.5 8h9" stroke="currentColor" stroke-width="2.4" stroke-linecap="round"></path></symbol>
</svg>`;
