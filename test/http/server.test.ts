import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Metrics } from '../../src/http/metrics.js';
import { HttpServer } from '../../src/http/server.js';
import { until } from '../helpers/until.js';
import { rememberingLog } from '../history/fixture.js';
import { database, overview } from '../overview/fixture.js';
import { ask, serve } from './ask.js';

const fine = (): ReturnType<typeof overview> => overview();

describe('each address', () => {
  test.each([
    ['/health', 200, 'application/json'],
    ['/health/database', 200, 'application/json'],
    ['/health/database?database=logs', 200, 'application/json'],
    ['/metrics', 200, 'text/plain; version=0.0.4; charset=utf-8'],
    ['/', 200, 'text/html; charset=utf-8'],
    ['/?database=logs', 200, 'text/html; charset=utf-8'],
  ])('%s answers %d', async (path, status, type) => {
    const { port } = await serve(fine);
    const answer = await ask(port, path);
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      'content-type': type,
      'content-length': String(Buffer.byteLength(answer.body)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
  });

  test('answers HEAD with the same headers and no body', async () => {
    const { port } = await serve(fine);
    const [get, head] = [await ask(port, '/health/database'), await ask(port, '/health/database', { method: 'HEAD' })];
    expect(head.body).toBe('');
    expect(head.headers['content-length']).toBe(get.headers['content-length']);
  });

  test('/health/database is 500 when a database is unhealthy, and only then', async () => {
    for (const [status, code] of [
      ['healthy', 200],
      ['degraded', 200],
      ['warning', 200],
      ['unhealthy', 500],
    ] as const) {
      const { port } = await serve(() => overview({ databases: [{ ...database, status }] }));
      expect((await ask(port, '/health/database')).status, status).toBe(code);
    }
  });

  test('a database that is not there is 404, with the names of those that are', async () => {
    const { port } = await serve(fine);
    const answer = await ask(port, '/health/database?database=lgos');
    expect(answer).toMatchObject({ status: 404, body: expect.stringContaining('"logs"') as unknown });
    expect((await ask(port, '/?database=lgos')).status).toBe(404);
  });

  test('databases whose files are gone are unhealthy, not left out', async () => {
    const unlisted = [{ name: 'tenants', message: 'no file matches' }];
    const { port } = await serve(() => overview({ unlisted }));
    for (const path of ['/health/database', '/health/database?database=tenants']) {
      const answer = await ask(port, path);
      expect(answer.status).toBe(500);
      expect(JSON.parse(answer.body)).toMatchObject({
        status: 'unhealthy',
        databases: { tenants: { status: 'unhealthy', warnings: ['no file matches'] } },
      });
    }
    expect((await ask(port, '/health/database?database=logs')).status).toBe(200);
  });

  test("a glob's name stands for all its files", async () => {
    const files = ['tenants--a', 'tenants--b'].map((name) => ({ ...database, name, group: 'tenants' }));
    const { port } = await serve(() => overview({ databases: [database, ...files] }));
    const answer = JSON.parse((await ask(port, '/health/database?database=tenants')).body) as { databases: object };
    expect(Object.keys(answer.databases)).toEqual(['tenants--a', 'tenants--b']);
  });
});

test('closed while the name of its address is looked up, it never listens', async () => {
  const log = rememberingLog();
  const options = { host: 'localhost', port: 0, token: null, hosts: [], maxConnections: 1 };
  const server = new HttpServer(options, { overview: fine, metrics: new Metrics(), channels: () => [] }, log);
  await server.close();
  // Its own look-up takes as long.
  await serve(fine, { host: 'localhost' });
  expect(log.lines).toEqual([]);
});

describe('what is no question to it', () => {
  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE'])('%s is 405, and says what is', async (method) => {
    const { port } = await serve(fine);
    expect(await ask(port, '/', { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });

  test.each([
    '/../../etc/passwd',
    '/..%2f..%2fetc/passwd',
    '//etc/passwd',
    '/metrics/',
    '/METRICS',
    '/health/database/../../../etc/passwd',
    '/%00',
    '/index.html',
    'http://evil.example/etc/passwd',
  ])('%s is 404: nothing here is a file', async (path) => {
    const { port } = await serve(fine);
    const answer = await ask(port, path);
    expect(answer.status).toBe(404);
    expect(answer.body).not.toContain('root:');
  });

  test.each(['*', 'http://[', '//'])('%s is refused', async (path) => {
    const { port } = await serve(fine);
    expect([400, 404]).toContain((await ask(port, path)).status);
  });

  test('a name that is not ours is 421, whatever the address', async () => {
    const { port } = await serve(fine);
    const answer = await ask(port, '/metrics', { headers: { Host: 'evil.example' } });
    expect(answer).toMatchObject({ status: 421 });
    expect(answer.body).not.toContain('debuggle_db');
  });

  test('without the token it is 401, with a challenge that a browser understands', async () => {
    const { port } = await serve(fine, { token: 'a secret of sixteen' });
    expect(await ask(port, '/health')).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': expect.stringMatching(/^Basic /) as unknown },
    });
    const headers = { Authorization: 'Bearer a secret of sixteen' };
    expect((await ask(port, '/health', { headers })).status).toBe(200);
  });

  test('a request that cannot be answered is 500 without a reason, the log has it, and the next is answered', async () => {
    let calls = 0;
    const { port, log } = await serve(() => {
      if (calls++ === 0) throw new Error('an inner secret');
      return overview();
    });
    const answer = await ask(port, '/health');
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('secret');
    expect(log.lines.map(({ message }) => message)).toContain('a request could not be answered');
    expect((await ask(port, '/health/database')).status).toBe(200);
  });
});

