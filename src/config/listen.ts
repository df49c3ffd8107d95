/** Where the HTTP server listens, as it is written: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`. */
import { isIP } from 'node:net';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Undefined when it is none. */
export function parseListen(text: string): ListenAddress | undefined {
  const { bracketed, plain, port } =
    /^(?:\[(?<bracketed>[0-9A-Fa-f:.]+)\]|(?<plain>[A-Za-z0-9._-]+)):(?<port>\d{1,5})$/.exec(text)?.groups ?? {};
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  return { host, port: Number(port) };
}

export function listenMistake(text: string): string | undefined {
  if (parseListen(text) !== undefined) return undefined;
  return 'an address with a port is needed, such as 127.0.0.1:8080 or [::1]:8080';
}

/** Whether only this machine can reach it. */
export function isLoopback({ host }: ListenAddress): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
