import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let alice: SipPeer;
let bob: SipPeer;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.close());

async function boot(presenceFromRegistrations: 'no' | 'yes'): Promise<void> {
  await stage.boot({ defaultDecision: 'allow', presenceFromRegistrations });
  [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
}
const services = (body: string) =>
  readPidf(body).tuples.map(({ basic, contact = '', priority = '' }) => `${basic} ${contact} ${priority}`.trim());

describe('RFC 3856 9: presence of those who register and publish nothing', () => {
  it('is nothing unless it is set', async () => {
    await boot('no');
    await bob.register({ expires: 600 });
    const fetch = await alice.subscribe(bob.address, { expires: 0 });
    expect(services((await fetch.notify()).body)).toEqual(['closed']);
  });

  it('is open at each contact, closed without any, and what is published goes before it', async () => {
    await boot('yes');
    const desk = await stage.peer('bob', { transport: 'tcp' });
    const subscription = await alice.subscribe(bob.address);
    expect(services((await subscription.notify()).body)).toEqual(['closed']);
    await bob.register({ expires: 600 });
    expect(services((await subscription.notify()).body)).toEqual([`open ${bob.contact} 1`]);
    await desk.register({ expires: 600 });
    expect(services((await subscription.notify()).body).sort()).toEqual([`open ${bob.contact} 1`, `open ${desk.contact} 1`].sort());
    const { etag } = await bob.publish(pidf(bob.address, { basic: 'closed', im: 'away' }), { expires: 600 });
    expect(services((await subscription.notify()).body)).toEqual(['closed']);
    await bob.register({ expires: 600 });
    await desk.register({ expires: 0 });
    await bob.publish(undefined, { etag, expires: 0 });
    expect(services((await subscription.notify()).body)).toEqual([`open ${bob.contact} 1`]);
    await bob.register({ expires: 0 });
    expect(services((await subscription.notify()).body)).toEqual(['closed']);
    expect(subscription.unread).toBe(0);
  });
});
