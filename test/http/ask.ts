/** A server on a port of its own, asked by a real client. */
import http from 'node:http';
import { onTestFinished } from 'vitest';
import { Metrics } from '../../src/http/metrics.js';
import { type HttpOptions, HttpServer } from '../../src/http/server.js';
import type { Logger } from '../../src/jobs/job.js';
import type { Overview } from '../../src/overview/overview.js';
import { until } from '../helpers/until.js';
import { rememberingLog } from '../history/fixture.js';

export interface Answered {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Served {
  readonly port: number;
  readonly metrics: Metrics;
  readonly log: ReturnType<typeof rememberingLog>;
}

/** Listens until the test ends. */
export async function serve(overview: () => Overview, options: Partial<HttpOptions> = {}): Promise<Served> {
  const log = rememberingLog();
  const metrics = new Metrics();
  const server = new HttpServer(
    { host: '127.0.0.1', port: 0, token: null, hosts: [], maxConnections: 100, ...options },
    { overview, metrics, channels: () => [] },
    log satisfies Logger,
  );
  onTestFinished(() => server.close());
  const port = await until('listening', () => {
    const facts: { port?: unknown } | undefined = log.lines.find(
      ({ message }) => message === 'http is listening',
    )?.facts;
    return typeof facts?.port === 'number' ? facts.port : undefined;
  });
  return { port, metrics, log };
}

/** The path goes out as it is written, whatever is in it. */
export function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: http.OutgoingHttpHeaders } = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end();
  });
}
