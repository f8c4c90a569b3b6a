import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
let bob: SipPeer;
beforeEach(async () => {
  await stage.boot({ minExpires: 2 });
  bob = await stage.peer('bob');
});
afterEach(() => stage.close());

const open = (tuple = 't') => pidf(stage.address('bob'), { basic: 'open', tuple });
async function tuples(): Promise<string[]> {
  const fetch = await bob.subscribe(bob.address, { expires: 0 });
  return readPidf((await fetch.notify()).body).tuples.map(({ id, basic }) => `${id} ${basic}`);
}
const NOTHING = ['offline closed'];

describe('RFC 3903 4: the life of a publication', () => {
  it('4.3: a refresh keeps the state, gives a new entity-tag, and tells watchers nothing', async () => {
    const { etag } = await bob.publish(open(), { expires: 60 });
    const subscription = await bob.subscribe(bob.address);
    await subscription.notify();
    const refreshed = await bob.publish(undefined, { etag, expires: 90 });
    expect(refreshed).toMatchObject({ status: 200, expires: 90 });
    expect(refreshed.etag).not.toBe(etag);
    expect(await tuples()).toEqual(['t open']);
    await bob.publish(pidf(bob.address, { basic: 'closed', tuple: 't' }), { etag: refreshed.etag, expires: 60 });
    expect(readPidf((await subscription.notify()).body).tuples[0]?.basic).toBe('closed');
    expect(subscription.notifications).toHaveLength(2);
  });

  it('4.4, 10.4: a modification puts the whole of what it brings in the place of what was there', async () => {
    const two = open('a').replace('</presence>', '<tuple id="b"><status><basic>open</basic></status></tuple></presence>');
    const { etag } = await bob.publish(two, { expires: 60 });
    expect(await tuples()).toEqual(['a open', 'b open']);
    await bob.publish(open('c'), { etag, expires: 60 });
    expect(await tuples()).toEqual(['c open']);
  });

  it('4.5: expires 0 removes it, with whatever body, and the entity-tag is gone', async () => {
    const { etag } = await bob.publish(open(), { expires: 60 });
    const removed = await bob.publish(open('other'), { etag, expires: 0 });
    expect(removed).toMatchObject({ status: 200, expires: 0 });
    expect(await tuples()).toEqual(NOTHING);
    for (const gone of [etag, removed.etag]) expect((await bob.publish(undefined, { etag: gone, expires: 60 })).status).toBe(412);
  });

  it('4.2: one user has several, each with an entity-tag of its own', async () => {
    const made = await Promise.all(['a', 'b', 'c'].map((tuple) => bob.publish(open(tuple), { expires: 60 })));
    expect(new Set(made.map(({ etag }) => etag)).size).toBe(3);
    expect((await tuples()).sort()).toEqual(['a open', 'b open', 'c open']);
    await bob.publish(undefined, { etag: made[1]?.etag ?? '', expires: 0 });
    expect((await tuples()).sort()).toEqual(['a open', 'c open']);
  });
});

