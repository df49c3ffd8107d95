/**
 * Who may ask. The Host check keeps a web page that some browser has open from reading this server by a name that it points here (DNS
 * rebinding): a name must be one of ours, an address cannot be forged that way.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

export interface AccessRules {
  /** Null: nobody needs one. */
  readonly token: string | null;
  /** Further names under which this server is known. */
  readonly hosts: readonly string[];
}

export type Access =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly status: 400 | 401 | 421; readonly message: string };

/** Pure, but for the machine's own name. */
export function judgeAccess(
  request: { readonly host: string | undefined; readonly authorization: string | undefined },
  rules: AccessRules,
): Access {
  if (request.host === undefined || request.host === '')
    return { allowed: false, status: 400, message: 'a Host header is needed' };
  if (!isOurs(request.host, rules.hosts)) {
    const message = 'this server is not known by that name: add it to `http.hosts`, or use its address';
    return { allowed: false, status: 421, message };
  }
  if (rules.token !== null && !carries(request.authorization, rules.token))
    return { allowed: false, status: 401, message: 'a token is needed: Authorization: Bearer …, or as the password' };
  return { allowed: true };
}

function isOurs(host: string, names: readonly string[]): boolean {
  const name = /^(?<name>\[[0-9A-Fa-f:.]+\]|[^:\s/@]+)(?::\d{1,5})?$/.exec(host)?.groups?.['name']?.toLowerCase();
  if (name === undefined) return false;
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  return ['localhost', hostname().toLowerCase(), ...names.map((known) => known.toLowerCase())].includes(name);
}

/** As a bearer token, or (what a browser can send) as the password of any user. */
function carries(authorization: string | undefined, token: string): boolean {
  const [, scheme = '', credentials = ''] = /^(\w+) +(.*)$/.exec(authorization ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return isSame(credentials.trim(), token);
  if (scheme.toLowerCase() !== 'basic') return false;
  const [, password = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString('utf8')) ?? [];
  return isSame(password, token);
}

/** Takes as long for a good guess as for a bad one. */
function isSame(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
