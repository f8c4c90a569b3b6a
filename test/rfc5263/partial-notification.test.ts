import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PIDF_DIFF } from '../../schemas/pidf-diff.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { meaningOf, PidfDiffClient } from '../helpers/pidf-diff-client.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { pidf, rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { PARTIAL, type Rich, rich } from './presence-documents.ts';

let stage: Stage;
let bob: SipPeer;
let alice: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ defaultDecision: 'allow' });
  [bob, alice] = [await stage.peer('bob'), await stage.peer('alice')];
});
afterEach(() => stage.close());

const open = (tuple: string) => rich(bob.address, { tuples: [[tuple, 'open']] });

async function watch(peer = alice): Promise<[Subscription, PidfDiffClient]> {
  const subscription = await peer.subscribe(bob.address, { accept: PARTIAL });
  const client = new PidfDiffClient();
  client.receive(await subscription.notify());
  return [subscription, client];
}

/** What a watcher that asks now is shown. */
async function fresh(peer = alice): Promise<string> {
  const fetch = await peer.subscribe(bob.address, { expires: 0, accept: ['application/pidf+xml'] });
  return meaningOf((await fetch.notify()).body);
}

describe('RFC 5263 4.3: what the watcher is told in', () => {
  it.each([
    [['application/pidf+xml'], 'application/pidf+xml'],
    [['application/pidf-diff+xml', 'application/pidf+xml'], 'application/pidf-diff+xml'],
    [['application/pidf+xml;q=0.3', 'application/pidf-diff+xml;q=1'], 'application/pidf-diff+xml'],
    [['application/pidf+xml;q=1', 'application/pidf-diff+xml;q=0.3'], 'application/pidf+xml'],
    [['application/pidf+xml', 'application/pidf-diff+xml;q=0'], 'application/pidf+xml'],
    [['application/cpim-pidf+xml;q=0.9', 'application/pidf+xml;q=0.4'], 'application/cpim-pidf+xml'],
    [['application/pidf-diff+xml'], 'application/pidf-diff+xml'],
  ])('Accept: %s -> %s', async (accept, type) => {
    const subscription = await alice.subscribe(bob.address, { accept });
    expect((await subscription.notify()).type).toBe(type);
  });

  it('whole documents without an Accept', async () => {
    const subscription = await alice.subscribe(bob.address);
    expect((await subscription.notify()).type).toBe('application/pidf+xml');
  });

  it.each([['*/*'], ['application/*']])('%s names no partial presence', async (range) => {
    const response = (await alice.subscribe(bob.address, { accept: [range, 'application/pidf+xml'] })).notify();
    expect((await response).type).toBe('application/pidf+xml');
  });

  it('406 with all that there is when nothing fits', async () => {
    const { response } = await alice.subscribe(bob.address, { accept: ['text/plain', 'application/pidf+xml;q=0'] });
    expect(response.status).toBe(406);
    expect(header(response, 'accept')).toBe('application/pidf+xml, application/cpim-pidf+xml, application/pidf-diff+xml');
  });
});