describe('RFC 3903 6: the steps', () => {
  it('Record-Route and Contact are ignored, and there is neither in the response', async () => {
    const { status, response } = await bob.publish(open(), {
      expires: 60,
      headers: [
        ['Record-Route', '<sip:192.0.2.1;lr>'],
        ['Contact', '<sip:bob@192.0.2.2>'],
      ],
    });
    expect(status).toBe(200);
    expect([header(response, 'record-route'), header(response, 'contact')]).toEqual([undefined, undefined]);
  });

  it('489 for a PUBLISH without an Event, with those that can be published (step 2)', async () => {
    const response = await bob.request({
      method: 'PUBLISH',
      uri: bob.address,
      headers: [['Content-Type', 'application/pidf+xml']],
      body: open(),
    });
    expect(response.status).toBe(489);
    expect(headerList(response, 'allow-events')).toContain('presence');
  });

  it.each(['a, b', '', '"quoted"', 'two words', '<a>'])('400 for SIP-If-Match: %s (step 3)', async (etag) => {
    expect((await bob.publish(undefined, { etag, expires: 60 })).status).toBe(400);
  });

  it('412 for an entity-tag of another user or another event, before anything about its time (step 3)', async () => {
    const carol = await stage.peer('carol');
    const { etag } = await carol.publish(pidf(carol.address, { basic: 'open' }), { expires: 60 });
    expect((await bob.publish(open(), { etag, expires: 60 })).status).toBe(412);
    expect((await carol.publish(undefined, { etag, expires: 60, event: 'dialog' })).status).toBe(412);
    expect((await bob.publish(undefined, { etag: 'never', expires: 1 })).status).toBe(412);
    expect((await carol.publish(undefined, { etag, expires: 60 })).status).toBe(200);
  });

  it('a first PUBLISH that expires at once is answered and leaves nothing (step 5)', async () => {
    const subscription = await bob.subscribe(bob.address);
    await subscription.notify();
    const { status, expires, etag } = await bob.publish(open(), { expires: 0 });
    expect([status, expires]).toEqual([200, 0]);
    expect((await bob.publish(undefined, { etag, expires: 60 })).status).toBe(412);
    expect(await tuples()).toEqual(NOTHING);
    expect(subscription.notifications).toHaveLength(1);
  });

  it('a PUBLISH that is refused leaves what was published, with its entity-tag (step 5)', async () => {
    const { etag } = await bob.publish(open(), { expires: 60 });
    expect((await bob.publish('<presence', { etag, expires: 60 })).status).toBe(400);
    expect((await bob.publish('open', { etag, expires: 60, contentType: 'text/plain' })).status).toBe(415);
    expect((await bob.publish(open('u'), { etag, expires: 1 })).status).toBe(423);
    expect(await tuples()).toEqual(['t open']);
    expect((await bob.publish(undefined, { etag, expires: 60 })).status).toBe(200);
  });

  it('no entity-tag is ever given again, not after a restart either (step 6)', { timeout: 40_000 }, async () => {
    const server = await startServerProcess();
    await stage.use(server);
    bob = await stage.peer('bob');
    const given = new Set<string>();
    let { etag } = await bob.publish(open(), { expires: 900 });
    for (let i = 0; i < 20; i++) {
      given.add(etag);
      ({ etag } = await bob.publish(undefined, { etag, expires: 900 }));
    }
    given.add(etag);
    await server.kill();
    await server.start();
    for (let i = 0; i < 5; i++) {
      ({ etag } = await bob.publish(undefined, { etag, expires: 900 }));
      given.add(etag);
    }
    expect(given.size).toBe(26);
  });

  it('what a modification said after a refresh, and a refresh after that, outlast kill -9', { timeout: 40_000 }, async () => {
    const server = await startServerProcess();
    await stage.use(server);
    bob = await stage.peer('bob');
    const again = async (): Promise<void> => {
      await server.kill();
      await server.start();
    };
    const first = await bob.publish(open('a'), { expires: 900 });
    const refreshed = await bob.publish(undefined, { etag: first.etag, expires: 900 });
    const modified = await bob.publish(open('b'), { etag: refreshed.etag, expires: 900 });
    await again();
    expect(await tuples()).toEqual(['b open']);
    expect((await bob.publish(undefined, { etag: refreshed.etag, expires: 900 })).status).toBe(412);
    const last = await bob.publish(undefined, { etag: modified.etag, expires: 900 });
    expect(last.status).toBe(200);
    await again();
    expect((await bob.publish(undefined, { etag: modified.etag, expires: 900 })).status).toBe(412);
    expect((await bob.publish(undefined, { etag: last.etag, expires: 0 })).status).toBe(200);
    await again();
    expect(await tuples()).toEqual(NOTHING);
  });
});

describe('RFC 3903 7', () => {
  it('OPTIONS tells of PUBLISH and of the events, and of what bodies are taken', async () => {
    const response = await bob.request({ method: 'OPTIONS', uri: `sip:${stage.server.domain}` });
    expect(response.status).toBe(200);
    expect(headerList(response, 'allow')).toContain('PUBLISH');
    expect(headerList(response, 'allow-events')).toContain('presence');
    expect(headerList(response, 'accept')).toContain('application/pidf+xml');
  });
});

describe('RFC 3903 14.2', () => {
  it('what one user publishes is bounded: the oldest gives way', async () => {
    const peer = await stage.peer('bob', { transport: 'tcp' });
    const large = (tuple: string) => open(tuple).replace('</presence>', `<note>${tuple.repeat(25_000)}</note></presence>`);
    const made: string[] = [];
    for (const tuple of ['a', 'b', 'c']) made.push((await peer.publish(large(tuple), { expires: 60 })).etag);
    const known = await Promise.all(made.map((etag) => peer.publish(undefined, { etag, expires: 60 })));
    expect(known.map(({ status }) => status)).toEqual([412, 200, 200]);
    const small = await peer.publish(open('d'), { expires: 60 });
    expect((await peer.publish(large('d'), { expires: 60, etag: small.etag })).status).toBe(200);
    const fetch = await peer.subscribe(peer.address, { expires: 0 });
    expect(readPidf((await fetch.notify()).body).tuples.map(({ id }) => id)).toEqual(['d', 'c']);
  });
});

describe('RFC 3903 14.1', () => {
  it('who does not prove to be the user is challenged, and publishes nothing', async () => {
    const response = await bob.request({
      method: 'PUBLISH',
      uri: bob.address,
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
      ],
      body: open(),
      authenticate: false,
    });
    expect(response.status).toBe(401);
    expect(await tuples()).toEqual(NOTHING);
  });

  it('replayed credentials publish nothing again (14.3)', async () => {
    const { etag } = await bob.publish(open(), { expires: 60 });
    await bob.publish(undefined, { etag, expires: 0 });
    expect((await bob.publish(open('again'), { etag, expires: 60 })).status).toBe(412);
  });
});
