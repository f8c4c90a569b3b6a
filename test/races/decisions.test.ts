import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readListState } from '../helpers/rlmi-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import {
  buddiesDocument,
  buddiesPath,
  buddyEntry,
  buddySelector,
  pidf,
  rule,
  ruleSelector,
  rulesDocument,
  rulesPath,
  servicesDocument,
  servicesPath,
} from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { LIST_SUBSCRIPTION, watchList, writeBuddyList, writeRules } from '../scenarios/steps.ts';

let stage: Stage;
let a: SipPeer;
let b: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  a = await stage.peer('A', { transport: 'tcp' });
  b = await stage.peer('B', { transport: 'tcp' });
});
afterEach(() => stage.close());

const open = (im: string) => pidf(stage.address('B'), { basic: 'open', im });

describe('rules and subscriptions at the same moment', () => {
  it('whoever comes while a block is written is refused or ended, and hears nothing after', async () => {
    await writeRules(stage, 'B', 'allow', ['A']);
    await b.publish(open('before'), { expires: 600 });
    const xcap = await stage.xcap('B');
    for (let round = 0; round < 12; round++) {
      await xcap.put(ruleSelector('B', 'a'), rule('a', 'allow', [a.address]));
      const [put, ...subscriptions] = await Promise.all([
        xcap.put(ruleSelector('B', 'a'), rule('a', 'block', [a.address])),
        ...[1, 2, 3].map(() => a.subscribe(b.address, { expires: 600 })),
      ]);
      expect(put.status).toBe(200);
      for (const subscription of subscriptions) {
        if (subscription.response.status === 403) continue;
        expect(subscription.response.status).toBe(200);
        const last = await subscription.notify(({ state }) => state === 'terminated');
        expect([last.reason, last.body]).toEqual(['rejected', '']);
      }
    }
    expect((await a.subscribe(b.address, { expires: 600 })).response.status).toBe(403);
  });

  it('a refresh, an unsubscribe and a block together end the subscription once', async () => {
    const xcap = await stage.xcap('B');
    await writeRules(stage, 'B', 'allow', ['A']);
    for (let round = 0; round < 8; round++) {
      await xcap.put(ruleSelector('B', 'a'), rule('a', 'allow', [a.address]));
      const subscription = await a.subscribe(b.address, { expires: 600 });
      expect((await subscription.notify()).state).toBe('active');
      const answers = await Promise.all([
        xcap.put(ruleSelector('B', 'a'), rule('a', 'block', [a.address])),
        subscription.refresh(300),
        subscription.unsubscribe(),
      ]);
      for (const { status } of answers.slice(1)) expect([200, 481]).toContain(status);
      const last = await subscription.notify(({ state }) => state === 'terminated');
      expect(['rejected', 'timeout']).toContain(last.reason);
      expect((await subscription.refresh(60)).status).toBe(481);
    }
  });

  it('nothing published after a block has been answered reaches the watcher, however it is refused', async () => {
    await writeRules(stage, 'B', 'allow', ['A']);
    const xcap = await stage.xcap('B');
    const subscription = await a.subscribe(b.address, { expires: 600 });
    await subscription.notify();
    subscription.answer = 'silent';
    await b.publish(open('seen'), { expires: 600 });
    await subscription.notify();
    await xcap.put(rulesPath('B'), rulesDocument(rule('a', 'polite-block', [a.address])));
    subscription.answer = 200;
    await b.publish(pidf(b.address, { basic: 'open', im: 'secret', tuple: 'other' }), { expires: 600 });
    expect((await subscription.refresh(300)).status).toBe(200);
    const told = [...subscription.notifications].map(({ body }) => body);
    expect(told.some((body) => body.includes('secret'))).toBe(false);
  });
});

describe('RFC 5025 3.2.1: polite-block', () => {
  it('looks to the last byte like somebody who is offline, in a subscription, a fetch, a refresh and a list', async () => {
    await writeRules(stage, 'B', 'allow', ['A']);
    const service = await writeBuddyList(stage, 'A', ['B']);
    const see = async (): Promise<unknown[]> => {
      const direct = await a.subscribe(b.address, { expires: 600 });
      const first = await direct.notify();
      await direct.refresh(600);
      const second = await direct.notify();
      await direct.unsubscribe();
      const last = await direct.notify();
      const fetched = await a.subscribe(b.address, { expires: 0 });
      const fetch = await fetched.notify();
      const { subscription, state } = await watchList(stage, a, service);
      const listed = state.resource(b.address)?.instances.map(({ id, state: s, reason }) => [id, s, reason]);
      const part = /<tuple[\s\S]*<\/presence>/.exec(subscription.notifications[0]?.body ?? '')?.[0];
      await subscription.unsubscribe();
      await subscription.notify();
      return [...[first, second, last, fetch].map(({ state: s, reason, type, body }) => [s, reason, type, body]), listed, part];
    };
    const offline = await see();
    await b.publish(open('here'), { expires: 600 });
    await writeRules(stage, 'B', 'polite-block', ['A']);
    expect(await see()).toEqual(offline);
  });
});

