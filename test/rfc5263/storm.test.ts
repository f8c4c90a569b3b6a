import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { meaningOf, PidfDiffClient } from '../helpers/pidf-diff-client.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { RandomEditor } from '../rfc5261/random-document.ts';
import { rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { PARTIAL, type Rich, rich } from './presence-documents.ts';

let stage: Stage;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ defaultDecision: 'allow' });
});
afterEach(() => stage.close());

const STEPS = 60;
const HANDLINGS = [
  '<provide-services><all-services/></provide-services>',
  '<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons><provide-mood>true</provide-mood>',
  '<provide-services><all-services/></provide-services><provide-devices><all-devices/></provide-devices><provide-note>true</provide-note>',
  '<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons><provide-devices><all-devices/></provide-devices><provide-all-attributes/>',
];

function randomPresence(random: RandomEditor): Rich {
  const tuples = ['phone', 'desk', 'car', 'home'].filter(() => random.below(2) === 0);
  const maybe = (values: readonly string[]): string | undefined => (random.below(3) === 0 ? undefined : random.pick(values));
  const [note, mood, activity, device] = [
    maybe(['here', 'a &amp; b']),
    maybe(['happy', 'sad']),
    maybe(['away', 'meal']),
    maybe(['1', '2']),
  ];
  return {
    tuples: tuples.map((id) => [id, random.pick(['open', 'closed'] as const)] as const),
    ...(note && { note }),
    ...(mood && { mood }),
    ...(activity && { activity }),
    ...(device && { device }),
  };
}

describe('RFC 5263: what the changes come to', () => {
  it.each([1, 2, 3])('is what a new subscription is told, after a storm of publications, rules and refreshes (seed %i)', async (seed) => {
    const random = new RandomEditor(seed);
    const bob = await stage.peer('bob');
    const xcap = await stage.xcap('bob');
    const watchers: { peer: SipPeer; subscription: Subscription; client: PidfDiffClient }[] = [];
    for (const name of ['alice', 'carol', 'alice']) {
      const peer = await stage.peer(name);
      watchers.push({ peer, subscription: await peer.subscribe(bob.address, { accept: PARTIAL }), client: new PidfDiffClient() });
    }
    const published: string[] = [];
    for (let step = 0; step < STEPS; step++) {
      const what = random.below(10);
      const body = rich(bob.address, randomPresence(random));
      if (what < 3 || published.length === 0) published.push((await bob.publish(body, { expires: 600 })).etag);
      else {
        const at = random.below(published.length);
        const etag = published[at] ?? '';
        if (what < 7) published[at] = (await bob.publish(body, { expires: 600, etag })).etag;
        else if (what === 7) {
          await bob.publish(undefined, { expires: 0, etag });
          published.splice(at, 1);
        } else if (what === 8) {
          const one = (id: string, watcher: string) =>
            rule(id, 'allow', [watcher]).replace(
              /<cr:transformations>[\s\S]*<\/cr:transformations>/,
              `<cr:transformations>${random.pick(HANDLINGS)}</cr:transformations>`,
            );
          const rules = [one('a', stage.address('alice')), one('c', stage.address('carol'))];
          expect((await xcap.put(rulesPath('bob'), rulesDocument(...rules))).status).toBeLessThan(300);
        } else expect((await random.pick(watchers).subscription.refresh()).status).toBe(200);
      }
    }
    for (const { peer, subscription, client } of watchers) {
      const fetch = await peer.subscribe(bob.address, { expires: 0, accept: ['application/pidf+xml'] });
      const wanted = meaningOf((await fetch.notify()).body);
      while (client.version === 0 || client.meaning !== wanted) client.receive(await subscription.notify());
      expect(client.meaning).toBe(wanted);
      expect(client.diffs).toBeGreaterThan(5);
    }
  });
});
