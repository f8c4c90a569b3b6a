import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoginBrake } from '../../server/accounts/login-brake.ts';
import { answer } from './digest-answer.ts';
import { Login } from './login.ts';

/** RFC 7616 5.7, 5.9: guessing passwords online. */

const ALICE = 'sip:alice@example.com';
const REALM = { method: 'REGISTER', uri: 'sip:example.com' };

describe('the brake', () => {
  let now = 0;
  let brake: LoginBrake;
  beforeEach(() => {
    now = 1_000_000;
    brake = new LoginBrake(undefined, () => now);
  });
  const fail = (peer: string, account: string, times = 1) => {
    for (let i = 0; i < times; i++) brake.failed(peer, account);
  };

  it('lets ten wrong passwords of one address through, then one per ten seconds', () => {
    fail('192.0.2.1', ALICE, 9);
    expect(brake.delay('192.0.2.1', ALICE)).toBe(0);
    fail('192.0.2.1', ALICE);
    expect(brake.delay('192.0.2.1', ALICE)).toBe(10);
    now += 9_999;
    expect(brake.delay('192.0.2.1', ALICE)).toBe(1);
    now += 1;
    expect(brake.delay('192.0.2.1', ALICE)).toBe(0);
    fail('192.0.2.1', ALICE);
    expect(brake.delay('192.0.2.1', ALICE)).toBe(10);
    now += 100_000;
    fail('192.0.2.1', ALICE, 9);
    expect(brake.delay('192.0.2.1', ALICE)).toBe(0);
  });

  it('slows an address that tries many accounts, but not those who have logged in from there', () => {
    brake.succeeded('192.0.2.1', ALICE);
    for (let i = 0; i < 30; i++) fail('192.0.2.1', `sip:u${i}@example.com`);
    expect(brake.delay('192.0.2.1', 'sip:new@example.com')).toBe(2);
    expect(brake.delay('192.0.2.1', ALICE)).toBe(0);
    expect(brake.delay('192.0.2.2', 'sip:new@example.com')).toBe(0);
  });

  it('under attack from everywhere lets each new address try once a minute, and leaves the known ones alone', () => {
    brake.succeeded('198.51.100.1', ALICE);
    for (let i = 0; i < 200; i++) fail(`192.0.2.${i}`, ALICE);
    expect(brake.delay('192.0.2.7', ALICE)).toBe(60);
    expect(brake.delay('203.0.113.1', ALICE)).toBe(0);
    fail('198.51.100.1', ALICE, 5);
    expect(brake.delay('198.51.100.1', ALICE)).toBe(0);
    expect(brake.delay('192.0.2.7', 'sip:bob@example.com')).toBe(0);
    now += 2_000_000;
    fail('192.0.2.7', ALICE, 5);
    expect(brake.delay('192.0.2.7', ALICE)).toBe(0);
  });

  it('counts the /64 of an IPv6 address, and a mapped IPv4 address as what it is', () => {
    fail('2001:db8:1:2::1', ALICE, 5);
    fail('2001:db8:1:2:3:4:5:6', ALICE, 5);
    expect(brake.delay('2001:db8:1:2:ffff::', ALICE)).toBe(10);
    expect(brake.delay('2001:db8:1:3::1', ALICE)).toBe(0);
    fail('::ffff:192.0.2.1', ALICE, 10);
    expect(brake.delay('192.0.2.1', ALICE)).toBe(10);
    fail('::1', ALICE, 10);
    expect(brake.delay('::1', ALICE)).toBe(10);
  });

  it('does not hold the address of a proxy against the users behind it', () => {
    const shared = new LoginBrake(
      (peer) => peer === '192.0.2.1',
      () => now,
    );
    for (let i = 0; i < 50; i++) shared.failed('192.0.2.1', `sip:u${i}@example.com`);
    expect(shared.delay('192.0.2.1', ALICE)).toBe(0);
  });

  it('remembers a bounded number of addresses and accounts', () => {
    const small = new LoginBrake(undefined, () => now, 100);
    for (let i = 0; i < 10; i++) small.failed('192.0.2.1', ALICE);
    expect(small.delay('192.0.2.1', ALICE)).toBe(10);
    for (let i = 0; i < 200; i++) small.failed(`10.0.0.${i}`, `sip:u${i}@example.com`);
    expect(small.delay('192.0.2.1', ALICE)).toBe(0);
  });
});

