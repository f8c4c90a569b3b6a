import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

const CODINGS = 'gzip, deflate, identity';

let stage: Stage;
let bob: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  bob = await stage.peer('bob', { transport: 'tcp' });
});
afterEach(() => stage.close());

const presence = (note = '') => pidf(stage.address('bob'), { basic: 'open', im: `here${note}` });

function publish(body: Buffer, coding: string | undefined, more: readonly (readonly [string, string])[] = []) {
  return bob.request({
    method: 'PUBLISH',
    uri: bob.address,
    headers: [
      ['Event', 'presence'],
      ['Content-Type', 'application/pidf+xml'],
      ['Expires', '600'],
      ...(coding === undefined ? [] : [['Content-Encoding', coding] as const]),
      ...more,
    ],
    body,
  });
}

/** What Bob himself is told of his presence. */
async function told(headers: readonly (readonly [string, string])[] = []) {
  const watched = await bob.subscribe(bob.address, { expires: 600, headers });
  return watched.notify();
}

describe('RFC 3261 20.12: bodies that come coded', () => {
  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['Deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['identity', (text: string) => Buffer.from(text)],
  ])('%s is undone in PUBLISH', async (coding, encode) => {
    expect((await publish(encode(presence()), coding)).status).toBe(200);
    expect(readPidf((await told()).body).tuples[0]?.status[0]?.text).toBe('here');
  });

  it('is undone in a modification, and kept as it is told', async () => {
    const first = await publish(Buffer.from(presence()), undefined);
    const second = await publish(deflateSync(presence('-again')), 'deflate', [['SIP-If-Match', header(first, 'sip-etag') ?? '']]);
    expect(second.status).toBe(200);
    expect(readPidf((await told()).body).tuples[0]?.status[0]?.text).toBe('here-again');
  });

  it('is undone in the body of SUBSCRIBE', async () => {
    const list = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="resource-lists/users/sip:bob@example.com/"/></list></resource-lists>`;
    const ask = (coding: string, body: Buffer) =>
      bob.subscribe(bob.address, {
        event: 'xcap-diff',
        expires: 600,
        headers: [
          ['Content-Type', 'application/resource-lists+xml'],
          ['Content-Encoding', coding],
        ],
        body,
      });
    const watched = await ask('deflate', deflateSync(list));
    expect(watched.response.status).toBe(200);
    await watched.notify();
    const other = await ask('br', Buffer.from(list));
    expect([other.response.status, header(other.response, 'accept-encoding')]).toEqual([415, CODINGS]);
    expect((await ask('gzip', Buffer.from(list))).response.status).toBe(400);
  });

  it.each(['zstd', 'br', 'gzip, deflate', 'compress', '"', 'constructor'])('415 with Accept-Encoding for %s (21.4.13)', async (coding) => {
    const response = await publish(Buffer.from(presence()), coding);
    expect([response.status, header(response, 'accept-encoding')]).toEqual([415, CODINGS]);
  });

  it.each([
    ['plain text', 'gzip', () => Buffer.from(presence())],
    ['plain text', 'deflate', () => Buffer.from(presence())],
    ['half of it', 'gzip', () => gzipSync(presence()).subarray(0, 60)],
    ['half of it', 'deflate', () => deflateSync(presence()).subarray(0, 60)],
    ['what decodes to nothing', 'deflate', () => deflateSync('')],
    ['what decodes to no presence', 'gzip', () => gzipSync('<a/>')],
  ])('400 for %s as %s', async (_, coding, body) => {
    expect((await publish(body(), coding)).status).toBe(400);
  });

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])('413 for a small %s body that becomes a large one', async (coding, encode) => {
    const bomb = encode(Buffer.alloc(60_000_000, ' '));
    expect(bomb.length).toBeLessThan(65_536);
    expect((await publish(bomb, coding)).status).toBe(413);
    // Nothing else has suffered.
    expect((await publish(Buffer.from(presence()), undefined)).status).toBe(200);
  });
});

describe('RFC 3261 20.2: bodies that go out coded', () => {
  const long = () => presence('.'.repeat(5000));

  it.each([
    ['deflate', 'deflate'],
    ['gzip', 'gzip'],
    ['deflate;q=0.3, gzip;q=0.8', 'gzip'],
    ['identity;q=0.1, deflate', 'deflate'],
  ])('as Accept-Encoding: %s asks, in %s', async (accepted, coding) => {
    await publish(Buffer.from(long()), undefined);
    const { message, body } = await told([['Accept-Encoding', accepted]]);
    expect(header(message, 'content-encoding')).toBe(coding);
    expect(message.body.length).toBeLessThan(1300);
    expect(readPidf(body).tuples[0]?.status[0]?.text).toBe(`here${'.'.repeat(5000)}`);
  });

  it.each([undefined, 'identity', '*', 'gzip;q=0, deflate;q=0.0', 'identity, deflate;q=0.5', 'br', 'gzip;q=x', ''])(
    'never without being asked for: %s',
    async (accepted) => {
      await publish(Buffer.from(long()), undefined);
      const { message } = await told(accepted === undefined ? [] : [['Accept-Encoding', accepted]]);
      expect(header(message, 'content-encoding')).toBeUndefined();
    },
  );

  it('not where it saves no packet', async () => {
    await publish(Buffer.from(presence()), undefined);
    expect(header((await told([['Accept-Encoding', 'deflate']])).message, 'content-encoding')).toBeUndefined();
  });

  it('is told in answer to OPTIONS (11.2)', async () => {
    expect(header(await bob.request({ method: 'OPTIONS', uri: 'sip:example.com' }), 'accept-encoding')).toBe(CODINGS);
  });
});
