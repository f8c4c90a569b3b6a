import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { SubscribeOptions } from '../helpers/sip-peer-options.ts';
import { ASKED, entry, ListWatcher, list, lists } from '../rfc4662/list-stage.ts';
import { pidf, rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let a: SipPeer;
let b: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ defaultDecision: 'allow', listInterval: 0 });
  a = await stage.peer('A', { transport: 'tcp' });
  b = await stage.peer('B', { transport: 'tcp' });
  await stage.user('C');
});
afterEach(() => stage.close());

const RLS = 'sip:rls@example.com';
const FIELDS = [
  ['Require', 'recipient-list-subscribe'],
  ['Content-Type', 'application/resource-lists+xml'],
  ['Content-Disposition', 'recipient-list'],
] as const;
const listOf = (...users: readonly string[]) => lists(list('l', ...users.map((user) => entry(stage.address(user), user))));
const bringing = (body: string | Buffer, more: SubscribeOptions['headers'] = []): SubscribeOptions => ({
  ...ASKED,
  headers: [...FIELDS, ...more],
  body,
});

describe('a list in the SUBSCRIBE (RFC 5367)', () => {
  test('its members are watched with the rights of who brings it (4, 5, 8)', async () => {
    const xcap = await stage.xcap('C');
    await xcap.put(rulesPath('C'), rulesDocument(rule('no', 'block', [a.address])));
    const watcher = await ListWatcher.open(a, RLS, bringing(listOf('B', 'C')));
    expect([watcher.last?.uri, watcher.view.words()]).toEqual([RLS, { B: 'closed', C: 'terminated rejected' }]);
    expect([...watcher.view.names.values()]).toEqual([['B'], ['C']]);
    await b.publish(pidf(b.address, { basic: 'open' }), { expires: 600 });
    await watcher.next();
    expect(watcher.view.words().B).toBe('open');
  });

  test('OPTIONS tells that such lists are understood (5)', async () => {
    const { headers } = await a.request({ method: 'OPTIONS', uri: 'sip:example.com' });
    expect(headers.find(({ name }) => name === 'Supported')?.value).toContain('recipient-list-subscribe');
  });

  test('the server itself takes one, a user does not', async () => {
    expect((await a.subscribe('sip:example.com', bringing(listOf('B')))).response.status).toBe(200);
    const { response } = await a.subscribe(stage.address('C'), bringing(listOf('B')));
    expect([response.status, header(response, 'unsupported')]).toEqual([420, 'recipient-list-subscribe']);
  });

  test('a deflated list is read, and one in a refresh takes the place of the one before', async () => {
    const coded = bringing(deflateSync(Buffer.from(listOf('B'))), [['Content-Encoding', 'deflate']]);
    const watcher = await ListWatcher.open(a, RLS, coded);
    expect(watcher.view.words()).toEqual({ B: 'closed' });
    const { status } = await watcher.subscription.refresh(3600, { body: deflateSync(Buffer.from(listOf('C', 'A'))) });
    expect(status).toBe(200);
    await watcher.until((words) => 'A' in words && 'C' in words);
    expect(Object.keys(watcher.view.words())).toEqual(['C', 'A']);
    // Without one it stays.
    expect((await watcher.subscription.refresh()).status).toBe(200);
    await watcher.next();
    expect(Object.keys(watcher.view.words())).toEqual(['C', 'A']);
  });

  test('bad lists are refused: none, malformed, another format, too long, too many', async () => {
    const refused = async (body: string | Buffer, more: SubscribeOptions['headers'] = []) =>
      (await a.subscribe(RLS, bringing(body, more))).response.status;
    expect((await a.subscribe(RLS, { ...ASKED, headers: [['Require', 'recipient-list-subscribe']] })).response.status).toBe(400);
    expect(await refused('<resource-lists')).toBe(400);
    expect(await refused('<list/>')).toBe(400);
    expect(await refused('<!DOCTYPE x><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>')).toBe(400);
    expect(await refused(deflateSync(Buffer.alloc(10_000_000)), [['Content-Encoding', 'deflate']])).toBe(413);
    expect(await refused(listOf('B'), [['Content-Encoding', 'br']])).toBe(415);
    const many = Array.from({ length: 2001 }, (_, n) => `<entry uri="sip:${n}@x"/>`).join('');
    expect(await refused(lists(`<list>${many}</list>`))).toBe(413);
    const plain = { ...ASKED, headers: [FIELDS[0], ['Content-Type', 'text/plain']] as const, body: 'sip:B@example.com' };
    expect((await a.subscribe(RLS, plain)).response.status).toBe(415);
  });

  test('a watcher without eventlist gets 421, another domain 403, another package 489', async () => {
    const { supported, ...without } = bringing(listOf('B'));
    expect((await a.subscribe(RLS, without)).response.status).toBe(421);
    expect((await a.subscribe(RLS, { ...bringing(listOf('B')), event: 'reg', accept: [] })).response.status).toBe(489);
    expect(supported).toEqual(['eventlist']);
  });

  test('Linphone finds the parts: bare Content-Id, boundary unquoted and last, Event as it wrote it', async () => {
    const options = { ...bringing(listOf('B', 'C'), [['User-Agent', 'LinphoneAndroid/5.2.5 (belle-sip/5.3)']]), event: 'Presence' };
    const subscription = await a.subscribe(RLS, options);
    const { message, body } = await subscription.notify();
    const type = header(message, 'content-type') ?? '';
    const boundary = /;boundary=([A-Za-z0-9]+)$/.exec(type)?.[1] ?? '';
    expect([header(message, 'event'), boundary.length > 10]).toEqual(['Presence', true]);
    const parts = body.split(`--${boundary}`).slice(1, -1);
    const cids = [...(parts[0] ?? '').matchAll(/ cid="([^"]*)"/g)].map(([, cid]) => cid);
    const ids = parts.slice(1).map((part) => /^Content-Id: (\S+)\r$/m.exec(part)?.[1]);
    expect([cids.length, ids]).toEqual([2, cids]);
    expect(parts[0]).toMatch(/^\r\n(?:[^\r\n]+\r\n)*Content-Type: application\/rlmi\+xml/);
  });
});
