import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMessageSummary } from '../helpers/message-summary-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { Stage } from '../scenarios/stage.ts';

const TYPE = 'application/simple-message-summary';
const EVENT = 'message-summary';

let stage: Stage;
let alice: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  alice = await stage.peer('alice');
});
afterEach(() => stage.close());

const publish = (body: string | undefined, options: { etag?: string; expires?: number; uri?: string } = {}, peer = alice) =>
  peer.publish(body, { event: EVENT, contentType: TYPE, expires: 600, ...options });
const watch = (peer = alice) => peer.subscribe(alice.address, { event: EVENT, expires: 600 });

describe('RFC 3842 3: event package message-summary', () => {
  it('3.4: lasts an hour unless told, and a week at most', async () => {
    const unsaid = await alice.subscribe(alice.address, { event: EVENT });
    expect(unsaid.granted).toBe(3600);
    expect((await alice.subscribe(alice.address, { event: EVENT, expires: 5_000_000 })).granted).toBe(604_800);
  });

  it('3.5: assumes the text format without an Accept, and answers 406 where it is not accepted', async () => {
    const watched = await watch();
    const { type, body } = await watched.notify();
    expect(type).toBe(TYPE);
    // Nothing is known yet: no messages, and whose they would be.
    expect(readMessageSummary(body)).toEqual({ waiting: false, account: alice.address, lines: {} });
    const other = await alice.subscribe(alice.address, { event: EVENT, accept: ['application/pidf+xml'] });
    expect([other.response.status, header(other.response, 'accept')]).toEqual([406, TYPE]);
  });

  it('3.5: takes counters beyond 2^32-1 as that, and never sends larger ones', async () => {
    expect((await publish('Messages-Waiting: yes\r\nFax-Message: 4294967296/99999999999999999999\r\n')).status).toBe(200);
    expect(readMessageSummary((await (await watch()).notify()).body).lines).toEqual({ 'Fax-Message': '4294967295/4294967295' });
  });

  it('3.5, 3.8: leaves out the header fields of single messages', async () => {
    await publish('Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n\r\nTo: <alice@example.com>\r\nSubject: carpool\r\n');
    expect((await (await watch()).notify()).body).not.toContain('carpool');
  });

  it('3.5: reads what is written loosely, and writes it to the letter', async () => {
    const loose = 'MESSAGES-WAITING:YES\nmessage-account : <sip:alice@vmail.example.com>\nvoice-message :2 / 8 ( 0/ 2 )\nNone: 1/1';
    expect((await publish(loose)).status).toBe(200);
    expect((await (await watch()).notify()).body).toBe(
      'Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\nNone: 1/1\r\n',
    );
  });

  it('3.7: tells nobody but the owner and admins', async () => {
    const eve = await stage.peer('eve');
    const refused = await watch(eve);
    expect(refused.response.status).toBe(403);
    expect((await alice.subscribe(stage.address('nobody'), { event: EVENT })).response.status).toBe(404);
    const admin = await stage.admin();
    expect((await watch(admin)).response.status).toBe(200);
  });

  it('3.8: tells every subscriber of a change, and none of a refresh', async () => {
    const phone = await watch();
    const second = await watch(await stage.peer('alice', { name: 'second phone', transport: 'tcp' }));
    await Promise.all([phone.notify(), second.notify()]);
    const first = await publish('Messages-Waiting: yes\r\nVoice-Message: 1/0\r\n');
    for (const each of [phone, second]) expect(readMessageSummary((await each.notify()).body).lines).toEqual({ 'Voice-Message': '1/0' });
    const refreshed = await publish(undefined, { etag: first.etag });
    expect(refreshed.status).toBe(200);
    const removed = await publish(undefined, { etag: refreshed.etag, expires: 0 });
    expect(removed.status).toBe(200);
    // The next they hear is the end of the publication.
    for (const each of [phone, second]) expect(readMessageSummary((await each.notify()).body).waiting).toBe(false);
  });

  it('3.11: tells of many changes within a second once, of the newest', async () => {
    const watched = await watch();
    await watched.notify();
    let etag: string | undefined;
    for (let i = 1; i <= 20; i++) {
      ({ etag } = await publish(`Messages-Waiting: yes\r\nVoice-Message: ${i}/0\r\n`, etag === undefined ? {} : { etag }));
    }
    await watched.notify(({ body }) => body.includes('Voice-Message: 20/0'));
    const times = watched.notifications.length;
    expect(times).toBeLessThan(10);
  });

  it('is fetched by a SUBSCRIBE with Expires: 0', async () => {
    await publish('Messages-Waiting: yes\r\n');
    const fetch = await alice.subscribe(alice.address, { event: EVENT, expires: 0 });
    const { state, reason, body } = await fetch.notify();
    expect([state, reason, readMessageSummary(body).waiting]).toEqual(['terminated', 'timeout', true]);
  });

  it('is named in Allow-Events, and its type in Accept', async () => {
    const options = await alice.request({ method: 'OPTIONS', uri: 'sip:example.com' });
    expect(header(options, 'allow-events')).toContain(EVENT);
    expect(header(options, 'accept')).toContain(TYPE);
  });
});

