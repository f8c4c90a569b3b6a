import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readListState } from '../helpers/rlmi-reader.ts';
import { header, type SipMessage } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { token } from '../helpers/token.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { pidf } from './documents.ts';
import { Stage } from './stage.ts';
import { LIST_SUBSCRIPTION, watchWatchers, writeBuddyList } from './steps.ts';

/** What real agents and old articles send is understood; the peers check that the server itself writes none of it. */
const stage = new Stage();
let watcher: SipPeer;

beforeAll(async () => {
  await stage.boot({ auth: 'none', defaultDecision: 'allow' });
});
beforeEach(async () => {
  watcher = await stage.peer('A');
});
// Each peer answers for what it received in its own test.
afterEach(() => stage.dismiss());
afterAll(() => stage.close());

interface Literal {
  readonly callId: string;
  readonly localTag: string;
  readonly text: string;
}

/** A SUBSCRIBE to B as it should be, for tests to spoil. */
function subscribeText(): Literal {
  const callId = token();
  const localTag = token(4);
  const { address, port } = watcher.socket.local;
  const text = [
    'SUBSCRIBE sip:B@example.com SIP/2.0',
    `Via: SIP/2.0/UDP ${address}:${port};branch=z9hG4bK${token()}`,
    'Max-Forwards: 70',
    `From: <${watcher.address}>;tag=${localTag}`,
    'To: <sip:B@example.com>',
    `Call-ID: ${callId}`,
    'CSeq: 1 SUBSCRIBE',
    `Contact: <${watcher.contact}>`,
    'Event: presence',
    'Expires: 600',
    'Accept: application/pidf+xml',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n');
  return { callId, localTag, text };
}

async function subscribeLiterally(
  { callId, localTag, text }: Literal,
  tagged = true,
): Promise<{ response: SipMessage; subscription: Subscription }> {
  const terms = {
    uri: 'sip:B@example.com',
    callId,
    localTag: tagged ? localTag : undefined,
    accept: ['application/pidf+xml'],
    expires: 600,
  };
  const subscription = watcher.expectSubscription(terms);
  const response = await watcher.exchangeRaw(text, callId);
  return { response, subscription };
}

const ADDRESS_HEADERS = /^(From|To|Contact): <([^>]+)>/gm;

const SPOILED: [what: string, spoil: (text: string) => string][] = [
  ['nothing at all', (text) => text],
  ['CSeq without a space', (text) => text.replace('CSeq: 1 SUBSCRIBE', 'CSeq: 1SUBSCRIBE')],
  ['empty parameters in Via', (text) => text.replace(';branch', ';;branch')],
  ['empty parameters in From and Contact', (text) => text.replace(';tag', ';;tag').replace(/(Contact: .*)/, '$1;;expires=600;')],
  ['white space before the colon', (text) => text.replace(/^([A-Za-z-]+):/gm, '$1 \t:')],
  ['no white space after the colon', (text) => text.replace(/^([A-Za-z-]+): /gm, '$1:')],
  ['header folding', (text) => text.replace(';branch', '\r\n ;branch').replace('Event: presence', 'Event:\r\n\tpresence')],
  [
    'compact names',
    (text) =>
      [
        ['Via', 'v'],
        ['From', 'f'],
        ['To', 't'],
        ['Call-ID', 'i'],
        ['Contact', 'm'],
        ['Event', 'o'],
        ['Content-Length', 'l'],
      ].reduce((spoiled, [name, compact]) => spoiled.replace(`\r\n${name}:`, `\r\n${compact}:`), text),
  ],
  ['bare addresses in From, To and Contact', (text) => text.replace(ADDRESS_HEADERS, '$1: $2')],
  ['a display name without quotes', (text) => text.replace('From: <', 'From: Anna B <').replace('To: <', 'To: Mr. B <')],
  ['no Content-Length', (text) => text.replace('Content-Length: 0\r\n', '')],
  ['lower-case header names', (text) => text.replace(/^([A-Za-z-]+):/gm, (name) => name.toLowerCase())],
  ['a Via branch without the magic cookie', (text) => text.replace('branch=z9hG4bK', 'branch=')],
  ['a Via without a branch', (text) => text.replace(/;branch=\w+/, '')],
  ['no Max-Forwards', (text) => text.replace('Max-Forwards: 70\r\n', '')],
];

describe('a SUBSCRIBE is accepted with', () => {
  test.each(SPOILED)('%s', async (what, spoil) => {
    const literal = subscribeText();
    // A bare Contact has no parameter of its own here (RFC 3261 20.10: those after it belong to the header field).
    const contact = what.startsWith('bare') ? watcher.contact : undefined;
    const { response, subscription } = await subscribeLiterally({ ...literal, text: spoil(literal.text) });
    expect(response.status).toBe(200);
    expect(header(response, 'cseq')).toBe('1 SUBSCRIBE');
    expect(header(response, 'call-id')).toBe(literal.callId);
    const { state, message } = await subscription.notify();
    expect(state).toBe('active');
    if (contact !== undefined) expect(message.requestUri).toBe(contact);
  });

  test('a From without a tag, whose dialog has none either (RFC 3261 12.1.1)', async () => {
    const literal = subscribeText();
    const { response, subscription } = await subscribeLiterally(
      { ...literal, text: literal.text.replace(`;tag=${literal.localTag}`, '') },
      false,
    );
    expect(response.status).toBe(200);
    expect(header(response, 'from')).not.toMatch(/tag=/);
    const { message } = await subscription.notify();
    expect(header(message, 'to')).not.toMatch(/tag=/);
  });

  test.each([
    ['a cookie', (text: string) => text],
    ['no cookie (RFC 2543 matching, RFC 3261 17.2.3)', (text: string) => text.replace('branch=z9hG4bK', 'branch=')],
    ['no branch (RFC 2543 matching, RFC 3261 17.2.3)', (text: string) => text.replace(/;branch=\w+/, '')],
  ])('the same datagram sent twice with %s, once', async (_what, spoil) => {
    const literal = subscribeText();
    const text = spoil(literal.text);
    const { response, subscription } = await subscribeLiterally({ ...literal, text });
    await subscription.notify();
    const responses = (): SipMessage[] =>
      watcher.transcript.entries.flatMap(({ message }) =>
        message?.kind === 'response' && header(message, 'call-id') === literal.callId && message.method === 'SUBSCRIBE' ? [message] : [],
      );
    await watcher.sendRaw(text);
    await expect.poll(responses).toHaveLength(2);
    expect(responses().map(({ raw }) => raw.toString())).toEqual([response.raw.toString(), response.raw.toString()]);
    expect(subscription.notifications).toHaveLength(1);
  });

  test('multipart/relate for multipart/related', async () => {
    const service = await writeBuddyList(stage, 'A', ['B']);
    const accept = ['application/pidf+xml', 'application/rlmi+xml', 'multipart/relate'];
    const subscription = await watcher.subscribe(service, { ...LIST_SUBSCRIPTION, accept });
    expect(subscription.response.status).toBe(200);
    expect(readListState(await subscription.notify()).fullState).toBe(true);
  });
});

describe('agents as they are', () => {
  test('a PUBLISH over UDP without Content-Length is read to the end of the datagram', async () => {
    const body = pidf(watcher.address, { basic: 'open' });
    const callId = token();
    const { address, port } = watcher.socket.local;
    const text = [
      `PUBLISH ${watcher.address} SIP/2.0`,
      `Via: SIP/2.0/UDP ${address}:${port};branch=z9hG4bK${token()}`,
      'Max-Forwards: 70',
      `From: <${watcher.address}>;tag=1`,
      `To: <${watcher.address}>`,
      `Call-ID: ${callId}`,
      'CSeq: 1 PUBLISH',
      'Event: presence',
      'Expires: 600',
      'Content-Type: application/pidf+xml',
      '',
      body,
    ].join('\r\n');
    expect((await watcher.exchangeRaw(text, callId)).status).toBe(200);
  });

  test('a Contact with parameters of its own, an empty Supported and no Accept', async () => {
    const subscription = await watcher.subscribe('sip:B@example.com', { supported: [''], expires: 600 });
    expect((await subscription.notify()).type).toBe('application/pidf+xml');
    const literal = subscribeText();
    const instance = ';expires=60;+sip.instance="<urn:uuid:00000000-0000-4000-8000-000000000001>"';
    const { response, subscription: other } = await subscribeLiterally({
      ...literal,
      text: literal.text.replace(/(Contact: .*)\r/, `$1${instance}\r`),
    });
    expect(response.status).toBe(200);
    await other.notify();
  });

  test('a preloaded Route to the server (RFC 3261 16.4, 8.1.2)', async () => {
    const { address, port } = stage.server.sip;
    const peer = await stage.peer('A', { name: 'A with a preloaded Route', preloadedRoutes: [`<sip:${address}:${port};lr>`] });
    const subscription = await peer.subscribe('sip:B@example.com', { expires: 600 });
    expect(subscription.response.status).toBe(200);
    expect((await subscription.notify()).state).toBe('active');
  });

  test('a PUBLISH that refreshes with a Content-Type and no body', async () => {
    const { etag } = await watcher.publish(pidf(watcher.address, { basic: 'open' }), { expires: 600 });
    const refreshed = await watcher.publish(undefined, { etag, expires: 600, headers: [['Content-Type', 'application/pidf+xml']] });
    expect(refreshed.status).toBe(200);
  });

  test('a REGISTER whose Request-URI has a transport and whose expiry stands in Contact alone', async () => {
    const response = await watcher.request({
      method: 'REGISTER',
      uri: 'sip:example.com;transport=udp',
      to: `<${watcher.address}>`,
      headers: [['Contact', `<${watcher.contact}>;expires=120`]],
    });
    expect(response.status).toBe(200);
    expect(header(response, 'contact')).toMatch(/;expires=1(20|19)\b/);
  });

  test('over TCP the open connection is used, although the Contact names another port', async () => {
    const peer = await stage.peer('A', { transport: 'tcp', name: 'A behind a firewall' });
    const subscription = await peer.subscribe('sip:B@example.com', { contact: 'sip:somebody@127.0.0.1:9;transport=tcp', expires: 600 });
    expect((await subscription.notify()).message.requestUri).toBe('sip:somebody@127.0.0.1:9;transport=tcp');
  });

  test('an agent that has been restarted and answers 481 loses its subscription (RFC 6665 4.2.2)', async () => {
    const presentity = await stage.peer('W');
    const { subscription: watchers } = await watchWatchers(stage, presentity);
    const gone = await watcher.subscribe(presentity.address, { expires: 600 });
    await gone.notify();
    const [known] = readWatcherinfo((await watchers.notify()).body).watchers;
    gone.answer = 481;
    await presentity.publish(pidf(presentity.address, { basic: 'open' }), { expires: 600 });
    await gone.notify();
    const { watchers: left } = readWatcherinfo((await watchers.notify()).body);
    expect(left.map(({ id, status }) => [id, status])).toEqual([[known?.id, 'terminated']]);
  });
});
