import { afterEach, describe, expect, it } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { RawWatcher } from './raw-watcher.ts';

const open: { close(): unknown }[] = [];
let server: InProcessServer;
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  await server.stop();
});

async function boot(settings: Parameters<typeof startServer>[0] = {}): Promise<void> {
  server = await startServer({ auth: 'none', defaultDecision: 'allow', ...settings });
}

async function watcher(host?: string): Promise<RawWatcher> {
  const made = await RawWatcher.open(server.sip, host);
  open.push(made);
  return made;
}

async function peer(user: string): Promise<SipPeer> {
  const made = await SipPeer.create({ user, domain: server.domain, server: server.sip, transport: 'udp' });
  open.push(made);
  return made;
}

const BOB = 'sip:bob@example.com';

describe('RFC 6665 4.2.2: NOTIFYs that are refused for the moment', () => {
  it.each(['0', '-7', '00'])('Retry-After %s does not make the server send them without end', async (seconds) => {
    await boot();
    const hostile = await watcher();
    hostile.answer = () => `SIP/2.0 503 Not Now\r\nRetry-After: ${seconds}`;
    await hostile.subscribe('alice', BOB);
    await hostile.until(() => hostile.notifications.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(hostile.notifications).toHaveLength(1);
  });
});

describe('RFC 3581 4: a watcher behind an address translator', () => {
  it('gets its NOTIFYs where its SUBSCRIBE came from', async () => {
    await boot();
    const alice = await watcher();
    await alice.subscribe('alice', BOB, {
      Via: 'SIP/2.0/UDP 127.0.0.9:5999;branch=z9hG4bKnat;rport',
      Contact: '<sip:alice@127.0.0.9:5999>',
    });
    await alice.until(() => alice.notifications.length > 0);
    expect(alice.responses[0]).toMatch(/^SIP\/2\.0 200 /);
    expect(alice.notifications[0]).toMatch(/^NOTIFY sip:alice@127\.0\.0\.9:5999 SIP/);
    expect(alice.responses).toHaveLength(1);
  });
});

describe('RFC 3261 12.1.1: a route set by which nothing can be sent', () => {
  it.each(['nonsense', '<tel:+1234>', '<sip:a b>', '"'])('400 for Record-Route %s', async (route) => {
    await boot();
    const alice = await watcher();
    await alice.subscribe('alice', BOB, { 'Record-Route': route });
    await alice.until(() => alice.responses.length > 0);
    expect(alice.responses[0]).toMatch(/^SIP\/2\.0 400 /);
  });
});

describe('RFC 3261 19.1.1: a Contact that would write more than the Request-URI', () => {
  it('has its header fields and method left out', async () => {
    await boot();
    const alice = await watcher();
    await alice.subscribe('alice', BOB, { Contact: `<sip:alice@127.0.0.1:${alice.port};method=INVITE;x=1?Subject=x&Route=%3Csip:h%3E>` });
    await alice.until(() => alice.notifications.length > 0);
    expect(alice.notifications[0]?.split('\r\n')[0]).toBe(`NOTIFY sip:alice@127.0.0.1:${alice.port};x=1 SIP/2.0`);
  });
});

describe('RFC 3858 3.3: what watchers call themselves', () => {
  it.each([
    ['"\u0416\u043e\u0440\u0430 \u2603" ', '\u0416\u043e\u0440\u0430 \u2603'],
    ['"B\u00fccher" ', 'B\u00fccher'],
    ['"a\u0001\u0122<&\\"" ', 'a\ufffd\u0122&lt;&amp;&quot;'],
  ])('%s is told as it was sent', async (written, told) => {
    await boot();
    const bob = await peer('bob');
    const winfo = await bob.subscribe(bob.address, { event: 'presence.winfo', accept: ['application/watcherinfo+xml'], expires: 60 });
    await winfo.notify();
    const alice = await watcher();
    await alice.subscribe('alice', BOB, { From: `${written}<sip:alice@example.com>;tag=1` });
    const { body } = await winfo.notify();
    expect(/display-name="([^"]*)"/.exec(body)?.[1]).toBe(told);
  });
});

describe('a watcher that answers nothing', () => {
  it('is told each state once only when it wakes up: the last', async () => {
    await boot();
    const bob = await peer('bob');
    const alice = await watcher();
    alice.answer = () => undefined;
    await alice.subscribe('alice', BOB);
    await alice.until(() => alice.notifications.length > 0);
    for (const im of ['a', 'b', 'c', 'd']) {
      expect((await bob.publish(pidf(BOB, { basic: 'open', im, tuple: im }), { expires: 60 })).status).toBe(200);
    }
    alice.answer = () => 'SIP/2.0 200 OK';
    await alice.until(() => alice.notifications.some((text) => text.includes('CSeq: 2 NOTIFY')));
    const last = alice.notifications.at(-1) ?? '';
    expect(last.match(/<im>/g)).toHaveLength(4);
    expect(alice.notifications.filter((text) => text.includes('CSeq: 3 NOTIFY'))).toHaveLength(0);
  });
});
