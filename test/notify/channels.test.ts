import fs from 'node:fs';
import { createServer } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DeliveryError } from '../../src/notify/channel.js';
import type { Message } from '../../src/notify/message.js';
import { deliver } from '../../src/notify/registry.js';
import { secretsOf } from '../../src/notify/settings.js';
import { freePort } from '../helpers/free-port.js';
import { until } from '../helpers/until.js';
import { workspace } from '../helpers/workspace.js';
import { selfSigned } from './certificate.js';
import { aProblem, aRun, itsRecovery, settings } from './fixture.js';
import { startReceiver } from './receiver.js';

async function send(channel: string, message: Message, { timeoutMs = 10_000, signal = never() } = {}): Promise<void> {
  const [only] = settings(`it: ${channel}`).channels;
  if (only === undefined) throw new Error('no channel');
  await deliver(only.receiver, message, { timeoutMs, signal });
}

async function failure(channel: string, message: Message, timeoutMs?: number): Promise<DeliveryError> {
  const error: unknown = await send(channel, message, timeoutMs === undefined ? {} : { timeoutMs }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof DeliveryError) return error;
  throw new Error(`no DeliveryError, but ${String(error)}`);
}

const never = (): AbortSignal => new AbortController().signal;

describe('webhook', () => {
  test('posts the whole message as JSON, with the headers of the configuration', async () => {
    const receiver = await startReceiver(() => ({ status: 204 }));
    await send(`{ webhook: { url: ${receiver.url}/in?a=b, headers: { Authorization: Bearer x1y2 } } }`, aProblem);
    const { dedupKey, ...rest } = aProblem;
    expect(receiver.documents()).toEqual([{ ...rest, dedup_key: dedupKey, program: 'debuggle-maintenance' }]);
    expect(receiver.requests[0]).toMatchObject({
      method: 'POST',
      url: '/in?a=b',
      headers: {
        authorization: 'Bearer x1y2',
        'content-type': 'application/json',
        'user-agent': expect.stringMatching(/^debuggle-maintenance\/\d/) as unknown,
      },
    });
  });

  test('a header of the configuration replaces ours', async () => {
    const receiver = await startReceiver();
    await send(`{ webhook: { url: ${receiver.url}, headers: { Content-Type: application/x-own } } }`, aProblem);
    expect(receiver.requests[0]?.headers['content-type']).toBe('application/x-own');
  });

  test('a redirect is not followed, and the error does not say where it leads', async () => {
    const target = await startReceiver();
    const receiver = await startReceiver(() => ({ status: 307, headers: { location: `${target.url}/secret` } }));
    const error = await failure(`{ webhook: { url: ${receiver.url} } }`, aProblem);
    expect(error.message).toBe('answered with a redirect, which is not followed: configure the address it leads to');
    expect(target.requests).toEqual([]);
  });

  test('of a long answer only the beginning is read, and a few words of it are told, in one plain line', async () => {
    const receiver = await startReceiver(() => ({ status: 400, body: `no\u001b[31m\nsuch ${'x'.repeat(5_000_000)}` }));
    const error = await failure(`{ webhook: { url: ${receiver.url} } }`, aProblem);
    expect(error).toMatchObject({ status: 400, isRefusal: true });
    expect(error.message).toMatch(/^answered 400: no\\u\{1b\}\[31m\\nsuch x+…$/);
    expect(error.message.length).toBeLessThan(230);
  });

  test('Retry-After is understood as seconds and as a date', async () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    const receiver = await startReceiver((index) => ({
      status: index === 0 ? 429 : 503,
      headers: { 'retry-after': index === 0 ? '7' : inAMinute },
    }));
    expect(await failure(`{ webhook: { url: ${receiver.url} } }`, aProblem)).toMatchObject({
      status: 429,
      retryAfterMs: 7000,
      isRefusal: false,
    });
    const { retryAfterMs } = await failure(`{ webhook: { url: ${receiver.url} } }`, aProblem);
    expect(retryAfterMs).toBeGreaterThan(1000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  test('a receiver that does not answer is left after the timeout, one that is not there at once', async () => {
    const receiver = await startReceiver(() => 'hang');
    const hanging = await failure(`{ webhook: { url: ${receiver.url} } }`, aProblem, 100);
    expect(hanging.message).toBe('did not answer within 100 ms');
    const absent = await failure(`{ webhook: { url: "http://127.0.0.1:${await freePort()}/x" } }`, aProblem);
    expect(absent.message).toBe('could not be reached (ECONNREFUSED)');
  });
});

describe.each<[string, (url: string) => string, Message]>([
  ['webhook', (url) => `{ webhook: { url: ${url} } }`, aProblem],
  ['slack', (url) => `{ slack: { url: ${url}/services/T0/B0/xyz } }`, aProblem],
  ['pagerduty', (url) => `{ pagerduty: { routing_key: R0UTE, url: ${url}/v2/enqueue } }`, aProblem],
  ['opsgenie', (url) => `{ opsgenie: { api_key: 01ab-cd, api_url: ${url} } }`, aProblem],
  ['ntfy', (url) => `{ ntfy: { url: ${url}, topic: db-alerts } }`, aProblem],
  ['ping', (url) => `{ ping: { url: "${url}/uuid-1", schedule: daily } }`, aRun],
])('whatever its receiver does, %s', (_, channel, message) => {
  test('says what may be tried again, and when', async () => {
    const receiver = await startReceiver((index) =>
      index === 0 ? { status: 429, headers: { 'retry-after': '7' } } : index === 1 ? { status: 500 } : 'hang',
    );
    const at = channel(receiver.url);
    expect(await failure(at, message)).toMatchObject({ status: 429, retryAfterMs: 7000, isRefusal: false });
    expect(await failure(at, message)).toMatchObject({ status: 500, isRefusal: false });
    expect((await failure(at, message, 100)).message).toBe('did not answer within 100 ms');
  });

  test('trusts no certificate that it cannot verify, and sends nothing', async (context) => {
    const receiver = await startReceiver(() => ({ status: 200 }), selfSigned(context));
    const error = await failure(channel(receiver.url), message);
    expect(error).toMatchObject({ isRefusal: false });
    expect(error.message).toMatch(/DEPTH_ZERO_SELF_SIGNED_CERT/);
    expect(receiver.requests).toEqual([]);
  });
});

describe('slack', () => {
  const channel = (url: string): string => `{ slack: { url: ${url}/services/T0/B0/xyz } }`;

  test('says what is wrong, what to do, since when and where', async () => {
    const receiver = await startReceiver();
    await send(channel(receiver.url), aProblem);
    await send(channel(receiver.url), itsRecovery);
    expect(receiver.documents()).toEqual([
      {
        text: ':rotating_light: *[critical] logs: backup fails*\ncannot back up logs: 1.2 GB free, 3.0 GB needed\nFree some space.\nSince 2026-11-23 12:00 UTC, on db1.',
      },
      {
        text: ':white_check_mark: *[closed] logs: backup fails*\nIt no longer stands open: it went well since, or somebody has acknowledged it.\nOpen from 2026-11-23 12:00 UTC to 2026-11-23 13:00 UTC, on db1.',
      },
    ]);
  });

  test('a message from a database mentions nobody, links to nothing, and is not longer than Slack takes', async () => {
    const receiver = await startReceiver();
    const message = `<!channel> <http://x|y> & ${'<'.repeat(10_000)}`;
    await send(channel(receiver.url), { ...aProblem, message });
    const text = String(receiver.documents()[0]?.['text']);
    expect(text).toContain('&lt;!channel&gt; &lt;http://x|y&gt; &amp; ');
    expect(text).not.toMatch(/[<>]/);
    expect(text.replaceAll('&lt;', '<').length).toBeLessThanOrEqual(3000);
  });
});

describe('pagerduty', () => {
  const channel = (url: string): string => `{ pagerduty: { routing_key: R0UTE, url: ${url}/v2/enqueue } }`;

  test('a problem triggers, its recovery resolves, by the same key', async () => {
    const receiver = await startReceiver(() => ({ status: 202, body: '{"status":"success"}' }));
    await send(channel(receiver.url), aProblem);
    await send(channel(receiver.url), itsRecovery);
    const payload = {
      summary: 'logs: backup fails',
      source: 'db1',
      severity: 'critical',
      timestamp: '2026-11-23T12:01:00.000Z',
      class: 'failure',
      component: 'logs',
      custom_details: {
        message: 'cannot back up logs: 1.2 GB free, 3.0 GB needed',
        advice: 'Free some space.',
        since: '2026-11-23T12:00:00.000Z',
        key: 'logs/backup',
      },
    };
    const common = { routing_key: 'R0UTE', dedup_key: 'db1/logs/backup', client: 'debuggle-maintenance' };
    expect(receiver.documents()).toEqual([
      { ...common, event_action: 'trigger', payload },
      { ...common, event_action: 'resolve', payload: expect.any(Object) as unknown },
    ]);
    expect(receiver.requests.map(({ url }) => url)).toEqual(['/v2/enqueue', '/v2/enqueue']);
  });

  test('summary and key are never longer than the interface takes, and long keys stay apart', async () => {
    const receiver = await startReceiver(() => ({ status: 202 }));
    const long = 'x'.repeat(2000);
    for (const end of ['a', 'b'])
      await send(channel(receiver.url), { ...aProblem, title: `😀${long}`, dedupKey: `${long}${end}` });
    const sent = receiver.documents() as { dedup_key: string; payload: { summary: string } }[];
    expect(sent.map(({ payload }) => payload.summary.length)).toEqual([1024, 1024]);
    expect(sent.map(({ dedup_key }) => dedup_key.length)).toEqual([255, 255]);
    expect(sent[0]?.dedup_key).not.toBe(sent[1]?.dedup_key);
  });
});

describe('opsgenie', () => {
  test('a problem creates an alert, its recovery closes it by the alias, with the key in the header', async () => {
    const receiver = await startReceiver(() => ({ status: 202 }));
    const channel = `{ opsgenie: { api_key: 01ab-cd, api_url: ${receiver.url} } }`;
    await send(channel, aProblem);
    await send(channel, itsRecovery);
    expect(receiver.requests.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/v2/alerts', 'GenieKey 01ab-cd'],
      ['/v2/alerts/db1%2Flogs%2Fbackup/close?identifierType=alias', 'GenieKey 01ab-cd'],
    ]);
    expect(receiver.documents()).toEqual([
      {
        message: 'logs: backup fails',
        alias: 'db1/logs/backup',
        description:
          'cannot back up logs: 1.2 GB free, 3.0 GB needed\nFree some space.\nSince 2026-11-23 12:00 UTC, on db1.',
        priority: 'P1',
        source: 'db1',
        tags: ['failure'],
        details: { key: 'logs/backup', since: '2026-11-23T12:00:00.000Z' },
        entity: 'logs',
      },
      {
        source: 'db1',
        note: 'It no longer stands open: it went well since, or somebody has acknowledged it.\nOpen from 2026-11-23 12:00 UTC to 2026-11-23 13:00 UTC, on db1.',
      },
    ]);
  });

  test('message, alias and description are never longer than the interface takes', async () => {
    const receiver = await startReceiver(() => ({ status: 202 }));
    const long = 'ü'.repeat(20_000);
    const message = { ...aProblem, title: long, message: long, dedupKey: long, severity: 'warning' as const };
    await send(`{ opsgenie: { api_key: k, api_url: "${receiver.url}/" } }`, message);
    const [sent] = receiver.documents() as { message: string; alias: string; description: string; priority: string }[];
    expect([sent?.message.length, sent?.alias.length, sent?.description.length, sent?.priority]).toEqual([
      130,
      512,
      15_000,
      'P3',
    ]);
    expect(receiver.requests[0]?.url).toBe('/v2/alerts');
  });
});

describe('ntfy', () => {
  test('publishes to the topic, with priority, tags and token', async () => {
    const receiver = await startReceiver();
    const channel = `{ ntfy: { url: ${receiver.url}, topic: db-alerts, token: tk_1, tags: [sqlite] } }`;
    await send(channel, aProblem);
    await send(channel, { ...aProblem, severity: 'warning', event: 'reminder' });
    await send(channel, itsRecovery);
    expect(receiver.documents()[0]).toEqual({
      topic: 'db-alerts',
      title: '[critical] logs: backup fails',
      message: 'cannot back up logs: 1.2 GB free, 3.0 GB needed\nFree some space.\nSince 2026-11-23 12:00 UTC, on db1.',
      priority: 5,
      tags: ['rotating_light', 'failure', 'sqlite'],
    });
    expect(receiver.documents().map(({ title, priority }) => [title, priority])).toEqual([
      ['[critical] logs: backup fails', 5],
      ['[still warning] logs: backup fails', 3],
      ['[closed] logs: backup fails', 3],
    ]);
    expect(receiver.requests[0]?.headers.authorization).toBe('Bearer tk_1');
  });

  test('any script may be in a title; a message that would become a file is cut between two characters', async () => {
    const receiver = await startReceiver();
    const message = { ...aProblem, title: 'журнал 😀', message: '😀'.repeat(3000), priority: 4 };
    await send(`{ ntfy: { url: ${receiver.url}, topic: t, priority: 4 } }`, message);
    const [sent] = receiver.documents() as { title: string; message: string; priority: number }[];
    expect(sent?.title).toBe('[critical] журнал 😀');
    expect(Buffer.byteLength(sent?.message ?? '')).toBeLessThanOrEqual(4096);
    expect(sent?.message).toMatch(/^(?:😀)+…$/u);
    expect(sent?.priority).toBe(4);
    expect(receiver.requests[0]?.headers.authorization).toBeUndefined();
  });
});

describe('ping', () => {
  test('tells the start, the success and the failure of a run, each at its address', async () => {
    const receiver = await startReceiver();
    const channel = `{ ping: { url: "${receiver.url}/uuid-1?create=1", schedule: daily } }`;
    await send(channel, aRun);
    await send(channel, { ...aRun, event: 'success' });
    await send(channel, { ...aRun, event: 'fail', log: '{"msg":"run started"}\n{"msg":"run finished"}' });
    expect(receiver.requests.map(({ method, url, body }) => [method, url, body])).toEqual([
      ['POST', '/uuid-1/start?create=1', aRun.runId],
      ['POST', '/uuid-1?create=1', aRun.runId],
      ['POST', '/uuid-1/fail?create=1', `${aRun.runId}\n{"msg":"run started"}\n{"msg":"run finished"}`],
    ]);
  });

  test('of a long log the last whole lines are sent', async () => {
    const receiver = await startReceiver();
    const log = Array.from({ length: 3000 }, (_, index) => `line ${index}`).join('\n');
    await send(`{ ping: { url: ${receiver.url}/u, schedule: daily } }`, { ...aRun, event: 'fail', log });
    const body = receiver.requests[0]?.body ?? '';
    expect(body.length).toBeLessThanOrEqual(10_000);
    expect(body).toMatch(/^line \d+\n(?:line \d+\n)*line 2999$/);
  });
});

describe('email', () => {
  interface Mail {
    readonly user: string;
    readonly from: string;
    readonly to: readonly string[];
    readonly text: string;
  }

  async function mailServer(over: ConstructorParameters<typeof SMTPServer>[0] = {}) {
    const mails: Mail[] = [];
    const server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      onAuth: ({ username, password }, _session, callback) => {
        if (password === 'pa55word') callback(null, { user: username ?? '' });
        else callback(new Error('Invalid username or password'));
      },
      onData: (stream, session, callback) => {
        let text = '';
        stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          const from = mailFrom === false ? '' : mailFrom.address;
          mails.push({
            user: typeof session.user === 'string' ? session.user : '',
            from,
            to: rcptTo.map(({ address }) => address),
            text,
          });
          callback();
        });
      },
      ...over,
    });
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
    const address = server.server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return { mails, port };
  }
  const channel = (port: number, more = 'tls: none'): string =>
    `{ email: { host: 127.0.0.1, port: ${port}, from: db@example.com, to: [ops@example.com, dba@example.com], ${more} } }`;

  test('says why a mail server cannot be reached, in the words of the system', async () => {
    const absent = await failure(channel(await freePort()), aProblem);
    expect(absent.message).toBe('could not be reached (ECONNREFUSED)');
  });

  test('sends to all recipients, after a login; problem and recovery are one thread', async () => {
    const { mails, port } = await mailServer();
    await send(channel(port, 'tls: none, user: me, password: pa55word'), aProblem);
    await send(channel(port), itsRecovery);
    expect(mails.map(({ user, from, to }) => [user, from, to])).toEqual([
      ['me', 'db@example.com', ['ops@example.com', 'dba@example.com']],
      ['', 'db@example.com', ['ops@example.com', 'dba@example.com']],
    ]);
    const [first = '', second = ''] = mails.map(({ text }) => text.replaceAll('\r\n', '\n'));
    expect(first).toMatch(/^Subject: \[critical\] logs: backup fails$/m);
    expect(first).toMatch(/^Auto-Submitted: auto-generated$/m);
    expect(first.slice(first.indexOf('\n\n') + 2)).toBe(
      'logs: backup fails\n\ncannot back up logs: 1.2 GB free, 3.0 GB needed\nFree some space.\nSince 2026-11-23 12:00 UTC, on db1.\n',
    );
    const id = /^Message-ID: (\S+)$/im.exec(first)?.[1];
    expect(/^In-Reply-To: (\S+)$/im.exec(second)?.[1]).toBe(id);
    expect(second).toMatch(/^Subject: \[closed\] logs: backup fails$/m);
  });

  test('no name of a database adds a header', async () => {
    const { mails, port } = await mailServer();
    await send(channel(port), { ...aProblem, title: 'logs\r\nBcc: evil@example.com\r\n\r\nx' });
    expect(mails[0]?.to).toHaveLength(2);
    expect(mails[0]?.text).not.toMatch(/^Bcc:/m);
  });

  test('a server that puts it off is asked again, one that does not want this mail is not', async () => {
    const answers = [450, 451, 550, 554];
    const { mails, port } = await mailServer({
      onMailFrom: (_address, _session, callback) => {
        const responseCode = answers.shift();
        if (responseCode === undefined) callback();
        else callback(Object.assign(new Error('said so'), { responseCode }));
      },
    });
    for (const status of [...answers])
      expect(await failure(channel(port), aProblem)).toMatchObject({ status, isRefusal: status >= 550 });
    await send(channel(port), aProblem);
    expect(mails).toHaveLength(1);
  });

  test('a wrong password, a server without TLS, one that says nothing, and one with an untrusted certificate are told apart', async (context) => {
    const { mails, port } = await mailServer();
    const wrong = await failure(channel(port, 'tls: none, user: me, password: wr0ngword'), aProblem);
    expect(wrong).toMatchObject({ status: 535, isRefusal: false });
    expect(wrong.message).toContain('Invalid username or password');
    expect((await failure(channel(port, 'tls: starttls'), aProblem)).message).toMatch(/^no secure connection/);
    const untrusted = await mailServer({ disabledCommands: [], ...selfSigned(context) });
    expect((await failure(channel(untrusted.port, 'tls: starttls'), aProblem)).message).toMatch(
      /^no secure connection: .*self-signed/,
    );
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const address = silent.address();
    const silentPort = typeof address === 'object' && address !== null ? address.port : 0;
    const late = await failure(channel(silentPort), aProblem, 200);
    expect(late.message).toBe('did not answer within 200 ms');
    expect(mails).toEqual([]);
  });
});

