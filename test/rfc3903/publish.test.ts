import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let bob: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ minExpires: 2 });
  bob = await stage.peer('bob');
});
afterEach(() => stage.close());

const open = (tuple = 't') => pidf(stage.address('bob'), { basic: 'open', tuple });

describe('RFC 3903 6: PUBLISH', () => {
  it('489 for an event nobody publishes (step 2)', async () => {
    expect((await bob.publish(open(), { event: 'presence.winfo' })).status).toBe(489);
  });

  it('403 for the state of another user, 404 for nobody (steps 1 and 3)', async () => {
    await stage.user('carol');
    expect((await bob.publish(open(), { uri: stage.address('carol') })).status).toBe(403);
    expect((await bob.publish(open(), { uri: stage.address('nobody') })).status).toBe(404);
  });

  it('412 for an entity-tag that is not there, and for one that was replaced (step 4)', async () => {
    expect((await bob.publish(open(), { etag: 'never' })).status).toBe(412);
    const { etag } = await bob.publish(open(), { expires: 60 });
    expect((await bob.publish(undefined, { etag, expires: 60 })).status).toBe(200);
    expect((await bob.publish(undefined, { etag, expires: 60 })).status).toBe(412);
  });

  it('400 for several SIP-If-Match, and for a first PUBLISH without a body (steps 4 and 6)', async () => {
    const two = await bob.publish(open(), { etag: 'a', headers: [['SIP-If-Match', 'b']] });
    expect(two.status).toBe(400);
    expect((await bob.publish(undefined, { expires: 60 })).status).toBe(400);
  });

  it('423 with Min-Expires, the default of an hour, and the greatest expiry granted (step 5)', async () => {
    const short = await bob.publish(open(), { expires: 1 });
    expect([short.status, header(short.response, 'min-expires')]).toEqual([423, '2']);
    expect(await bob.publish(open())).toMatchObject({ status: 200, expires: 3600 });
    expect(await bob.publish(open(), { expires: 4_000_000_000 })).toMatchObject({ status: 200, expires: 86_400 });
  });

  it('415 with Accept for a body of another type or coding (step 6)', async () => {
    const plain = await bob.publish('open', { contentType: 'text/plain' });
    expect(plain.status).toBe(415);
    expect(header(plain.response, 'accept')).toContain('application/pidf+xml');
    expect((await bob.publish(open(), { headers: [['Content-Encoding', 'zstd']] })).status).toBe(415);
  });

  it.each([
    ['malformed', '<presence', /line 1/],
    ['another root', '<a/>', /root element/],
    [
      'a tuple without an id',
      '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bob@example.com"><tuple><status/></tuple></presence>',
      /no id/,
    ],
    ['a document type', '<!DOCTYPE presence [<!ENTITY a "b">]><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="x"/>', /document type/],
  ])('400 that says what is wrong for a body that is %s', async (_what, body, reason) => {
    const { status, response } = await bob.publish(body, { expires: 60 });
    expect(status).toBe(400);
    expect(response.reason).toMatch(reason);
  });

  it('an expired publication is seen at its expiry', async () => {
    const subscription = await bob.subscribe(bob.address);
    await subscription.notify();
    const started = Date.now();
    await bob.publish(open(), { expires: 2 });
    expect(readPidf((await subscription.notify()).body).tuples[0]?.basic).toBe('open');
    expect(readPidf((await subscription.notify()).body).tuples[0]?.basic).toBe('closed');
    expect(Date.now() - started).toBeGreaterThanOrEqual(2000);
  });

  it('several devices: tuples of one id are one, and the newest word on it holds', async () => {
    const phone = await bob.publish(open('phone'), { expires: 60 });
    await bob.publish(open('desk'), { expires: 60 });
    const seen = async () => {
      const fetch = await bob.subscribe(bob.address, { expires: 0 });
      return readPidf((await fetch.notify()).body).tuples.map(({ id, basic }) => `${id} ${basic}`);
    };
    expect((await seen()).sort()).toEqual(['desk open', 'phone open']);
    const other = await bob.publish(pidf(bob.address, { basic: 'closed', tuple: 'phone' }), { expires: 60 });
    expect((await seen()).sort()).toEqual(['desk open', 'phone closed']);
    await bob.publish(open('phone'), { etag: phone.etag, expires: 60 });
    expect((await seen()).sort()).toEqual(['desk open', 'phone open']);
    await bob.publish(undefined, { etag: other.etag, expires: 0 });
    expect((await seen()).sort()).toEqual(['desk open', 'phone open']);
  });

  it('application/cpim-pidf+xml is taken and told as application/pidf+xml', async () => {
    const body = `<presence xmlns="urn:ietf:params:xml:ns:cpim-pidf" entity="${bob.address}"><tuple id="o"><status><basic>open</basic></status></tuple></presence>`;
    expect((await bob.publish(body, { expires: 60, contentType: 'application/cpim-pidf+xml' })).status).toBe(200);
    const fetch = await bob.subscribe(bob.address, { expires: 0, accept: ['application/pidf+xml'] });
    expect(readPidf((await fetch.notify()).body).tuples).toMatchObject([{ id: 'o', basic: 'open' }]);
  });
});