describe('logins', () => {
  let login: Login;
  beforeEach(() => {
    login = new Login();
  });
  afterEach(() => login.close());

  const attacker = { peer: '192.0.2.66' };
  const sip = (password: string, peer: string, username = 'alice') =>
    login.sip([answer({ ...REALM, challenge: login.challenges()[0], username, password })], { peer });
  const basic = (password: string, peer: string, username = 'alice') =>
    login.http(`Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`, { peer });

  it.each([
    ['SIP digest', sip],
    ['HTTP Basic', basic],
  ])('by %s are slowed alike for a user that is there and one that is not, the right password too', (_, attempt) => {
    for (const username of ['alice', 'mallory']) {
      const peer = username === 'alice' ? attacker.peer : '192.0.2.67';
      for (let i = 0; i < 10; i++) expect(attempt('wrong', peer, username)).toMatchObject({ kind: 'challenge' });
      expect(attempt('wrong', peer, username)).toEqual({ kind: 'slowed', seconds: 10, reason: expect.any(String), ...(attempt === sip && { username }) }); // biome-ignore format: one line
    }
    expect(attempt('wonder:land', attacker.peer)).toMatchObject({ kind: 'slowed' });
    expect(attempt('wonder:land', '198.51.100.1').kind).toMatch(/user|requester/);
    login.now += 10_000;
    expect(attempt('wonder:land', attacker.peer).kind).toMatch(/user|requester/);
  });

  it('count SIP, Digest and Basic together, and all spellings of a name', () => {
    for (const [i, username] of ['alice', 'alice@example.com', 'sip:alice@example.com', 'alice', 'alice'].entries()) {
      sip(`wrong${i}`, attacker.peer, username);
      basic(`wrong${i}`, attacker.peer, username);
    }
    expect(sip('wonder:land', attacker.peer)).toMatchObject({ kind: 'slowed' });
    expect(basic('wonder:land', attacker.peer)).toMatchObject({ kind: 'slowed' });
  });

  it('with a nonce that the user has logged in with go on, whatever others do in the name of the address', () => {
    const [challenge] = login.challenges();
    const go = (nc: number, password = 'wonder:land') =>
      login.sip([answer({ ...REALM, challenge, username: 'alice', password, nc })], attacker);
    expect(go(1)).toMatchObject({ kind: 'user' });
    for (let i = 0; i < 20; i++) sip('wrong', attacker.peer);
    expect(sip('wonder:land', attacker.peer)).toMatchObject({ kind: 'slowed' });
    expect(go(2)).toMatchObject({ kind: 'user' });
    const olga = { ...REALM, challenge, username: 'sip:root@example.com', password: 'guess' };
    for (let nc = 3; nc < 13; nc++) login.sip([answer({ ...olga, nc })], attacker);
    expect(login.sip([answer({ ...olga, nc: 13 })], attacker), "another's nonce is no way around").toMatchObject({ kind: 'slowed' });
  });

  it('that bring no password are not counted: challenges, malformed credentials, other realms', () => {
    for (let i = 0; i < 50; i++) {
      login.sip([], attacker);
      login.http(undefined, attacker);
      login.sip(['Digest username="alice'], attacker);
      login.sip([answer({ ...REALM, challenge: login.challenges()[0], username: 'alice', password: 'x' }).replace('realm="example.com"', 'realm="else"')], attacker); // biome-ignore format: one line
    }
    expect(sip('wonder:land', attacker.peer)).toMatchObject({ kind: 'user' });
  });
});
