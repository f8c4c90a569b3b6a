import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { Inbox, isFromServer, sendMessage } from '../helpers/inbox.ts';
import { readParts } from '../helpers/multipart-reader.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { header, headerLines, type SipMessage } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { HeaderField } from '../helpers/sip-peer-options.ts';

const SERVICE = 'sip:example.com';
const REQUIRE: HeaderField = ['Require', 'recipient-list-message'];
const ELSEWHERE = `Digest username="a", realm="elsewhere.example", nonce="n", uri="sip:x", response="${'0'.repeat(32)}"`;
const MIXED = 'multipart/mixed;boundary="boundary1"';
let server: InProcessServer;
const peers: SipPeer[] = [];

async function boot(settings: Partial<Config> = {}): Promise<void> {
  server = await startServer(settings);
  for (const user of ['alice', 'bill', 'joe', 'ted', 'away']) await server.addUser(user, user);
}

async function agent(user: string): Promise<{ peer: SipPeer; inbox: Inbox }> {
  const peer = await SipPeer.create({ user, password: user, domain: server.domain, server: server.sip, transport: 'tcp' });
  peers.push(peer);
  const inbox = new Inbox(peer);
  await peer.register();
  return { peer, inbox };
}

const list = (entries: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\r\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list>${entries}</list></resource-lists>`;

const body = (entries: string, payload = 'Content-Type: text/plain\r\n\r\nHello World!'): string =>
  `--boundary1\r\n${payload}\r\n--boundary1\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n${list(entries)}\r\n--boundary1--`;

const post = (peer: SipPeer, content: string | Buffer, type = MIXED, headers: readonly HeaderField[] = [REQUIRE]): Promise<SipMessage> =>
  sendMessage(peer, SERVICE, content, { type, headers });

beforeEach(() => {
  peers.length = 0;
});
afterEach(async () => {
  const closed = await Promise.allSettled(peers.map((peer) => peer.close()));
  await server.stop();
  for (const result of closed) if (result.status === 'rejected') throw result.reason;
});

describe('RFC 5365 7: the MESSAGE URI-list service', () => {
  it('answers one 202 and sends each recipient a message of its own, with the list of those who are shown', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    const [bill, joe, ted] = [await agent('bill'), await agent('joe'), await agent('ted')];
    const entries =
      '<entry uri="sip:bill@example.com" cp:copyControl="to"/><entry uri="sip:joe@example.com" cp:copyControl="cc" cp:anonymize="true"/><entry uri="sip:ted@example.com" cp:copyControl="bcc"/>';
    const response = await post(alice, body(entries), MIXED, [REQUIRE, ['Subject', 'greetings'], ['Authorization', ELSEWHERE]]);
    expect(response.status).toBe(202);
    const seen: string[] = [];
    for (const [user, { peer, inbox }] of Object.entries({ bill, joe, ted })) {
      const message = await inbox.next();
      expect(message.requestUri).toBe(peer.contact);
      expect(header(message, 'to')).toBe(`<sip:${user}@example.com>`);
      expect(header(message, 'from')).toMatch(/^<sip:alice@example\.com>;tag=\w+$/);
      expect(header(message, 'subject')).toBe('greetings');
      expect(header(message, 'require')).toBeUndefined();
      // RFC 5365 7.2: credentials for another realm are its recipient's to read, ours are nobody's.
      expect(headerLines(message, 'authorization')).toEqual([ELSEWHERE]);
      expect(isFromServer(message)).toBe(true);
      seen.push(`${header(message, 'call-id')} ${header(message, 'from')}`);
      const [text, history, ...others] = readParts(header(message, 'content-type') ?? '', message.body.toString());
      expect(others).toEqual([]);
      expect(text?.headers.get('content-type')).toBe('text/plain');
      expect(text?.body).toBe('Hello World!');
      expect(history?.headers.get('content-disposition')).toBe('recipient-list-history; handling=optional');
      const shown = [...(history?.body ?? '').matchAll(/uri="([^"]*)" cp:copyControl="(\w+)"( cp:count="\d+")?/g)];
      expect(shown.map(([, uri, level, count = '']) => `${uri} ${level}${count}`)).toEqual([
        'sip:bill@example.com to',
        'sip:anonymous@anonymous.invalid cc cp:count="1"',
      ]);
    }
    expect(new Set(seen).size).toBe(3);
  });

  it('unwraps what is the only body left, and keeps its bytes', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    const ted = await agent('ted');
    const payload = 'Content-Type: text/plain;charset=utf-8\r\nContent-Language: de\r\n\r\ngr\u00fc\u00dfe\r\n\r\n--boundary2\r\n';
    expect((await post(alice, body('<entry uri="sip:ted@example.com"/>', payload))).status).toBe(202);
    const message = await ted.inbox.next();
    expect(header(message, 'content-type')).toBe('text/plain;charset=utf-8');
    expect(header(message, 'content-language')).toBe('de');
    expect(message.body.toString()).toBe('gr\u00fc\u00dfe\r\n\r\n--boundary2\r\n');
  });

  it('keeps the copies of those who are away', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    expect((await post(alice, body('<entry uri="sip:away@example.com"/>'))).status).toBe(202);
    const away = await agent('away');
    expect((await away.inbox.next()).body.toString()).toBe('Hello World!');
  });

  it('sends one copy to an address that stands twice, and adds what a URI asks for and may', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    const bill = await agent('bill');
    const uri =
      'sip:bill@example.com?Accept-Contact=*%3bmobility%3d%22mobile%22&amp;From=sip:eve@example.com&amp;body=x&amp;Subject=a%0d%0aVia:%20x';
    const entries = `<entry uri="${uri}"/><entry uri="sip:bill@EXAMPLE.com;transport=tcp"/>`;
    expect((await post(alice, body(entries))).status).toBe(202);
    const message = await bill.inbox.next();
    expect(header(message, 'accept-contact')).toBe('*;mobility="mobile"');
    expect(header(message, 'from')).toContain('alice');
    expect(header(message, 'subject')).toBeUndefined();
    expect(message.body.toString()).toBe('Hello World!');
    await post(alice, body('<entry uri="sip:bill@example.com"/>', 'Content-Type: text/plain\r\n\r\nlast'));
    expect((await bill.inbox.next()).body.toString()).toBe('last');
  });

  it('RFC 5360 5.9.2: asks for the consent of those in other domains, and of nobody sends to some', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    const bill = await agent('bill');
    const entries = '<entry uri="sip:bill@example.com"/><entry uri="sip:x@example.org"/><entry uri="sip:y@example.net"/>';
    const response = await post(alice, body(entries));
    expect(response.status).toBe(470);
    expect(header(response, 'permission-missing')).toBe('<sip:x@example.org>, <sip:y@example.net>');
    expect(bill.inbox.received).toEqual([]);
  });

  it('sends to other domains where the setting lets it', async () => {
    await boot({ messageListsAbroad: 'yes' });
    const alice = (await agent('alice')).peer;
    const elsewhere = await SipPeer.create({ user: 'x', domain: 'elsewhere', server: server.sip, transport: 'udp' });
    peers.push(elsewhere);
    const inbox = new Inbox(elsewhere);
    const { port } = elsewhere.socket.local;
    expect((await post(alice, body(`<entry uri="sip:x@127.0.0.1:${port}"/>`))).status).toBe(202);
    expect((await inbox.next()).requestUri).toBe(`sip:x@127.0.0.1:${port}`);
  });

  it('refuses too many recipients, none, and lists that are no lists', async () => {
    await boot({ messageRecipients: 2 });
    const alice = (await agent('alice')).peer;
    const entry = (user: string): string => `<entry uri="sip:${user}@example.com"/>`;
    expect((await post(alice, body(['bill', 'joe', 'ted'].map(entry).join('')))).status).toBe(403);
    expect((await post(alice, body(''))).status).toBe(400);
    expect((await post(alice, body('<entry uri="not a uri"/>'))).status).toBe(400);
    expect((await post(alice, body('<entry uri="sip:a@example.com&#13;&#10;Via: x"/>'))).status).toBe(400);
    expect((await post(alice, body('<entry uri="mailto:a@example.com"/>'))).status).toBe(400);
    expect((await post(alice, body('<entry'))).status).toBe(400);
    expect((await post(alice, 'no multipart')).status).toBe(400);
    expect((await post(alice, 'just text', 'text/plain')).status).toBe(400);
    const other = body(entry('bill')).replace('application/resource-lists+xml', 'text/uri-list');
    const refused = await post(alice, other);
    expect([refused.status, header(refused, 'accept')]).toEqual([415, expect.stringContaining('application/resource-lists+xml')]);
    expect((await post(alice, body(entry('bill')), MIXED, [REQUIRE, ['Content-Encoding', 'br']])).status).toBe(415);
    expect((await post(alice, body(entry('bill')).repeat(2).replace('--boundary1--', ''))).status).toBe(400);
  });

  it('is for users alone, and leaves a list alone that is addressed to a user', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    const bill = await agent('bill');
    const stranger = await SipPeer.create({ user: 'alice', domain: server.domain, server: server.sip, transport: 'tcp' });
    peers.push(stranger);
    const content = body('<entry uri="sip:bill@example.com"/>');
    expect((await post(stranger, content)).status).toBe(401);
    const forged = await alice.request({
      method: 'MESSAGE',
      uri: SERVICE,
      from: '<sip:joe@example.com>;tag=1',
      headers: [REQUIRE, ['Content-Type', MIXED]],
      body: content,
    });
    expect(forged.status).toBe(403);
    expect((await sendMessage(alice, 'sip:bill@example.com', content, { type: MIXED, headers: [REQUIRE] })).status).toBe(200);
    expect((await bill.inbox.next()).body.toString()).toBe(content);
    expect(bill.inbox.left).toBe(0);
  });

  it('5: OPTIONS shows the option tag', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    const response = await alice.request({ method: 'OPTIONS', uri: SERVICE });
    expect(header(response, 'supported')).toContain('recipient-list-message');
    expect(header(response, 'allow')).toContain('MESSAGE');
  });
});

describe('RFC 3261 20.12: a list message that comes coded', () => {
  it('is read as what it decodes to, and 415 or 400 where it decodes to nothing', async () => {
    await boot();
    const alice = (await agent('alice')).peer;
    const bill = await agent('bill');
    const text = body('<entry uri="sip:bill@example.com"/>');
    const sent = await post(alice, deflateSync(text), MIXED, [REQUIRE, ['Content-Encoding', 'deflate']]);
    expect(sent.status).toBe(202);
    const message = await bill.inbox.next();
    expect([header(message, 'content-encoding'), message.body.toString()]).toEqual([undefined, expect.stringContaining('Hello World!')]);
    const other = await post(alice, text, MIXED, [REQUIRE, ['Content-Encoding', 'br']]);
    expect([other.status, header(other, 'accept-encoding')]).toEqual([415, 'gzip, deflate, identity']);
    expect((await post(alice, text, MIXED, [REQUIRE, ['Content-Encoding', 'gzip']])).status).toBe(400);
  });
});