describe('RFC 3903: message summaries published', () => {
  it('by the owner or an admin alone', async () => {
    const eve = await stage.peer('eve');
    expect((await publish('Messages-Waiting: yes\r\n', { uri: alice.address }, eve)).status).toBe(403);
    const admin = await stage.admin();
    expect((await publish('Messages-Waiting: yes\r\nVoice-Message: 3/0\r\n', { uri: alice.address }, admin)).status).toBe(200);
    expect(readMessageSummary((await (await watch()).notify()).body).lines).toEqual({ 'Voice-Message': '3/0' });
  });

  it('by several systems are one: the newest word on each kind of messages holds', async () => {
    await publish('Messages-Waiting: yes\r\nVoice-Message: 1/1\r\nFax-Message: 2/0\r\n');
    await publish('Messages-Waiting: no\r\nVoice-Message: 0/2\r\n');
    const { waiting, lines } = readMessageSummary((await (await watch()).notify()).body);
    expect([waiting, lines]).toEqual([true, { 'Voice-Message': '0/2', 'Fax-Message': '2/0' }]);
  });

  it.each([
    ['no status', 'Voice-Message: 1/0\r\n'],
    ['an unknown status', 'Messages-Waiting: maybe\r\n'],
    ['two statuses', 'Messages-Waiting: yes\r\nMessages-Waiting: no\r\n'],
    ['a negative count', 'Messages-Waiting: yes\r\nVoice-Message: -1/0\r\n'],
    ['half a count', 'Messages-Waiting: yes\r\nVoice-Message: 1\r\n'],
    ['a count that does not end', `Messages-Waiting: yes\r\nVoice-Message: ${'9'.repeat(60_000)}/0\r\n`],
    ['an account that is no URI', 'Messages-Waiting: yes\r\nMessage-Account: alice smith\r\n'],
    ['an account that brings a line with it', 'Messages-Waiting: yes\r\nMessage-Account: sip:a\rVoice-Message: 1/0\r\n'],
    ['kinds without end', `Messages-Waiting: yes\r\n${Array.from({ length: 1000 }, (_, i) => `K${i}: 1/0\r\n`).join('')}`],
    ['white space without end', `Messages-Waiting:${' '.repeat(60_000)}x\r\n`],
    ['white space within, without end', `Messages-Waiting: y${' '.repeat(60_000)}es\r\n`],
    ['a name with white space without end', `Messages-Waiting: yes\r\nVoice${' '.repeat(60_000)}-Message: 1/0\r\n`],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00]).toString('latin1')],
    ['XML', '<a/>'],
  ])('with %s are refused with 400', async (_, body) => {
    const response = await alice.request({
      method: 'PUBLISH',
      uri: alice.address,
      headers: [
        ['Event', EVENT],
        ['Content-Type', TYPE],
        ['Expires', '600'],
      ],
      body: Buffer.from(body, 'latin1'),
    });
    expect(response.status).toBe(400);
    expect(readMessageSummary((await (await watch()).notify()).body).waiting).toBe(false);
  });
});