describe('RFC 3903: one entity-tag in two hands', () => {
  it('of two PUBLISHs that name it at the same time one is taken', async () => {
    let { etag } = await b.publish(open('0'), { expires: 600 });
    for (let round = 1; round < 10; round++) {
      const results = await Promise.all(['x', 'y', 'z'].map((im) => b.publish(open(im + String(round)), { etag, expires: 600 })));
      expect(results.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
      etag = results.find(({ status }) => status === 200)?.etag ?? '';
    }
    const own = await b.subscribe(b.address, { expires: 0 });
    expect((await own.notify()).body.match(/<tuple/g)).toHaveLength(1);
  });
});

/** The list as whoever follows the notifications by RFC 4662 5.2 has it. */
function followed({ notifications }: Subscription): Map<string, string> {
  const members = new Map<string, string>();
  for (const [index, notification] of notifications.entries()) {
    const state = readListState(notification);
    expect(state.version).toBe(index);
    if (state.fullState) members.clear();
    for (const resource of state.resources) members.set(resource.uri, JSON.stringify(resource.instances));
  }
  return members;
}

describe('RFC 4662: lists that change under way', () => {
  it('two subscriptions to a list and one to its member agree in the end', async () => {
    await writeRules(stage, 'B', 'allow', ['A']);
    const service = await writeBuddyList(stage, 'A', ['C']);
    const one = await watchList(stage, a, service);
    const two = await watchList(stage, a, service);
    const direct = await a.subscribe(b.address, { expires: 600 });
    const xcap = await stage.xcap('A');
    let etag: string | undefined;
    for (let round = 0; round < 6; round++) {
      const [, , published] = await Promise.all([
        xcap.put(buddySelector('A', b.address), buddyEntry({ uri: b.address })),
        xcap.put(buddySelector('A', `sip:x${round}@example.com`), buddyEntry({ uri: `sip:x${round}@example.com` })),
        b.publish(open(`im${round}`), { expires: 600, ...(etag === undefined ? {} : { etag }) }),
      ]);
      etag = published.etag;
      if (round < 5) await xcap.delete(buddySelector('A', b.address));
    }
    const settled = ({ body }: { body: string }): boolean => body.includes('im5');
    await direct.notify(settled);
    const wanted = [b.address, 'sip:C@example.com', ...[0, 1, 2, 3, 4, 5].map((i) => `sip:x${i}@example.com`)].sort();
    for (const { subscription } of [one, two]) {
      for (;;) {
        const members = followed(subscription);
        if (members.get(b.address)?.includes('im5') && members.has('sip:x5@example.com')) {
          expect([...members.keys()].sort()).toEqual(wanted);
          break;
        }
        const known = subscription.notifications.length;
        await subscription.notify(() => subscription.notifications.length > known);
      }
    }
  });

  it('a service taken over by another user ends for its first owner and says nothing of the new one', async () => {
    await writeRules(stage, 'B', 'allow', ['B']);
    const service = await writeBuddyList(stage, 'A', ['A']);
    const { subscription } = await watchList(stage, a, service);
    const mine = await stage.xcap('A');
    const theirs = await stage.xcap('B');
    expect((await theirs.put(buddiesPath('B'), buddiesDocument('B', []))).status).toBe(201);
    await mine.delete(servicesPath('A'));
    expect((await theirs.put(servicesPath('B'), servicesDocument(service, stage.root, 'B'))).status).toBe(201);
    const last = await subscription.notify(({ state }) => state === 'terminated');
    expect(['noresource', 'rejected']).toContain(last.reason);
    expect(last.body).toBe('');
    expect((await a.subscribe(service, LIST_SUBSCRIPTION)).response.status).toBe(403);
    expect((await b.subscribe(service, LIST_SUBSCRIPTION)).response.status).toBe(200);
  });
});
