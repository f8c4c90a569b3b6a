import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestResponse } from '../../server/accounts/digest.ts';
import { digestHash } from '../../server/accounts/ha1.ts';
import { NONCE_LIFETIME, Nonces, UNCOUNTED_LIFETIME } from '../../server/accounts/nonces.ts';
import { type AnswerOptions, answer } from './digest-answer.ts';
import { Login } from './login.ts';

const ALICE = { username: 'alice', password: 'wonder:land', method: 'REGISTER', uri: 'sip:example.com' };
const USER = { kind: 'user', address: 'sip:alice@example.com', admin: false };
const TARGET = '/xcap-root/resource-lists/users/sip:alice@example.com/index';
const HTTP_USER = { kind: 'requester', requester: { address: 'sip:alice@example.com', admin: false } };

let login: Login;
beforeEach(() => {
  login = new Login();
});
afterEach(() => login.close());

/** The answer to a new MD5 (or SHA-256) challenge. */
function fresh(change: Partial<AnswerOptions> = {}, algorithm: 'SHA-256' | 'MD5' = 'MD5'): string {
  return answer({ challenge: login.challenges()[algorithm === 'MD5' ? 1 : 0], ...ALICE, ...change });
}

describe('RFC 7616 3.9.1: the example', () => {
  const fields = {
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    nc: '00000001',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    qop: 'auth',
  } as const;
  it.each([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ] as const)('%s', (algorithm, response) => {
    const ha1 = digestHash(algorithm, 'Mufasa:http-auth@example.org:Circle of Life');
    expect(digestResponse(algorithm, ha1, fields, { method: 'GET', body: Buffer.of() }, '/dir/index.html')).toBe(response);
  });
});

describe('RFC 8760 2.2, RFC 7616 3.3: challenges', () => {
  it('offer SHA-256 before MD5, with one nonce, in the realm of From, of the Request-URI, or of each domain', () => {
    const [sha, md5] = login.challenges();
    expect(sha).toMatch(/^Digest realm="example\.com", nonce="([^"]{32})", opaque="[^"]+", qop="auth", algorithm=SHA-256$/);
    expect(md5).toBe(sha.replace('SHA-256', 'MD5'));
    expect(login.sip([], { uri: 'sip:olga@EXAMPLE.org:5060;transport=tcp' })).toMatchObject({
      challenges: [expect.stringContaining('realm="example.org"'), expect.anything()],
    });
    expect(login.sip([], { uri: 'sip:example.com', from: 'sip:olga@example.org' })).toMatchObject({
      challenges: [expect.stringContaining('realm="example.org"'), expect.anything()],
    });
    const [com, org] = ['realm="example.com"', 'realm="example.org"'].map((realm) => expect.stringContaining(realm));
    expect(login.sip([], { uri: 'sip:elsewhere.net' })).toMatchObject({ challenges: [com, com, org, org] });
  });

  it('never repeat a nonce', () => {
    expect(new Set(Array.from({ length: 1000 }, () => login.challenges()[0])).size).toBe(1000);
  });
});

