import { afterEach, describe, expect, test } from 'vitest';
import type { Config } from '../../server/config.ts';
import { send } from '../helpers/http-exchange.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';

/** RFC 7616 5.7: guessing passwords, when it comes from an address that many users share. */

const PROXY = '127.0.0.5';

let server: InProcessServer;
afterEach(() => server.stop());

async function start(settings: Partial<Config>): Promise<void> {
  server = await startServer(settings);
  for (const user of ['alice', 'bob']) await server.addUser(user, `pw-${user}`);
}

async function ask(user: string, password: string, headers: Record<string, string> = {}, from = PROXY): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const path = `/xcap-root/resource-lists/users/${user}/index`;
  return (await send({ port: server.http.port, path, headers: { authorization, ...headers }, from })).status;
}

async function guess(times: number, account: (n: number) => string, headers: (n: number) => Record<string, string> = () => ({})) {
  const statuses: number[] = [];
  for (let n = 0; n < times; n++) statuses.push(await ask(account(n), 'wrong', headers(n)));
  return statuses;
}

const forwarded = (n: number) => ({ 'x-forwarded-for': `192.0.2.${n}`, forwarded: `for=192.0.2.${n}`, 'x-real-ip': `192.0.2.${n}` });

describe('logins through a trusted proxy', () => {
  test('are slowed by account: who guesses at many shuts nobody else out', async () => {
    await start({ trustedProxies: [PROXY] });
    expect(new Set(await guess(60, (n) => `u${n}`))).toEqual(new Set([401]));
    expect(await ask('alice', 'pw-alice')).toBe(404);
    // At one account there is an end, whatever the proxy says of where the request is from; and for that account alone.
    expect((await guess(12, () => 'alice', forwarded)).slice(-2)).toEqual([429, 429]);
    expect(await ask('alice', 'pw-alice', forwarded(99))).toBe(429);
    expect(await ask('bob', 'pw-bob')).toBe(404);
    expect(await ask('alice', 'pw-alice', {}, '127.0.0.6')).toBe(404);
  });

  test('whom it asserts is not slowed by what others fail in his name', async () => {
    await start({ trustedProxies: [PROXY] });
    await guess(11, () => 'alice');
    expect(await ask('alice', 'wrong')).toBe(429);
    const path = '/xcap-root/resource-lists/users/alice/index';
    const as = (identity: string, from: string) =>
      send({ port: server.http.port, path, headers: { 'x-3gpp-asserted-identity': `"${identity}"` }, from });
    expect((await as('sip:alice@example.com', PROXY)).status).toBe(404);
    // With a wrong password beside it: the proxy has said who it is.
    expect(await ask('alice', 'wrong', { 'x-3gpp-asserted-identity': '"sip:alice@example.com"' })).toBe(404);
    expect((await as('sip:alice@example.com', '127.0.0.6')).status).toBe(401);
  });

  test('any other address is slowed as a whole, whatever it says of whom it forwards', async () => {
    await start({ trustedProxies: ['127.0.0.7'] });
    const statuses = await guess(40, (n) => `u${n}`, forwarded);
    expect(statuses.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => 401));
    expect(statuses.slice(31)).toContain(429);
    expect(await ask('alice', 'pw-alice', forwarded(99))).toBe(429);
    expect(await ask('alice', 'pw-alice', {}, '127.0.0.6')).toBe(404);
  });
});

describe('logins through a trusted SIP proxy', () => {
  const register = async (user: string, password: string): Promise<number> => {
    const { domain, sip } = server;
    const peer = await SipPeer.create({ user, password, domain, server: sip, transport: 'udp' });
    const { status } = await peer.register();
    await peer.close();
    return status;
  };

  test.each([
    ['that is trusted are slowed by account', ['127.0.0.1'], 200],
    ['that is not are slowed by address', [], 503],
  ])('%s', async (_, sipTrustedPeers, status) => {
    await start({ sipTrustedPeers });
    for (let n = 0; n < 31; n++) expect(await register(`u${n}`, 'wrong')).toBe(n < 30 ? 401 : sipTrustedPeers.length > 0 ? 401 : 503);
    expect(await register('alice', 'pw-alice')).toBe(status);
    for (let n = 0; n < 10; n++) await register('bob', 'wrong');
    expect(await register('bob', 'pw-bob')).toBe(503);
  });
});
