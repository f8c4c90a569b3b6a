import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { header, type SipMessage } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';

const BOB = 'sip:bob@example.com';
const CPIM = 'message/cpim';
let server: InProcessServer;
const peers: SipPeer[] = [];

async function boot(settings: Partial<Config> = {}): Promise<void> {
  server = await startServer(settings);
  for (const user of ['alice', 'bob', 'carol']) await server.addUser(user, user);
}

async function agent(user: string, register = true): Promise<{ peer: SipPeer; inbox: Inbox }> {
  const peer = await SipPeer.create({ user, password: user, domain: server.domain, server: server.sip, transport: 'tcp' });
  peers.push(peer);
  const inbox = new Inbox(peer);
  if (register) await peer.register();
  return { peer, inbox };
}

interface Parts {
  readonly asks?: string;
  readonly from?: string;
  readonly to?: string;
  readonly more?: readonly string[];
  readonly content?: string;
}

/** An instant message as an agent writes it, under a prefix that is not the RFC's own. */
function im({ asks, from = 'Alice <im:alice@example.com>', to = 'Bob <im:bob@example.com>', more = [], content }: Parts): Buffer {
  const lines = [
    `From: ${from}`,
    `To: ${to}`,
    'NS: d <urn:ietf:params:imdn>',
    'd.Message-ID: 34jk324j',
    'DateTime: 2026-04-04T12:16:49-05:00',
  ];
  if (asks !== undefined) lines.push(`d.Disposition-Notification: ${asks}`);
  const head = [...lines, ...more, 'Subject: the & <weather>'].join('\r\n');
  return Buffer.from(`${head}\r\n\r\n${content ?? 'Content-type: text/plain\r\nContent-length: 11\r\n\r\nHello World'}`);
}

interface Notice {
  readonly headers: Map<string, string[]>;
  readonly type: string;
  readonly disposition: string;
  readonly xml: string;
}

