/** A message in words for people, and cut to what a receiver takes. Names and messages come from databases and are hostile. */
import { createHash } from 'node:crypto';
import { plain } from '../plain.js';
import type { ProblemMessage } from './message.js';

/** `[critical] logs: backup fails`, in one line. */
export function subjectOf({ event, severity, title }: ProblemMessage): string {
  const mark = event === 'problem' ? severity : event === 'reminder' ? `still ${severity}` : 'closed';
  return `[${mark}] ${plain(title)}`;
}

/** What happened, what to do, since when and where: lines of plain text. */
export function textOf(message: ProblemMessage): string {
  const { event, advice, since, at, host, flapping } = message;
  const isOver = event === 'recovery';
  return [
    ...lines(message.message),
    ...(isOver || advice === '' ? [] : lines(advice)),
    ...(flapping && !isOver
      ? ['It keeps coming and going: no more of it is told until it has stayed away for an hour.']
      : []),
    isOver
      ? `Open from ${toTheMinute(since)} to ${toTheMinute(at)}, on ${plain(host)}.`
      : `Since ${toTheMinute(since)}, on ${plain(host)}.`,
  ].join('\n');
}

/** `2026-11-23 02:00 UTC`, of an ISO time: read on a telephone. */
function toTheMinute(time: string): string {
  return `${time.slice(0, 16).replace('T', ' ')} UTC`;
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).map(plain);
}

/** At most so many UTF-16 units, ended by … where something is missing. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  // Half of a pair would be no text.
  return `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** At most so many bytes of UTF-8; characters stay whole. */
export function cutBytes(text: string, most: number): string {
  if (Buffer.byteLength(text) <= most) return text;
  const kept = Buffer.from(text).subarray(0, most - 3);
  return `${new TextDecoder().decode(kept, { stream: true })}…`;
}

/** The key as it is where it fits, else its beginning and a digest: two keys never become one. */
export function cutKey(key: string, most: number): string {
  if (key.length <= most) return key;
  const digest = createHash('sha256').update(key).digest('hex').slice(0, 32);
  return `${key.slice(0, most - digest.length - 1)}-${digest}`;
}