describe('RFC 7616 3.4: credentials', () => {
  it.each(['alice', 'alice@example.com', 'sip:alice@example.com'])('are accepted for the user name %s', (username) => {
    expect(login.sip([fresh({ username })])).toEqual(USER);
    expect(login.sip([fresh({ username }, 'SHA-256')])).toEqual(USER);
  });

  it('are accepted with auth-int over the body, in session variants, and without qop as RFC 2069 had it', () => {
    expect(login.sip([fresh({ qop: 'auth-int', body: 'v=0' })], { body: 'v=0' })).toEqual(USER);
    expect(login.sip([fresh({ qop: 'auth-int', body: 'v=0' })], { body: 'v=1' })).toMatchObject({ kind: 'challenge' });
    expect(login.sip([fresh({ session: true }, 'SHA-256')])).toEqual(USER);
    expect(login.sip([fresh({ qop: 'none' })])).toEqual(USER);
    expect(login.sip([fresh({ qop: 'none' }).replace(', algorithm=MD5', '')])).toEqual(USER);
    expect(login.sip([fresh({ qop: 'none' }, 'SHA-256')])).toMatchObject({ kind: 'malformed' });
  });

  it('say who is an admin, and whose password has letters beyond ASCII', () => {
    expect(login.sip([fresh({ username: 'root', password: 'r00t' })])).toMatchObject({ address: 'sip:root@example.com', admin: true });
    const challenged = login.sip([], { uri: 'sip:example.org' });
    const challenge = challenged.kind === 'challenge' ? (challenged.challenges[0] ?? '') : '';
    const olga = answer({ ...ALICE, challenge, username: 'olga', password: 'gr\u00fc\u00df', uri: 'sip:example.org' });
    expect(login.sip([olga], { uri: 'sip:example.org' })).toMatchObject({ kind: 'user', address: 'sip:olga@example.org' });
  });

  it('are refused, without stale, with a wrong password, for an unknown user, another method and another realm', () => {
    const refused = { kind: 'challenge', challenges: [expect.not.stringContaining('stale'), expect.not.stringContaining('stale')] };
    expect(login.sip([fresh({ password: 'wrong' })])).toMatchObject({ ...refused, reason: 'wrong password' });
    expect(login.sip([fresh({ username: 'mallory' })])).toMatchObject({ ...refused, reason: 'no such user' });
    expect(login.sip([fresh({ username: 'olga', password: 'gr\u00fc\u00df' })])).toMatchObject({ ...refused, reason: 'no such user' });
    expect(login.sip([fresh()], { method: 'INVITE' })).toMatchObject(refused);
    expect(login.sip([fresh().replace('realm="example.com"', 'realm="elsewhere"')])).toMatchObject(refused);
    expect(login.sip(['Bearer abc'])).toMatchObject(refused);
  });

  it('are found among those for other realms', () => {
    expect(login.sip(['Digest realm="x", username="a", nonce="b", uri="sip:example.com", response="c"', fresh()])).toEqual(USER);
  });

  it('are for the target of the request: another user or host is answered 400, a port or parameter does not matter', () => {
    expect(login.sip([fresh({ uri: 'sip:bob@example.com' })], { uri: 'sip:alice@example.com' })).toMatchObject({ kind: 'malformed' });
    expect(login.sip([fresh({ uri: 'sip:EXAMPLE.com' })], { uri: 'sip:example.com;transport=udp' })).toEqual(USER);
  });

  it.each([
    ['nothing', 'Digest'],
    ['an open quote', 'Digest username="alice'],
    ['no comma', 'Digest username="alice" realm="example.com"'],
    ['a name twice', 'Digest username="alice", username="bob"'],
    ['no nonce', 'Digest username="alice", realm="example.com", uri="sip:example.com", response="0"'],
    ['no uri', 'Digest username="alice", realm="example.com", nonce="0", response="0"'],
    [
      'a count that is none',
      'Digest username="a", realm="example.com", nonce="0", uri="sip:example.com", response="0", qop=auth, nc=xyz, cnonce="1"',
    ],
    [
      'an unknown qop',
      'Digest username="a", realm="example.com", nonce="0", uri="sip:example.com", response="0", qop=strong, nc=00000001, cnonce="1"',
    ],
    ['ten thousand quotes', `Digest uri="${'"'.repeat(7000)}`],
    ['too much', `Digest username="${'a'.repeat(10_000)}"`],
  ])('with %s are malformed', (_, value) => {
    expect(login.sip([value])).toMatchObject({ kind: 'malformed', reason: expect.stringMatching(/^[^\n]+$/) });
  });

  it('leave no secret in the log', () => {
    const value = fresh({ password: 'wrong' });
    login.sip([value]);
    login.http(answer({ ...ALICE, challenge: login.challenges('http')[0], password: 'guess', method: 'GET', uri: TARGET }));
    login.http(`Basic ${Buffer.from('alice:sesame').toString('base64')}`);
    const log = login.logged.join('');
    expect(log).toContain('wrong password');
    expect(log).toContain('"username":"alice"');
    for (const secret of [
      /response="([^"]+)"/.exec(value)?.[1] ?? '',
      'sesame',
      'guess',
      'Basic',
      Buffer.from('alice:sesame').toString('base64'),
    ]) {
      expect(secret).not.toBe('');
      expect(log).not.toContain(secret);
    }
  });
});

