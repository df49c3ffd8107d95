import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { judgeAccess } from '../../src/http/access.js';

const open = { token: null, hosts: [] };
const guarded = { token: 'a secret of sixteen', hosts: [] };
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('by which name this server may be asked', () => {
  test.each([
    'localhost',
    'localhost:8080',
    'LOCALHOST:8080',
    '127.0.0.1:8080',
    '10.1.2.3',
    '[::1]:8080',
    `${hostname()}:8080`,
    'status.example.com',
    'Status.Example.com:443',
  ])('%s: yes', (host) => {
    expect(judgeAccess({ host, authorization: undefined }, { token: null, hosts: ['status.example.com'] })).toEqual({
      allowed: true,
    });
  });

  test.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'user@localhost',
    'localhost:8080:8080',
    'localhost/..',
    '[::1].evil.example',
    '0x7f000001',
    'a b',
  ])('%s: no, it could be a web page that points a name of its own here', (host) => {
    expect(judgeAccess({ host, authorization: undefined }, open)).toMatchObject({ allowed: false, status: 421 });
  });

  test.each([undefined, ''])('a request that names none (%s) is refused', (host) => {
    expect(judgeAccess({ host, authorization: undefined }, open)).toMatchObject({ allowed: false, status: 400 });
  });
});

describe('a token', () => {
  test.each([
    ['as a bearer token', 'Bearer a secret of sixteen'],
    ['in any case', 'bearer  a secret of sixteen'],
    ['as the password of any user', basic('anybody:a secret of sixteen')],
    ['as the password of no user', basic(':a secret of sixteen')],
  ])('lets in, %s', (_, authorization) => {
    expect(judgeAccess({ host: 'localhost', authorization }, guarded)).toEqual({ allowed: true });
  });

  test.each([
    ['none', undefined],
    ['another', 'Bearer a secret of seventeen'],
    ['a part of it', 'Bearer a secret'],
    ['nothing after the scheme', 'Bearer'],
    ['another scheme', 'Digest a secret of sixteen'],
    ['as the user', basic('a secret of sixteen:')],
    ['without a colon', basic('a secret of sixteen')],
    ['what is no base64', 'Basic %%%'],
  ])('%s does not, and the message shows nothing of it', (_, authorization) => {
    const answer = judgeAccess({ host: 'localhost', authorization }, guarded);
    expect(answer).toMatchObject({ allowed: false, status: 401 });
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  test('is asked for only by the right name', () => {
    const request = { host: 'evil.example', authorization: 'Bearer a secret of sixteen' };
    expect(judgeAccess(request, guarded)).toMatchObject({ status: 421 });
  });
});
