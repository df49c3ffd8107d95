import { describe, expect, test } from 'vitest';
import { isLoopback, parseListen } from '../../src/config/listen.js';
import { load, minimal, mistakesIn, said } from './config-file.js';

describe('where it listens', () => {
  test.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080, true],
    ['127.1.2.3:0', '127.1.2.3', 0, true],
    ['localhost:80', 'localhost', 80, true],
    ['[::1]:8080', '::1', 8080, true],
    ['0.0.0.0:8080', '0.0.0.0', 8080, false],
    ['[::]:65535', '::', 65_535, false],
    ['db1.example.com:8080', 'db1.example.com', 8080, false],
  ])('%s is %s, port %d; only this machine reaches it: %s', (text, host, port, loopback) => {
    expect(parseListen(text)).toEqual({ host, port });
    expect(isLoopback({ host, port })).toBe(loopback);
  });

  test.each([
    '8080',
    ':8080',
    '127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:65536',
    '::1:8080',
    '[127.0.0.1]:80',
    'a b:80',
    'http://x:80',
  ])('%s is none', (text) => {
    expect(parseListen(text)).toBeUndefined();
    expect(mistakesIn(`${minimal}http: { listen: "${text}" }\n`)).toEqual([
      '7:17 http.listen: an address with a port is needed, such as 127.0.0.1:8080 or [::1]:8080',
    ]);
  });
});

test('false switches it off', () => {
  expect(load(`${minimal}http: false\n`).http).toBeNull();
});

test.each([
  ['http: true', '7:7 http: a mapping (key: value) or false is needed'],
  ['http: 8080', '7:7 http: a mapping (key: value) or false is needed'],
  ['http: { lisen: x }', '7:9 http.lisen: unknown key `lisen`: did you mean `listen`?'],
  ['http: { token: short }', '7:16 http.token: at least 16 characters are needed: a longer one cannot be guessed'],
  ['http: { hosts: ["a:80"] }', '7:17 http.hosts.0: a host name without port is needed'],
  ['http: { max_connections: 0 }', '7:26 http.max_connections: at least 1 is needed'],
])('%s is refused with its place', (line, mistake) => {
  expect(mistakesIn(`${minimal}${line}\n`)).toEqual([mistake]);
});

test('an address that others reach, without a token, is a warning; with one it is none', () => {
  const exposed = (http: string): string[] => said(load(`${minimal}http: ${http}\n`).warnings);
  expect(exposed('{ listen: "0.0.0.0:8080" }')).toEqual([
    '7:17 http.listen: everybody who reaches this address can read the status page and the metrics: set `http.token`',
  ]);
  expect(exposed('{ listen: "0.0.0.0:8080", token: "0123456789abcdef" }')).toEqual([]);
  expect(exposed('{ listen: "127.0.0.1:8080" }')).toEqual([]);
});