describe('RFC 7616 3.3, 5.4: nonces', () => {
  it('refuse a count that was used before with stale=true, and take higher ones and those that were overtaken', () => {
    const [, challenge] = login.challenges();
    const count = (nc: number) => login.sip([answer({ challenge, ...ALICE, nc })]);
    expect(count(1)).toEqual(USER);
    expect(count(1)).toMatchObject({ kind: 'challenge', challenges: [expect.stringContaining('stale=true'), expect.anything()] });
    expect(count(5)).toEqual(USER);
    expect(count(3)).toEqual(USER);
    expect(count(3)).toMatchObject({ kind: 'challenge' });
    expect(count(5)).toMatchObject({ kind: 'challenge' });
    expect(count(0xffff_ffff)).toEqual(USER);
    expect(count(6)).toMatchObject({ kind: 'challenge' });
    expect(count(0xffff_ffff - 31)).toEqual(USER);
    expect(count(0xffff_ffff - 32)).toMatchObject({ kind: 'challenge' });
  });

  it('do not count what a wrong password sends', () => {
    const [, challenge] = login.challenges();
    expect(login.sip([answer({ challenge, ...ALICE, password: 'wrong' })])).toMatchObject({ kind: 'challenge', reason: 'wrong password' });
    expect(login.sip([answer({ challenge, ...ALICE })])).toEqual(USER);
  });

  it('expire: stale=true for who knows the password, not for who does not', () => {
    const value = fresh();
    const wrong = fresh({ password: 'wrong' });
    login.now += NONCE_LIFETIME + 1;
    expect(login.sip([value])).toMatchObject({ kind: 'challenge', challenges: [expect.stringContaining('stale=true'), expect.anything()] });
    expect(login.sip([wrong])).toMatchObject({ challenges: [expect.not.stringContaining('stale'), expect.anything()] });
  });

  it('expire sooner for clients that do not count', () => {
    const value = fresh({ qop: 'none' });
    const counted = fresh();
    login.now += UNCOUNTED_LIFETIME + 1;
    expect(login.sip([value])).toMatchObject({ kind: 'challenge', challenges: [expect.stringContaining('stale=true'), expect.anything()] });
    expect(login.sip([counted])).toEqual(USER);
  });

  it('that are not from here are stale, whatever they look like', () => {
    for (const nonce of ['x', 'A'.repeat(32), '\u00e4'.repeat(32), `${login.challenges()[0].slice(29, 60)}A`]) {
      const [, challenge] = login.challenges();
      const value = answer({ ...ALICE, challenge: challenge.replace(/nonce="[^"]*"/, `nonce="${nonce}"`) });
      expect(login.sip([value]), nonce).toMatchObject({ kind: 'challenge' });
    }
  });

  it('end with the process, which alone knows their counts: stale=true for who knows the password, not for who does not', () => {
    const value = fresh();
    const [unused, wrong] = [fresh(), fresh({ password: 'wrong' })];
    expect(login.sip([value])).toEqual(USER);
    login.restart();
    for (const earlier of [value, unused])
      expect(login.sip([earlier])).toMatchObject({
        kind: 'challenge',
        challenges: [expect.stringContaining('stale=true'), expect.anything()],
      });
    expect(login.sip([wrong])).toMatchObject({ challenges: [expect.not.stringContaining('stale'), expect.anything()] });
    expect(login.sip([fresh()])).toEqual(USER);
  });

  it('whose counts were forgotten to make room are stale, so that none is ever replayed', () => {
    let now = 1_000_000;
    const nonces = new Nonces(() => now++, 10);
    const first = nonces.issue();
    expect(nonces.use(first, 1)).toBe(true);
    for (let index = 0; index < 30; index++) nonces.use(nonces.issue(), 1);
    expect(nonces.state(first)).toBe('expired');
    expect(nonces.state(nonces.issue())).toBe('valid');
  });
});

describe('RFC 7616, RFC 7617: HTTP logins', () => {
  const http = (change: Partial<AnswerOptions> = {}) =>
    answer({ challenge: login.challenges('http')[0], ...ALICE, method: 'GET', uri: TARGET, ...change });

  it('are challenged for Digest and Basic', () => {
    expect(login.http(undefined)).toMatchObject({
      kind: 'challenge',
      challenges: [expect.stringContaining('SHA-256'), expect.stringContaining('MD5'), 'Basic realm="example.com", charset="UTF-8"'],
    });
  });

  it.each([
    ['as it is', `${TARGET}/~~/resource-lists/list[@name="friends"]`, undefined],
    [
      'with escapes in the request only',
      `${TARGET}/~~/resource-lists/list%5b@name=%22friends%22%5d`,
      `${TARGET}/~~/resource-lists/list[@name="friends"]`,
    ],
    ['with several quotes', `${TARGET}/~~/resource-lists/list[@name="a"]/entry[@uri="sip:b@c"]`, undefined],
    ['as a whole URI', TARGET, `http://127.0.0.1:8080${TARGET}`],
  ])('take uri="..." with bare brackets and quotes, %s', (_, target, uri = target) => {
    expect(login.http(http({ uri }), { target })).toEqual(HTTP_USER);
    const another = login.http(http({ uri: uri.replace('alice', 'bob') }), { target });
    expect(another).toMatchObject({ kind: 'malformed' });
  });

  it('take uri="..." with escaped quotes, computed with or without the escapes', () => {
    const target = `${TARGET}/~~/resource-lists/list[@name="friends"]`;
    const writtenUri = target.replaceAll('"', '\\"');
    expect(login.http(http({ uri: target, writtenUri }), { target })).toEqual(HTTP_USER);
    expect(login.http(http({ uri: writtenUri }), { target })).toEqual(HTTP_USER);
  });

  const basic = (pair: string) => login.http(`Basic ${Buffer.from(pair).toString('base64')}`);

  it('take Basic with each form of the user name, colons and letters beyond ASCII in the password', () => {
    for (const username of ['alice', 'alice@example.com', 'sip:alice@example.com'])
      expect(basic(`${username}:wonder:land`)).toEqual(HTTP_USER);
    expect(basic('olga@example.org:gr\u00fc\u00df')).toMatchObject({ requester: { address: 'sip:olga@example.org' } });
    expect(basic('alice:wonder')).toMatchObject({ kind: 'challenge' });
    expect(basic('mallory:wonder:land')).toMatchObject({ kind: 'challenge' });
    expect(basic('alice:')).toMatchObject({ kind: 'challenge' });
    expect(basic('alice')).toMatchObject({ kind: 'malformed' });
    expect(login.http('Basic ***')).toMatchObject({ kind: 'malformed' });
  });

  it('do not tell a client who has an account', () => {
    const refusals = [http({ password: 'wrong' }), http({ username: 'mallory' })].map((value) => login.http(value));
    for (const refusal of [...refusals, basic('alice:wrong'), basic('mallory:wrong')])
      expect(refusal).toMatchObject({ kind: 'challenge', reason: 'no such user, or wrong password' });
  });

  it('take an admin of the default domain by the bare name for documents of another domain', () => {
    const target = '/xcap-root/resource-lists/users/sip:olga@example.org/index';
    const pair = Buffer.from('root:r00t').toString('base64');
    expect(login.http(`Basic ${pair}`, { target })).toMatchObject({ requester: { address: 'sip:root@example.com', admin: true } });
    expect(login.http(undefined, { target })).toMatchObject({
      challenges: [expect.stringContaining('realm="example.org"'), expect.anything(), expect.anything()],
    });
  });
});

it('verifies in a few microseconds', () => {
  const [, challenge] = login.challenges();
  const values = Array.from({ length: 4000 }, (_, index) => answer({ challenge, ...ALICE, nc: index + 1 }));
  for (const value of values.slice(0, 2000)) login.sip([value]);
  const before = process.cpuUsage();
  for (const value of values.slice(2000)) expect(login.sip([value]).kind).toBe('user');
  const { user, system } = process.cpuUsage(before);
  // Far above what it takes, so that only a query or a slow hash per request can fail it.
  expect((user + system) / 2000).toBeLessThan(100);
});
