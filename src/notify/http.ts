/**
 * One HTTP request to a receiver. A redirect is not followed: it would carry keys to somewhere else. Of an answer no more than a few kB
 * are read, and the few words of it that go into an error are one plain line. URLs are in no error: they hold tokens.
 */
import { z } from 'zod';
import { errorCodeOf } from '../errors.js';
import { plain } from '../plain.js';
import { formatDuration } from '../units.js';
import { programVersion } from '../version.js';
import { type Attempt, DeliveryError, deadlineOf } from './channel.js';
import { retryAfterMs } from './retry.js';
import { cut } from './wording.js';

const readAtMostBytes = 4096;

/** An address that can be posted to. */
export const httpUrl = () =>
  z.string().superRefine((value, context) => {
    const message = urlMistake(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** What was written is not repeated: it may be a secret. */
function urlMistake(value: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    return 'an address beginning with https:// or http:// is needed';
  if (url.username !== '' || url.password !== '')
    return 'a user and password cannot stand in the address: a header such as Authorization can carry them';
  return undefined;
}

/** A piece of an address or a header that is shorter is a word, and no secret. */
const shortestPiece = 16;

/** The whole address, its path, and its long pieces, which receivers repeat: each lets others in. Nothing of one that is only a host. */
export function secretsInUrl(text: string): string[] {
  const { pathname, search, hash, searchParams } = new URL(text);
  const path = `${pathname}${search}${hash}`;
  return path === '/' ? [] : [text, path, ...longOnes([...pathname.split('/'), ...searchParams.values()])];
}

/** `Bearer …` is one, and so is what comes after it: receivers repeat it alone. */
export function secretsInHeader(value: string): string[] {
  return [value, ...longOnes(value.split(/\s+/))];
}

function longOnes(pieces: readonly string[]): string[] {
  return pieces.filter(({ length }) => length >= shortestPiece);
}

/** The address with something more at the end of its path. */
export function urlBelow(base: string, ...parts: readonly string[]): URL {
  const url = new URL(base);
  url.pathname = [url.pathname.replace(/\/+$/, ''), ...parts].join('/');
  return url;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

export async function postJson(
  url: string | URL,
  body: object,
  attempt: Attempt,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  // A header of the operator's replaces ours of the same name, however it is written.
  const all = new Headers({ 'content-type': 'application/json' });
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  await post(url, { headers: Object.fromEntries(all), body: JSON.stringify(body) }, attempt);
}

/** @throws DeliveryError unless the answer is 2xx */
export async function post(url: string | URL, { headers = {}, body }: Sent, attempt: Attempt): Promise<void> {
  const signal = deadlineOf(attempt);
  let response: Response;
  let said: string;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'user-agent': `debuggle-maintenance/${programVersion}`, ...headers },
      body,
      redirect: 'manual',
      signal,
    });
    // Taken is taken: a receiver that never ends its answer is not told again for it.
    if (response.ok) {
      void response.body?.cancel().catch(() => undefined);
      return;
    }
    said = await beginningOf(response);
  } catch (error) {
    throw new DeliveryError(whyNot(error, attempt), { cause: error });
  }
  const { status } = response;
  if (status >= 300 && status < 400)
    throw new DeliveryError('answered with a redirect, which is not followed: configure the address it leads to', {
      status,
    });
  const words = cut(plain(said.trim()), 200);
  throw new DeliveryError(`answered ${status}${words === '' ? '' : `: ${words}`}`, {
    status,
    retryAfterMs: retryAfterMs(response.headers.get('retry-after'), new Date()),
    isRefusal: [400, 413, 415, 422].includes(status),
  });
}

async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = body.getReader();
  while (bytes < readAtMostBytes) {
    const chunk: { readonly value?: unknown } = await reader.read();
    if (!(chunk.value instanceof Uint8Array)) break;
    chunks.push(chunk.value);
    bytes += chunk.value.byteLength;
  }
  // What is left is not wanted, and whether the sender hears of it is nothing to us.
  void reader.cancel().catch(() => undefined);
  return Buffer.concat(chunks).subarray(0, readAtMostBytes).toString('utf8');
}

/** fetch says "fetch failed"; what failed is its cause. The cause's message may hold an address, its code does not. */
export function whyNot(error: unknown, { signal, timeoutMs }: Attempt): string {
  if (signal.aborted) return 'was broken off';
  if (error instanceof Error && error.name === 'TimeoutError')
    return `did not answer within ${formatDuration(timeoutMs)}`;
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const code = errorCodeOf(cause);
  if (code === undefined) return 'could not be reached';
  return isCertificate(code)
    ? `has a certificate that is not trusted (${plain(code)})`
    : `could not be reached (${plain(code)})`;
}

function isCertificate(code: string): boolean {
  return /CERT|SELF_SIGNED|SIGNATURE|ERR_TLS/.test(code);
}