describe('exec', () => {
  const program = (code: string): string => `{ exec: { command: [${process.execPath}, -e, ${JSON.stringify(code)}] } }`;

  test('the program reads the message as JSON, and no shell touches its arguments', async () => {
    const { path } = workspace();
    const code = "require('fs').writeFileSync(process.argv[1], require('fs').readFileSync(0))";
    const target = path('$HOME; out');
    await send(`{ exec: { command: [${process.execPath}, -e, "${code}", "${target}"] } }`, aProblem);
    const { dedupKey, ...rest } = aProblem;
    expect(JSON.parse(fs.readFileSync(target, 'utf8'))).toEqual({
      ...rest,
      dedup_key: dedupKey,
      program: 'debuggle-maintenance',
    });
  });

  test('another exit code than 0, a signal, and a program that is not there have not delivered it', async () => {
    expect((await failure(program('process.exit(3)'), aProblem)).message).toBe('ended with code 3');
    expect((await failure(program('process.kill(process.pid, 9)'), aProblem)).message).toBe('was ended by SIGKILL');
    expect((await failure('{ exec: { command: [/no/such/program] } }', aProblem)).message).toBe(
      'could not be started (ENOENT)',
    );
  });

  test('a program that does not read is as good as one that does', async () => {
    await send(program('process.exit(0)'), { ...aProblem, message: 'x'.repeat(1_000_000) });
  });

  test('after the deadline the program is ended, with all that it has started', async () => {
    const { path } = workspace();
    const inner = `require('fs').writeFileSync('${path('pid')}', String(process.pid)); setInterval(() => {}, 1000)`;
    const code = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}]); setInterval(() => {}, 1000)`;
    const stop = new AbortController();
    const sending = send(program(code), aProblem, { signal: stop.signal });
    sending.catch(() => undefined);
    const pid = await until(
      'the inner program',
      () => fs.existsSync(path('pid')) && Number(fs.readFileSync(path('pid'), 'utf8')),
    );
    stop.abort();
    await expect(sending).rejects.toThrow('was broken off');
    await until('its end', () => !fs.existsSync(`/proc/${pid}/fd`) || isZombie(pid));
  });
});

function isZombie(pid: number): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return true;
  }
}

test('what lets others in is known as secret: addresses with a path, keys, passwords, tokens, header values', () => {
  const config = settings(`
a: { webhook: { url: "https://h.example/in/0123456789", headers: { X-Key: hkey1 } } }
j: { webhook: { url: "https://h.example/?key=of-sixteen-letters", headers: { Authorization: Bearer of-16-letters-too } } }
b: { slack: { url: "https://hooks.example/services/T/B/x" } }
c: { pagerduty: { routing_key: rkey1 } }
d: { opsgenie: { api_key: okey1 } }
e: { ntfy: { topic: t, token: ntok1 } }
f: { email: { host: h, from: a@example.com, to: [b@example.com], user: u, password: pass1 } }
g: { ping: { url: "https://hc.example/uuid", schedule: daily } }
h: { exec: { command: [x] } }
i: { webhook: { url: "https://plain.example" } }`);
  expect(secretsOf(config).sort()).toEqual(
    [
      'https://h.example/in/0123456789',
      '/in/0123456789',
      'hkey1',
      'https://h.example/?key=of-sixteen-letters',
      '/?key=of-sixteen-letters',
      'of-sixteen-letters',
      'Bearer of-16-letters-too',
      'of-16-letters-too',
      'https://hooks.example/services/T/B/x',
      '/services/T/B/x',
      'rkey1',
      'okey1',
      'ntok1',
      'pass1',
      'https://hc.example/uuid',
      '/uuid',
    ].sort(),
  );
});