/** Reads a notice by the letter of RFC 3862 and RFC 5438. */
function readNotice(message: SipMessage): Notice {
  expect(header(message, 'content-type')).toBe(CPIM);
  const [head = '', mime = '', ...rest] = message.body.toString().split('\r\n\r\n');
  const headers = new Map<string, string[]>();
  for (const line of head.split('\r\n')) {
    const [, name = '', value = ''] = /^([\w.-]+): (\S.*)$/.exec(line) ?? [];
    headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  expect(headers.get('NS')).toEqual(['imdn <urn:ietf:params:imdn>']);
  expect(headers.get('imdn.Message-ID')?.[0]).toMatch(/^\w{16,}$/);
  expect(headers.has('imdn.Disposition-Notification')).toBe(false);
  expect(headers.has('imdn.IMDN-Record-Route')).toBe(false);
  const xml = rest.join('\r\n\r\n');
  const field = (name: string): string => new RegExp(`^${name}: (.*)$`, 'im').exec(mime)?.[1]?.trim() ?? '';
  expect(field('Content-length')).toBe(String(Buffer.byteLength(xml)));
  return { headers, type: field('Content-type'), disposition: field('Content-Disposition'), xml };
}

const element = (xml: string, name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];

beforeEach(() => {
  peers.length = 0;
});
afterEach(async () => {
  const closed = await Promise.allSettled(peers.map((peer) => peer.close()));
  await server.stop();
  for (const result of closed) if (result.status === 'rejected') throw result.reason;
});

describe('RFC 5438 12.2: a server that stores and forwards', () => {
  it('8.1: tells that a message is stored where the sender asks, and with what it has to say', async () => {
    await boot();
    const alice = await agent('alice');
    const message = im({ asks: 'positive-delivery, processing', more: ['d.Original-To: <im:team@example.com>'] });
    expect((await sendMessage(alice.peer, BOB, message, { type: CPIM })).status).toBe(202);
    const sip = await alice.inbox.next();
    expect(header(sip, 'from')).toMatch(/^<sip:bob@example\.com>;tag=\w+$/);
    expect(header(sip, 'to')).toBe('<sip:alice@example.com>');
    const notice = readNotice(sip);
    expect([notice.headers.get('From'), notice.headers.get('To')]).toEqual([
      ['Bob <im:bob@example.com>'],
      ['Alice <im:alice@example.com>'],
    ]);
    expect([notice.type, notice.disposition]).toEqual(['message/imdn+xml', 'notification']);
    expect(
      ['message-id', 'datetime', 'recipient-uri', 'original-recipient-uri', 'subject'].map((name) => element(notice.xml, name)),
    ).toEqual(['34jk324j', '2026-04-04T12:16:49-05:00', 'im:bob@example.com', 'im:team@example.com', 'the &amp; &lt;weather&gt;']);
    expect(notice.xml).toMatch(/<processing-notification>\s*<status>\s*<stored\/>/);
    const bob = await agent('bob');
    expect((await bob.inbox.next()).body.equals(message)).toBe(true);
    await sleep(200);
    // RFC 5438 12.2: that it was delivered, only its recipient can say.
    expect(alice.inbox.left).toBe(0);
  });

  it('says nothing unasked, nor of what it only relays, nor of a notification', async () => {
    await boot();
    const alice = await agent('alice');
    const bob = await agent('bob');
    const asking = im({ asks: 'processing, negative-delivery' });
    expect((await sendMessage(alice.peer, BOB, asking, { type: CPIM })).status).toBe(200);
    expect((await bob.inbox.next()).body.equals(asking)).toBe(true);
    bob.inbox.status = 488;
    expect((await sendMessage(alice.peer, BOB, asking, { type: CPIM })).status).toBe(488);
    await bob.peer.register({ expires: 0 });
    await sendMessage(alice.peer, BOB, im({}), { type: CPIM });
    await sendMessage(alice.peer, BOB, asking, { type: 'text/plain' });
    await sendMessage(alice.peer, BOB, asking, { type: CPIM, headers: [['Content-Encoding', 'deflate']] });
    const imdn = 'Content-type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n<imdn/>';
    await sendMessage(alice.peer, BOB, im({ asks: 'processing', content: imdn }), { type: CPIM });
    await sleep(300);
    expect(alice.inbox.left).toBe(0);
  });

  it('14: nor to anybody but the sender', async () => {
    await boot();
    const alice = await agent('alice');
    const carol = await agent('carol');
    await sendMessage(alice.peer, BOB, im({ asks: 'processing', from: '<im:carol@example.com>' }), { type: CPIM });
    await sleep(200);
    expect([alice.inbox.left, carol.inbox.left]).toEqual([0, 0]);
  });

  it('8.2: tells that a message failed when its recipient refuses it, or it expires', async () => {
    await boot();
    const alice = await agent('alice');
    const asking = im({ asks: 'negative-delivery' });
    expect((await sendMessage(alice.peer, BOB, asking, { type: CPIM })).status).toBe(202);
    const bob = await agent('bob', false);
    bob.inbox.status = 488;
    await bob.peer.register();
    const failed = readNotice(await alice.inbox.next());
    expect(failed.xml).toMatch(/<delivery-notification>\s*<status>\s*<failed\/>/);
    await bob.peer.register({ expires: 0 });
    await sendMessage(alice.peer, BOB, asking, { type: CPIM, headers: [['Expires', '1']] });
    expect(readNotice(await alice.inbox.next()).xml).toContain('<failed/>');
    expect(alice.inbox.left).toBe(0);
  });

  it('keeps a notice for a sender who has left', async () => {
    await boot();
    const alice = await agent('alice', false);
    await sendMessage(alice.peer, BOB, im({ asks: 'processing' }), { type: CPIM });
    await alice.peer.register();
    expect(readNotice(await alice.inbox.next()).xml).toContain('<stored/>');
  });

  it('7.2.1: sends it along the recorded route, whose first address it goes to, but to no user who never asked', async () => {
    await boot({ messageListsAbroad: 'yes' });
    const alice = await agent('alice');
    const carol = await agent('carol');
    const gate = await SipPeer.create({ user: 'gate', domain: 'elsewhere', server: server.sip, transport: 'udp' });
    peers.push(gate);
    const inbox = new Inbox(gate);
    const { port } = gate.socket.local;
    const asking = (...routes: string[]): Buffer =>
      im({ asks: 'processing', more: routes.map((route) => `d.IMDN-Record-Route: ${route}`) });
    const routes = [`<sip:gate@127.0.0.1:${port}>`, 'Gate <sip:gate.example.net>'];
    await sendMessage(alice.peer, BOB, asking('<sip:example.com>', ...routes), { type: CPIM });
    const notice = readNotice(await inbox.next());
    expect(notice.headers.get('imdn.IMDN-Route')).toEqual(routes);
    expect(notice.headers.get('To')).toEqual(['Alice <im:alice@example.com>']);
    await sendMessage(alice.peer, BOB, asking('<sip:carol@example.com>'), { type: CPIM });
    await sleep(200);
    expect([alice.inbox.left, carol.inbox.left]).toEqual([0, 0]);
  });

  it('8: takes its own address from the route of a notification, and sends it on to the next or to its recipient', async () => {
    await boot();
    const [alice, bob, carol] = [await agent('alice'), await agent('bob'), await agent('carol')];
    const imdn = 'Content-type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n<imdn/>';
    const routed = (...routes: string[]): Buffer =>
      im({
        from: 'Bob <im:bob@example.com>',
        to: 'Alice <im:alice@example.com>',
        more: routes.map((uri) => `d.IMDN-Route: <${uri}>`),
        content: imdn,
      });
    const send = (content: Buffer) => sendMessage(bob.peer, 'sip:example.com', content, { type: CPIM });
    expect((await send(routed('sip:example.com'))).status).toBe(202);
    expect((await alice.inbox.next()).body.equals(routed())).toBe(true);
    expect((await send(routed('sip:example.com', 'sip:carol@example.com'))).status).toBe(202);
    expect((await carol.inbox.next()).body.equals(routed('sip:carol@example.com'))).toBe(true);
    // Not ours to route, or no notification at all.
    expect((await send(routed('sip:elsewhere.example'))).status).toBe(404);
    expect((await send(routed())).status).toBe(404);
    expect((await sendMessage(bob.peer, 'sip:example.com', 'hello')).status).toBe(404);
    expect(alice.inbox.left).toBe(0);
  });

  it('12.2: relays notifications between agents like any message', async () => {
    await boot();
    const [alice, bob] = [await agent('alice'), await agent('bob')];
    const content = 'Content-type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n<imdn><delivery-notification/></imdn>';
    const body = im({ from: '<im:bob@example.com>', to: '<im:alice@example.com>', more: ['d.IMDN-Route: <sip:example.net>'], content });
    expect((await sendMessage(bob.peer, 'sip:alice@example.com', body, { type: CPIM })).status).toBe(200);
    expect((await alice.inbox.next()).body.equals(body)).toBe(true);
  });

  it('8.1: one notice for a message to a list, that it was processed', async () => {
    await boot();
    const alice = await agent('alice');
    await agent('bob');
    const content = im({ asks: 'processing', to: '<sip:example.com>' }).toString();
    const recipients = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="${BOB}"/><entry uri="sip:carol@example.com"/></list></resource-lists>`;
    const body = `--b\r\nContent-Type: message/cpim\r\n\r\n${content}\r\n--b\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n${recipients}\r\n--b--`;
    const headers = [['Require', 'recipient-list-message']] as const;
    expect((await sendMessage(alice.peer, 'sip:example.com', body, { type: 'multipart/mixed;boundary=b', headers })).status).toBe(202);
    expect(readNotice(await alice.inbox.next()).xml).toMatch(/<processing-notification>\s*<status>\s*<processed\/>/);
    await sleep(200);
    expect(alice.inbox.left).toBe(0);
  });
});