describe('a hostile client', () => {
  /** Sends the bytes, and answers what came back until the server closed the connection. */
  const raw = (port: number, bytes: string): Promise<string> =>
    new Promise((resolve) => {
      let received = '';
      const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
      socket.setEncoding('utf8').on('data', (chunk: string) => (received += chunk));
      socket.on('error', () => undefined).on('close', () => resolve(received));
      onTestFinished(() => void socket.destroy());
    });

  test('with headers of a megabyte is cut off', async () => {
    const { port } = await serve(fine);
    const answer = await raw(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(1024 ** 2)}\r\n\r\n`);
    expect(answer === '' || answer.startsWith('HTTP/1.1 400') || answer.startsWith('HTTP/1.1 431')).toBe(true);
    expect((await ask(port, '/health')).status).toBe(200);
  });

  test.each(['nonsense\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'])(
    'that speaks something else (%j) is refused',
    async (bytes) => {
      const { port } = await serve(fine);
      expect(await raw(port, bytes)).toMatch(/^HTTP\/1\.1 400 /);
    },
  );

  test('that asks for the same again and again gets what was made once: nothing is worked out for each', async () => {
    const { port, metrics } = await serve(fine);
    const made = vi.spyOn(metrics, 'text');
    const asked = [
      ...Array.from({ length: 50 }, (_, index) => `/metrics?x=${index}`),
      // What only another address has a use for, and a crowd of other questions in between.
      ...Array.from({ length: 100 }, (_, index) => `/metrics?database=${index}&refresh=${index}`),
      ...Array.from({ length: 100 }, (_, index) => [
        `/health/database?database=${index}`,
        `/${index}`,
        '/metrics',
      ]).flat(),
    ];
    const began = performance.now();
    for (let at = 0; at < asked.length; at += 50)
      await Promise.all(asked.slice(at, at + 50).map((path) => ask(port, path)));
    expect(made.mock.calls.length).toBeLessThanOrEqual(2 + (performance.now() - began) / 1000);
  });

  test('is served beside any number that hold on: with the most connections there may be, the oldest is closed', async () => {
    const { port } = await serve(fine, { maxConnections: 3 });
    const closed: number[] = [];
    for (const number of [1, 2, 3]) {
      const socket = net.connect(port, '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => undefined);
      socket.on('close', () => closed.push(number));
      await once(socket, 'connect');
    }
    expect((await ask(port, '/health')).status).toBe(200);
    await until('the oldest is closed', () => closed.length > 0);
    expect((await ask(port, '/health')).status).toBe(200);
    expect(closed).toEqual([1]);
  });
});

test('a port that is taken is said plainly, and is no reason to end', async () => {
  const { port } = await serve(fine);
  const log = rememberingLog();
  const options = { host: '127.0.0.1', port, token: null, hosts: [], maxConnections: 100 };
  const { Metrics } = await import('../../src/http/metrics.js');
  const second = new HttpServer(options, { overview: fine, metrics: new Metrics(), channels: () => [] }, log);
  onTestFinished(() => second.close());
  const line = await until('said', () => log.lines.find(({ level }) => level === 'error'));
  expect(line.message).toBe(
    `http: port ${port} of 127.0.0.1 is taken by another program: set \`http.listen\` to a free one, or \`http: false\`; maintenance goes on without it, and it is tried again every 30 s`,
  );
});

test('closing does not wait for a client that holds its connection', async () => {
  const { port } = await serve(fine);
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  // The server is closed at the end of the test, which must not take until the connection times out.
});