describe('RFC 5263 4.4: partial notifications', () => {
  it('of a document that would take too long to compare: the whole, as the next version', async () => {
    const large = (basic: string) =>
      rich(bob.address, {
        tuples: Array.from({ length: 150 }, (_, i): [string, 'open' | 'closed'] => [
          `t${i}`,
          i === 7 && basic === 'closed' ? 'closed' : 'open',
        ]),
      });
    const listening = await stage.peer('alice', { transport: 'tcp' });
    const { etag } = await bob.publish(large('open'), { expires: 600 });
    const [subscription, client] = await watch(listening);
    expect(client.text.length).toBeGreaterThan(24 * 1024);
    await bob.publish(large('closed'), { expires: 600, etag });
    client.receive(await subscription.notify());
    expect([client.version, client.fulls, client.diffs]).toEqual([2, 2, 0]);
    expect(client.meaning).toBe(await fresh(listening));
  });

  it('the whole first with version 1, then changes, each a version higher', async () => {
    const { etag } = await bob.publish(open('phone'), { expires: 600 });
    const [subscription, client] = await watch();
    expect([client.version, client.fulls]).toEqual([1, 1]);
    await bob.publish(rich(bob.address, { tuples: [['phone', 'closed']], note: 'gone' }), { expires: 600, etag });
    const news = await subscription.notify();
    expect(news.body).toContain('pidf-diff');
    expect(news.body).not.toContain('desk');
    client.receive(news);
    expect([client.version, client.diffs]).toEqual([2, 1]);
    expect(client.meaning).toBe(await fresh());
    expect(client.meaning).toContain('closed');
  });

  it('the whole after a refresh, and the version goes on', async () => {
    await bob.publish(open('phone'), { expires: 600 });
    const [subscription, client] = await watch();
    await subscription.refresh();
    client.receive(await subscription.notify());
    expect([client.version, client.fulls]).toEqual([2, 2]);
    await bob.publish(open('desk'), { expires: 600 });
    client.receive(await subscription.notify());
    expect([client.version, client.diffs]).toEqual([3, 1]);
    expect(client.meaning).toBe(await fresh());
  });

  it('the whole at the end of the subscription', async () => {
    const [subscription, client] = await watch();
    await subscription.unsubscribe();
    client.receive(await subscription.notify());
    expect([client.version, client.fulls, subscription.terminated]).toEqual([2, 2, true]);
  });

  it('the whole where the changes would be longer (RFC 5262 4)', async () => {
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
    const [subscription, client] = await watch();
    const many = rich(bob.address, { tuples: [...Array(20).keys()].map((i) => [`t${i}`, 'open'] as const), note: 'much' });
    await bob.publish(many, { expires: 600 });
    client.receive(await subscription.notify());
    expect(client.fulls + client.diffs).toBe(2);
    const before = client.fulls;
    const { etag } = await bob.publish(pidf(bob.address, { basic: 'open', tuple: 'x' }), { expires: 600 });
    client.receive(await subscription.notify());
    await bob.publish(pidf(bob.address, { basic: 'closed', tuple: 'x' }), { expires: 600, etag });
    client.receive(await subscription.notify());
    expect(client.fulls).toBe(before);
    expect(client.meaning).toBe(await fresh());
  });

  it('only what this watcher may see makes a change, and rules that change make one too', async () => {
    const xcap = await stage.xcap('bob');
    const transformations = `<cr:transformations><provide-services><all-services/></provide-services>PERSONS</cr:transformations>`;
    const shows = (persons: string) =>
      rulesDocument(
        rule('a', 'allow', [alice.address]).replace(
          /<cr:transformations>[\s\S]*<\/cr:transformations>/,
          transformations.replace('PERSONS', persons),
        ),
      );
    await xcap.put(rulesPath(bob.address), shows(''));
    const { etag } = await bob.publish(rich(bob.address, { tuples: [['phone', 'open']], mood: 'happy' }), { expires: 600 });
    const [subscription, client] = await watch();
    expect(client.text).not.toContain('person');
    const second = await bob.publish(rich(bob.address, { tuples: [['phone', 'open']], mood: 'sad' }), { expires: 600, etag });
    await bob.publish(rich(bob.address, { tuples: [['phone', 'closed']], mood: 'sad' }), { expires: 600, etag: second.etag });
    const news = await subscription.notify();
    expect(news.body).not.toContain('sad');
    client.receive(news);
    expect(client.version).toBe(2);
    await xcap.put(rulesPath(bob.address), shows('<provide-persons><all-persons/></provide-persons><provide-mood>true</provide-mood>'));
    client.receive(await subscription.notify());
    expect(client.meaning).toContain('sad');
    expect(client.meaning).toBe(await fresh());
    await xcap.put(rulesPath(bob.address), rulesDocument(rule('a', 'polite-block', [alice.address])));
    client.receive(await subscription.notify());
    expect(client.meaning).not.toContain('phone');
    expect(client.meaning).toBe(await fresh());
    await xcap.put(rulesPath(bob.address), rulesDocument(rule('a', 'confirm', [alice.address])));
    await subscription.notify(({ state }) => state === 'pending');
    const before = client.fulls;
    await xcap.put(rulesPath(bob.address), rulesDocument(rule('a', 'allow', [alice.address])));
    client.receive(await subscription.notify());
    expect(client.fulls).toBe(before + 1);
    expect(client.meaning).toBe(await fresh());
  });

  it('the whole after a NOTIFY that was not taken', async () => {
    const [subscription, client] = await watch();
    subscription.answer = 500;
    await bob.publish(open('phone'), { expires: 600 });
    await subscription.notify();
    subscription.answer = 200;
    await bob.publish(open('desk'), { expires: 600 });
    client.receive(await subscription.notify());
    expect(client.fulls).toBe(2);
    expect(client.meaning).toBe(await fresh());
  });

  it('every body is valid by the schema of RFC 5262 7', async () => {
    const valid = (tuples: Rich['tuples'], mood: string) => rich(bob.address, { tuples, mood, note: 'n' }).replaceAll(/<im>.*?<\/im>/g, '');
    const { etag } = await bob.publish(valid([['phone', 'open']], 'happy'), { expires: 600 });
    const [subscription] = await watch();
    const bodies = [
      valid([['phone', 'closed']], 'sad'),
      valid(
        [
          ['phone', 'closed'],
          ['desk', 'open'],
        ],
        'sad',
      ),
      valid([], 'happy'),
    ];
    let last = etag;
    for (const body of bodies) {
      last = (await bob.publish(body, { expires: 600, etag: last })).etag;
      await subscription.notify();
    }
    expect(subscription.notifications.map(({ body }) => schemaViolations(PIDF_DIFF, body))).toEqual([[], [], [], []]);
    expect(subscription.notifications.filter(({ body }) => body.includes(':pidf-diff ')).length).toBeGreaterThan(1);
  });

  it('a condition that holds (RFC 5839) tells nothing, and the next is the whole', async () => {
    await bob.publish(open('phone'), { expires: 600 });
    const [subscription, client] = await watch();
    const tag = header(last(subscription).message, 'sip-etag') ?? '';
    const response = await subscription.refresh(600, { headers: [['Suppress-If-Match', tag]] });
    expect(response.status).toBe(204);
    await bob.publish(open('desk'), { expires: 600 });
    client.receive(await subscription.notify());
    expect(client.fulls).toBe(2);
    expect(client.meaning).toBe(await fresh());
  });
});

function last(subscription: Subscription) {
  const notification = subscription.notifications.at(-1);
  if (!notification) throw new Error('no NOTIFY came');
  return notification;
}
