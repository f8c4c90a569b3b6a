import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { Inbox, isFromServer, sendMessage } from '../helpers/inbox.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { header, headerLines } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';

const BOB = 'sip:bob@example.com';
let server: InProcessServer;
const peers: SipPeer[] = [];

async function boot(settings: Partial<Config> = {}): Promise<void> {
  server = await startServer(settings);
  for (const user of ['alice', 'bob', 'carol']) await server.addUser(user, user);
}

async function agent(user: string, transport: 'udp' | 'tcp' = 'udp'): Promise<SipPeer> {
  const peer = await SipPeer.create({
    user,
    password: user,
    domain: server.domain,
    server: server.sip,
    transport,
    name: `${user}-${peers.length}`,
  });
  peers.push(peer);
  return peer;
}

/** A peer that registers only when told. */
async function withInbox(user: string, transport: 'udp' | 'tcp' = 'udp'): Promise<{ peer: SipPeer; inbox: Inbox }> {
  const peer = await agent(user, transport);
  return { peer, inbox: new Inbox(peer) };
}

beforeEach(() => {
  peers.length = 0;
});
afterEach(async () => {
  const closed = await Promise.allSettled(peers.map((peer) => peer.close()));
  await server.stop();
  for (const result of closed) if (result.status === 'rejected') throw result.reason;
});

