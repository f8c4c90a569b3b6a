import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { bodyText } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { XcapClient, type XcapResponse } from '../helpers/xcap-client.ts';
import { request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { Stage } from '../scenarios/stage.ts';
import { run } from './command.ts';

/** What waits in the message store (RFC 3428 7), as admins see it. */

const BOB = 'sip:bob@example.com';
const CAROL = 'sip:carol@example.com';
let stage: Stage;
let boss: XcapClient;
let alice: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ messageExpires: 3600 });
  await stage.admin('boss');
  for (const user of ['bob', 'carol']) await stage.user(user);
  boss = client('boss');
  alice = await stage.peer('alice');
});
afterEach(() => stage.close());

function client(user: string): XcapClient {
  const { http } = stage.server;
  return new XcapClient({ host: http.address, port: http.port, root: '/admin', user, password: `secret of ${user}`, auth: 'digest' });
}

const says = ({ status, body }: XcapResponse) => [status, JSON.parse(body)];
const idsOf = ({ body }: XcapResponse): string[] => JSON.parse(body).messages.map(({ id }: { id: string }) => id);

describe('/admin/messages', () => {
  it('lists what waits for a user: sender, type, size, and the times, never the text', async () => {
    const before = Date.now();
    // Date is the sender's to say; when it came is not.
    await sendMessage(alice, BOB, 'a secret', { headers: [['Date', 'Sat, 01 Jan 2000 00:00:00 GMT']] });
    await sendMessage(alice, BOB, '<xml/>', { type: 'application/xml', headers: [['Expires', '60']] });
    const stranger = await UdpPeer.open(stage.server.sip.port);
    const fields = ['Content-Type: text/plain', 'Content-Length: 2'];
    const sent = request({ method: 'MESSAGE', uri: BOB, to: `<${BOB}>`, from: '"Zoe" <sip:zoe@elsewhere.test>;tag=1', fields, body: 'hi' });
    expect(statusOf(await stranger.ask(sent))).toBe(202);
    stranger.close();
    const answer = await boss.get('/messages/bob');
    expect(answer.body).not.toContain('secret');
    const { messages, bytes } = JSON.parse(answer.body);
    expect(messages.map(({ from, verified, type }: Record<string, unknown>) => [from, verified, type])).toEqual([
      [alice.address, true, 'text/plain'],
      [alice.address, true, 'application/xml'],
      ['sip:zoe@elsewhere.test', false, 'text/plain'],
    ]);
    expect(bytes).toBe(messages.reduce((sum: number, one: { bytes: number }) => sum + one.bytes, 0));
    for (const { received, bytes: size } of messages) {
      expect(Date.parse(received)).toBeGreaterThanOrEqual(before);
      expect(Date.parse(received)).toBeLessThanOrEqual(Date.now());
      expect(size).toBeGreaterThan(100);
    }
    const lasts = messages.map(({ received, expires }: Record<string, string>) => Math.round((Date.parse(expires ?? '') - Date.parse(received ?? '')) / 1000)); // biome-ignore format: one line
    expect([lasts[0], lasts[2]]).toEqual([3600, 3600]);
    expect(lasts[1]).toBeLessThanOrEqual(60);
    expect(says(await boss.get('/messages/carol'))).toEqual([200, { messages: [], bytes: 0 }]);
  });

  it('sums up, user by user, those with the most first', async () => {
    expect(says(await boss.get('/messages'))).toEqual([200, { messages: 0, bytes: 0, users: [], omittedUsers: 0 }]);
    await sendMessage(alice, BOB, 'short');
    for (const text of ['x'.repeat(300), 'y'.repeat(300)]) await sendMessage(alice, CAROL, text);
    const [status, { messages, bytes, users, omittedUsers }] = says(await boss.get('/messages'));
    expect([status, messages, omittedUsers]).toEqual([200, 3, 0]);
    expect(users.map(({ user, messages }: Record<string, unknown>) => [user, messages])).toEqual([[CAROL, 2], [BOB, 1]]); // biome-ignore format: one line
    expect(bytes).toBe(users[0].bytes + users[1].bytes);
  });

  it('drops one, which is never delivered, and leaves the others in their order', async () => {
    for (const text of ['one', 'two', 'three']) await sendMessage(alice, BOB, text);
    const [, second = ''] = idsOf(await boss.get('/messages/bob'));
    expect(says(await boss.delete(`/messages/bob/${second}`))).toEqual([200, { dropped: 1 }]);
    expect((await boss.delete(`/messages/bob/${second}`)).status).toBe(404);
    // It is of somebody else.
    const [first = ''] = idsOf(await boss.get('/messages/bob'));
    expect((await boss.delete(`/messages/carol/${first}`)).status).toBe(404);
    const bob = await stage.peer('bob');
    const inbox = new Inbox(bob);
    await bob.register();
    expect([bodyText(await inbox.next()), bodyText(await inbox.next())]).toEqual(['one', 'three']);
    await expect.poll(async () => idsOf(await boss.get('/messages/bob'))).toEqual([]);
    expect(inbox.left).toBe(0);
  });

  it('drops all of a user, and tells the senders who have asked for that (RFC 5438 4)', async () => {
    const inbox = new Inbox(alice);
    await alice.register();
    const head = ['From: <im:alice@example.com>', `To: <im:bob@example.com>`, 'NS: imdn <urn:ietf:params:imdn>', 'imdn.Message-ID: 34jk324j', 'DateTime: 2026-04-04T12:16:49-05:00', 'imdn.Disposition-Notification: negative-delivery'].join('\r\n'); // biome-ignore format: one line
    await sendMessage(alice, BOB, Buffer.from(`${head}\r\n\r\nContent-Type: text/plain\r\n\r\nHello`), { type: 'message/cpim' });
    await sendMessage(alice, BOB, 'plain');
    await sendMessage(alice, CAROL, 'another');
    expect(says(await boss.delete('/messages/bob'))).toEqual([200, { dropped: 2 }]);
    const notice = bodyText(await inbox.next());
    expect(notice).toMatch(/<message-id>34jk324j<\/message-id>[\s\S]*<failed\/>/);
    expect(idsOf(await boss.get('/messages/bob'))).toEqual([]);
    expect(idsOf(await boss.get('/messages/carol'))).toHaveLength(1);
    expect((await boss.delete('/messages/bob')).status).toBe(404);
  });

  it('says nothing of failure where the phone has the message already, and goes on with those that are left', async () => {
    const inbox = new Inbox(alice);
    await alice.register();
    const head = ['From: <im:alice@example.com>', `To: <im:bob@example.com>`, 'NS: imdn <urn:ietf:params:imdn>', 'imdn.Message-ID: 1', 'imdn.Disposition-Notification: negative-delivery'].join('\r\n'); // biome-ignore format: one line
    await sendMessage(alice, BOB, Buffer.from(`${head}\r\n\r\nContent-Type: text/plain\r\n\r\nHello`), { type: 'message/cpim' });
    const phone = await stage.phone('bob');
    await phone.register();
    const first = await phone.take('MESSAGE');
    await sendMessage(alice, BOB, 'behind it');
    const [id = ''] = idsOf(await boss.get('/messages/bob'));
    expect(says(await boss.delete(`/messages/bob/${id}`))).toEqual([200, { dropped: 1 }]);
    first.answer(200, { contact: false });
    const second = await phone.take('MESSAGE');
    expect(bodyText(second.message)).toBe('behind it');
    second.answer(200, { contact: false });
    await expect.poll(async () => idsOf(await boss.get('/messages/bob'))).toEqual([]);
    expect(inbox.left).toBe(0);
  });

  it('is for admins alone, and knows users, methods and paths', async () => {
    await sendMessage(alice, BOB, 'one');
    for (const path of ['/messages', '/messages/bob']) {
      expect((await client('bob').get(path)).status).toBe(403);
      expect((await client('bob').delete('/messages/bob')).status).toBe(403);
    }
    const { http } = stage.server;
    expect((await fetch(`http://${http.address}:${http.port}/admin/messages/bob`)).status).toBe(401);
    expect((await boss.get('/messages/nobody')).status).toBe(404);
    expect((await boss.delete('/messages/bob/0')).status).toBe(404);
    expect((await boss.delete('/messages/bob/..%2F..')).status).toBe(404);
    const put = await boss.put('/messages/bob', '{}', { 'Content-Type': 'application/json' });
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, DELETE']);
    expect(idsOf(await boss.get('/messages/bob'))).toHaveLength(1);
  });

  it('are told to commands beside the server, without a login', { timeout: 30_000 }, async () => {
    const { server } = stage;
    if (!('running' in server)) throw new Error('the server is another process');
    const { dataDirectory } = (server as Awaited<ReturnType<Stage['boot']>>).running.config;
    const messages = (...words: string[]) => run(['messages', ...words, '--data', dataDirectory]);
    expect(await messages('list')).toEqual({ code: 0, out: '0 messages, 0 bytes in all\n', err: '' });
    await sendMessage(alice, CAROL, 'x', { type: 'text/plain;a="\u001b[2J"' });
    const shown = (await messages('list', 'carol')).out;
    expect([shown.includes('text/plain;a="?[2J"'), shown.includes('\u001b')]).toEqual([true, false]);
    expect((await messages('drop', 'carol', '--all')).code).toBe(0);
    for (const text of ['one', 'two']) await sendMessage(alice, BOB, text);
    expect((await messages('list')).out).toMatch(/^sip:bob@example\.com {2}2 messages, \d+ bytes\n2 messages, \d+ bytes in all\n$/);
    const [line = '', ...rest] = (await messages('list', 'bob')).out.split('\n');
    expect(line).toMatch(/^\d+ {2}sip:alice@example\.com {2}text\/plain {2}\d+ bytes {2}received \d{4}-\S+Z {2}expires \d{4}-\S+Z$/);
    expect(rest[1]).toMatch(/^2 messages, \d+ bytes$/);
    expect(JSON.parse((await messages('list', 'bob', '--json')).out).messages).toHaveLength(2);
    expect(await messages('drop', 'bob')).toMatchObject({ code: 2, err: expect.stringContaining('--all') });
    expect(await messages('drop', 'bob', line.split(' ')[0] ?? '')).toEqual({ code: 0, out: '1 dropped\n', err: '' });
    expect(await messages('drop', 'bob', '--all')).toEqual({ code: 0, out: '1 dropped\n', err: '' });
    expect(await messages('drop', 'bob', '--all')).toEqual({ code: 1, out: '', err: 'rollcall: no such message waits for this user\n' });
    expect(await messages('list', 'nobody')).toEqual({ code: 1, out: '', err: 'rollcall: there is no such user\n' });
  });
});
