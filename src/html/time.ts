/** Moments as a reader needs them: how far away, and which moment exactly, in UTC. */
import { type Html, html } from './markup.js';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** `7 h ago`, `in 3 d`. Rounded down, with days from the third on: 47 hours are told as such. */
export function relative(at: Date, now: Date): string {
  const ms = at.getTime() - now.getTime();
  const span = Math.abs(ms);
  if (span < minuteMs) return ms > 0 ? 'in less than a minute' : 'just now';
  const text = ageOf(span);
  return ms > 0 ? `in ${text}` : `${text} ago`;
}

/** `35 min`, `47 h`, `12 d`: one unit, rounded down. */
export function ageOf(ms: number): string {
  if (ms < minuteMs) return 'less than a minute';
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min`;
  if (ms < 2 * dayMs) return `${Math.floor(ms / hourMs)} h`;
  return `${Math.floor(ms / dayMs)} d`;
}

/** `2026-11-26 19:05 UTC`. */
export function absolute(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** For programs, to the minute: `2026-11-26T19:05Z`. */
export function machineTime(at: Date): string {
  return `${at.toISOString().slice(0, 16)}Z`;
}

/** Both, the first for the eye and the second for the log. */
export function moment(at: Date, now: Date): Html {
  return html`<time datetime="${machineTime(at)}">${relative(at, now)} <span class="exact">${absolute(at)}</span></time>`;
}
