import { expect, test } from 'vitest';
import { writeConfig } from '../helpers/configuration.js';
import { runProgram } from '../helpers/program.js';
import { workspace } from '../helpers/workspace.js';
import { startReceiver } from '../notify/receiver.js';

const call = async (channels: object | undefined, ...args: readonly string[]) => {
  const { file } = writeConfig(workspace(), channels === undefined ? {} : { notify: { channels } });
  return await runProgram(['--config', file, 'notify-test', ...args]);
};

test('each channel gets one of each, and a line says what became of it', async () => {
  const receiver = await startReceiver((_, { url }) => ({ status: url === '/bad' ? 403 : 200, body: 'no key-123456' }));
  const { code, stdout } = await call({
    team: { slack: { url: `${receiver.url}/team` } },
    hc: { ping: { url: `${receiver.url}/hc`, schedule: 'daily' } },
    bad: { webhook: { url: `${receiver.url}/bad`, headers: { 'X-Key': 'key-123456' } } },
  });
  expect(code).toBe(1);
  expect(stdout.replace(/\([\d.]+ m?s\)/g, '(t)').split('\n')).toEqual([
    'team (slack): problem, recovery delivered (t)',
    'hc (ping): start, fail, success delivered (t)',
    'bad (webhook): problem FAILED: the receiver answered 403: no [redacted] (t)',
    '',
  ]);
  const urls = receiver.requests.map(({ url }) => url);
  expect(urls.filter((url) => url.startsWith('/hc'))).toEqual(['/hc/start', '/hc/fail', '/hc']);
  expect(urls.filter((url) => url === '/team')).toHaveLength(2);
});

test('one channel may be chosen, and --json answers one document', async () => {
  const receiver = await startReceiver();
  const channels = {
    one: { webhook: { url: `${receiver.url}/one` } },
    other: { webhook: { url: `${receiver.url}/other` } },
  };
  const { code, stdout } = await call(channels, '--channel', 'one', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual([
    {
      channel: 'one',
      kind: 'webhook',
      delivered: ['problem', 'recovery'],
      failed: null,
      duration_ms: expect.any(Number) as unknown,
    },
  ]);
  expect(receiver.requests.map(({ url }) => url)).toEqual(['/one', '/one']);
});

test('without channels, and for one that is not there, it says so and ends with 2', async () => {
  const none = await call(undefined);
  expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/no channels are configured in .*config\.yaml/)]);
  const unknown = await call({ oncall: { exec: { command: ['true'] } } }, '--channel', 'oncal');
  expect([unknown.code, unknown.stderr]).toEqual([
    2,
    expect.stringMatching(/there is no channel oncal in .*: did you mean `oncall`\?/),
  ]);
});