describe('RFC 3428 7: a message relay', () => {
  it('answers 202 for a user who is not there, and delivers in order when the user registers', async () => {
    await boot();
    const alice = await agent('alice');
    const sent = Date.now();
    for (const text of ['one', 'two', 'three']) {
      const response = await sendMessage(alice, BOB, text, {
        callId: text,
        headers: [
          ['Subject', 'greetings'],
          ['X-Own', 'kept'],
        ],
      });
      expect(response.status).toBe(202);
    }
    const { peer: bob, inbox } = await withInbox('bob');
    expect((await bob.register()).status).toBe(200);
    for (const text of ['one', 'two', 'three']) {
      const message = await inbox.next();
      expect(message.body.toString()).toBe(text);
      expect(message.requestUri).toBe(bob.contact);
      expect(header(message, 'call-id')).toBe(text);
      expect(header(message, 'from')).toMatch(/^<sip:alice@example\.com>;tag=\w+$/);
      expect(header(message, 'to')).toBe(`<${BOB}>`);
      expect([header(message, 'subject'), header(message, 'x-own')]).toEqual(['greetings', 'kept']);
      expect(Date.parse(header(message, 'date') ?? '')).toBeGreaterThan(sent - 2000);
      expect(isFromServer(message)).toBe(true);
    }
    // The answer to the REGISTER came before what it set off.
    const kinds = bob.transcript.entries.filter(({ direction }) => direction === 'received').map(({ message }) => message?.method);
    expect(kinds.indexOf('MESSAGE')).toBeGreaterThan(kinds.lastIndexOf('REGISTER'));
    await bob.register();
    await sleep(200);
    expect(inbox.left).toBe(0);
  });

  it('keeps bodies byte for byte, and their type and coding', async () => {
    await boot();
    const alice = await agent('alice', 'tcp');
    const body = Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 256));
    const headers = [
      ['Content-Encoding', 'deflate'],
      ['Content-Language', 'tlh'],
      ['Content-Disposition', 'render;handling=optional'],
    ] as const;
    expect((await sendMessage(alice, BOB, body, { type: 'application/octet-stream;x="y z"', headers })).status).toBe(202);
    const { peer: bob, inbox } = await withInbox('bob', 'tcp');
    await bob.register();
    const message = await inbox.next();
    expect(message.body.equals(body)).toBe(true);
    expect(header(message, 'content-type')).toBe('application/octet-stream;x="y z"');
    for (const [name, value] of headers) expect(headerLines(message, name)).toEqual([value]);
  });

  it('one 2xx of several bindings is enough, and none gets it twice', async () => {
    await boot();
    const alice = await agent('alice');
    const phone = await withInbox('bob');
    const desk = await withInbox('bob');
    const refusing = await withInbox('bob');
    refusing.inbox.status = 415;
    await phone.peer.register();
    await desk.peer.register();
    await refusing.peer.register();
    phone.inbox.status = 480;
    desk.inbox.status = 480;
    refusing.inbox.status = 480;
    expect((await sendMessage(alice, BOB, 'hello')).status).toBe(202);
    for (const { inbox } of [phone, desk, refusing]) await inbox.next();
    phone.inbox.status = 200;
    refusing.inbox.status = 415;
    await desk.peer.register();
    for (const { inbox } of [phone, desk, refusing]) expect((await inbox.next()).body.toString()).toBe('hello');
    await phone.peer.register();
    await sleep(200);
    for (const { inbox } of [phone, desk, refusing]) expect(inbox.left).toBe(0);
  });

  it('a failure keeps the message and those behind it; the next registration tries again', async () => {
    await boot();
    const alice = await agent('alice');
    for (const text of ['one', 'two']) await sendMessage(alice, BOB, text);
    const { peer: bob, inbox } = await withInbox('bob');
    inbox.status = 503;
    await bob.register();
    expect((await inbox.next()).body.toString()).toBe('one');
    await sleep(300);
    expect(inbox.left).toBe(0);
    inbox.status = 200;
    await bob.register();
    expect(await inbox.bodies(2)).toEqual(['one', 'two']);
  });

  it('a permanent refusal, and a 6xx, drop the message and let the next one through', async () => {
    await boot();
    const alice = await agent('alice');
    for (const text of ['415', '600', '488', 'good']) await sendMessage(alice, BOB, text);
    const { peer: bob, inbox } = await withInbox('bob');
    inbox.status = ({ body }) => Number(body.toString()) || 200;
    await bob.register();
    expect(await inbox.bodies(4)).toEqual(['415', '600', '488', 'good']);
    inbox.status = 200;
    await bob.register();
    await sleep(200);
    expect(inbox.left).toBe(0);
  });

  it('what an agent chokes on every time does not hold up the rest for ever', async () => {
    await boot();
    const alice = await agent('alice');
    for (const text of ['bad', 'good']) await sendMessage(alice, BOB, text);
    const { peer: bob, inbox } = await withInbox('bob');
    inbox.status = ({ body }) => (body.toString() === 'bad' ? 500 : 200);
    for (let tries = 0; tries < 5; tries++) {
      await bob.register();
      expect((await inbox.next()).body.toString()).toBe('bad');
    }
    expect((await inbox.next()).body.toString()).toBe('good');
  });

  it('registrations during a delivery do not begin a second one', async () => {
    await boot();
    const alice = await agent('alice');
    const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`);
    for (const text of texts) await sendMessage(alice, BOB, text);
    const { peer: bob, inbox } = await withInbox('bob');
    await Promise.all([bob.register(), ...texts.map(() => sleep(2).then(() => bob.register()))]).catch(() => {});
    expect(await inbox.bodies(20)).toEqual(texts);
    await sleep(200);
    expect(inbox.left).toBe(0);
  });

  it('what comes while the queue is delivered waits behind it', async () => {
    await boot();
    const alice = await agent('alice');
    for (const text of ['one', 'two']) await sendMessage(alice, BOB, text);
    const { peer: bob, inbox } = await withInbox('bob');
    let late: Promise<{ status: number }> | undefined;
    inbox.status = ({ body }) => {
      // The answer to this one is sent only when the new message is on its way to the server.
      if (body.toString() === 'one') late = sendMessage(alice, BOB, 'three');
      return 200;
    };
    await bob.register();
    expect((await inbox.bodies(3)).sort()).toEqual(['one', 'three', 'two']);
    expect([200, 202]).toContain((await late)?.status);
  });

  it('drops what has expired, by its own Expires from its Date, and by the setting', async () => {
    await boot({ messageExpires: 5 });
    const alice = await agent('alice');
    const now = new Date().toUTCString();
    const past = new Date(Date.now() - 60_000).toUTCString();
    const dated = (expires: string, date: string) =>
      ({
        headers: [
          ['Expires', expires],
          ['Date', date],
        ],
      }) as const;
    expect((await sendMessage(alice, BOB, 'two seconds', dated('2', now))).status).toBe(202);
    expect((await sendMessage(alice, BOB, 'by the setting', dated('3600', now))).status).toBe(202);
    expect((await sendMessage(alice, BOB, 'over already', dated('30', past))).status).toBe(480);
    expect((await sendMessage(alice, BOB, 'for now alone', { headers: [['Expires', '0']] })).status).toBe(480);
    await sleep(2100);
    const { peer: bob, inbox } = await withInbox('bob');
    inbox.status = 480;
    await bob.register();
    expect(await inbox.bodies(1)).toEqual(['by the setting']);
    await sleep(3000);
    await sendMessage(alice, BOB, 'late');
    inbox.status = 200;
    await bob.register();
    const late = await inbox.bodies(2);
    expect(late).toEqual(['late', 'late']);
    await sleep(200);
    expect(inbox.left).toBe(0);
  });

  it('answers 480 where the limits are reached, and keeps what it has accepted', async () => {
    await boot({ messageQueue: 2, messageSize: 1024 });
    const alice = await agent('alice', 'tcp');
    expect((await sendMessage(alice, BOB, 'x'.repeat(1024))).status).toBe(480);
    const statuses = [];
    for (const text of ['one', 'two', 'three']) statuses.push((await sendMessage(alice, BOB, text)).status);
    expect(statuses).toEqual([202, 202, 480]);
    const { peer: bob, inbox } = await withInbox('bob');
    await bob.register();
    expect(await inbox.bodies(2)).toEqual(['one', 'two']);
  });

  it('keeps nothing where the setting says so, nor for who is no user', async () => {
    await boot({ messageQueue: 0 });
    const alice = await agent('alice');
    expect((await sendMessage(alice, BOB, 'hello')).status).toBe(480);
    expect((await sendMessage(alice, 'sip:nobody@example.com', 'hello')).status).toBe(404);
  });

  it('a contact that leads back to the server does not multiply messages', async () => {
    await boot({ auth: 'none' });
    const alice = await agent('alice');
    const { peer: bob, inbox } = await withInbox('bob');
    for (const text of ['one', 'two']) expect((await sendMessage(alice, BOB, text)).status).toBe(202);
    const { address, port } = server.sip;
    const loop = `<sip:bob@example.com:${port};maddr=${address}>`;
    await bob.register({ contact: loop });
    await sleep(200);
    await bob.register();
    expect(await inbox.bodies(2)).toEqual(['one', 'two']);
    await sleep(200);
    expect(inbox.left).toBe(0);
    // Neither does one that is relayed.
    await sendMessage(alice, BOB, 'three');
    expect(await inbox.bodies(1)).toEqual(['three']);
    await sleep(200);
    expect(inbox.left).toBe(0);
  });

  it('keeps what no binding can be reached for', async () => {
    await boot();
    const alice = await agent('alice');
    const { peer: bob, inbox } = await withInbox('bob');
    await bob.register({ contact: '<sip:bob@127.0.0.1:9;transport=tcp>' });
    expect((await sendMessage(alice, BOB, 'anybody there?')).status).toBe(202);
    await bob.register();
    expect(await inbox.bodies(1)).toEqual(['anybody there?']);
  });

  it('RFC 3428 8: a large one goes to a binding over UDP only by TCP, else it is refused with 513; a small one goes as it is', async () => {
    await boot();
    const alice = await agent('alice', 'tcp');
    const { peer: bob, inbox } = await withInbox('bob');
    await bob.register();
    expect((await sendMessage(alice, BOB, 'x'.repeat(1500))).status).toBe(513);
    expect((await sendMessage(alice, BOB, 'x'.repeat(1500))).status).toBe(513);
    expect(inbox.received).toEqual([]);
    // Within the bound when it is sent, beyond it with what the proxy adds.
    const own = 1290 - `MESSAGE ${BOB} SIP/2.0`.length;
    expect((await sendMessage(alice, BOB, 'y'.repeat(own - 700))).status).toBe(200);
    expect(await inbox.bodies(1)).toEqual(['y'.repeat(own - 700)]);
    await bob.register({ expires: 0 });
    expect((await sendMessage(alice, BOB, 'z'.repeat(1500))).status).toBe(202);
    await sendMessage(alice, BOB, 'after it');
    await bob.register();
    expect(await inbox.bodies(1)).toEqual(['after it']);
  });

  it('is refused for who is not From', async () => {
    await boot();
    const alice = await agent('alice');
    const response = await sendMessage(alice, BOB, 'I am carol', { from: '<sip:carol@example.com>;tag=x' });
    expect(response.status).toBe(403);
    const stranger = await SipPeer.create({ user: 'alice', domain: server.domain, server: server.sip, transport: 'udp' });
    peers.push(stranger);
    expect((await sendMessage(stranger, BOB, 'who?')).status).toBe(407);
  });
});
