/** A receiver of notifications on loopback: remembers what comes, and answers as it is told. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Its end never comes. */
  readonly isEndless?: boolean;
}

export interface Receiver {
  readonly url: string;
  readonly requests: readonly Request[];
  /** The bodies of all requests as JSON. */
  readonly documents: () => readonly Readonly<Record<string, unknown>>[];
}

/**
 * @param answer to the request with this number, from 0; `hang`: none, ever
 * @param tls a key and its certificate
 */
export async function startReceiver(
  answer: (index: number, request: Request) => Answer | 'hang' = () => ({ status: 200 }),
  tls?: { readonly key: string; readonly cert: string },
): Promise<Receiver> {
  const requests: Request[] = [];
  const onRequest: http.RequestListener = (incoming, response) => {
    let body = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    incoming.on('end', () => {
      const request = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body };
      requests.push(request);
      const answered = answer(requests.length - 1, request);
      if (answered === 'hang') return;
      response.writeHead(answered.status, answered.headers);
      if (answered.isEndless === true) response.write(answered.body);
      else response.end(answered.body);
    });
  };
  const server = tls === undefined ? http.createServer(onRequest) : https.createServer(tls, onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    requests,
    documents: () => requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>),
  };
}
