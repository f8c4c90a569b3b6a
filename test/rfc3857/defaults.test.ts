import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';

const WINFO = 'presence.winfo';
const TYPE = 'application/watcherinfo+xml';
const stage = new Stage();
let alice: SipPeer;
let bob: SipPeer;
beforeEach(async () => {
  await stage.boot();
  [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
});
afterEach(() => stage.close());

test('4.5: the format is that of Accept, the only one there is without it, and 406 where Accept leaves that out', async () => {
  for (const accept of [[], [TYPE], ['text/plain', TYPE]]) {
    const subscription = await bob.subscribe(bob.address, { event: WINFO, accept, expires: 0 });
    const { message, body } = await subscription.notify();
    expect(message.headers.find(({ name }) => name === 'Content-Type')?.value).toBe(TYPE);
    expect(readWatcherinfo(body)).toMatchObject({ state: 'full', resource: bob.address, package: 'presence' });
  }
  const { response } = await bob.subscribe(bob.address, { event: WINFO, accept: ['application/pidf+xml'] });
  expect(response.status).toBe(406);
});

test('4.6: who asks is authenticated, and is the user unless the admin has it otherwise', async () => {
  await writeRules(stage, 'bob', 'allow', ['alice']);
  const unknown = await stage.peer('bob', { password: 'not his' });
  expect((await unknown.subscribe(bob.address, { event: WINFO })).response.status).toBe(401);
  expect((await alice.subscribe(bob.address, { event: WINFO })).response.status).toBe(403);
  expect((await bob.subscribe(bob.address, { event: WINFO })).response.status).toBe(200);
});

test('6.1: who does not prove who it is gets no subscription, and the user hears of nobody', async () => {
  const watchers = await bob.subscribe(bob.address, { event: WINFO, expires: 600 });
  await watchers.notify();
  const unknown = await stage.peer('alice', { password: 'not hers' });
  const refused = await unknown.subscribe(bob.address, { expires: 600 });
  expect(refused.response.status).toBe(401);
  // Whatever comes of it has come when the next one has.
  const proven = await alice.subscribe(bob.address, { expires: 600 });
  await proven.notify();
  const { watchers: told } = readWatcherinfo((await watchers.notify()).body);
  expect(told.map(({ uri, status }) => [uri, status])).toEqual([[alice.address, 'pending']]);
  await watchers.refresh(600);
  expect(readWatcherinfo((await watchers.notify()).body).watchers).toHaveLength(1);
  expect(refused.notifications).toEqual([]);
});
