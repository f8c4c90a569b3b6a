import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ReadListState, readListState } from '../helpers/rlmi-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import {
  buddiesDocument,
  buddiesPath,
  buddyEntry,
  buddyListSelector,
  buddySelector,
  type Handling,
  pidf,
  rule,
  ruleSelector,
  rulesDocument,
  rulesPath,
  servicesDocument,
  servicesPath,
} from './documents.ts';
import { Stage } from './stage.ts';
import { basics, expectPresence, instanceOf, isDropped, watchList, writeBuddyList, writeRules } from './steps.ts';

/** Every way to change a document over XCAP moves the subscriptions it concerns, with no other request. */
const stage = new Stage();
let watcher: SipPeer;
let presentity: SipPeer;

beforeEach(async () => {
  await stage.boot();
  watcher = await stage.peer('A');
  presentity = await stage.peer('B', { transport: 'tcp' });
  await presentity.publish(pidf(presentity.address, { basic: 'open' }), { expires: 600 });
});
afterEach(() => stage.close());

describe('an edit of pres-rules', () => {
  let xcap: XcapClient;
  const ofA = (handling: Handling): string => rule('a', handling, [stage.address('A')]);
  const attribute = (): string => ruleSelector('B', 'a').replace('?', '/cr:conditions/cr:identity/cr:one/@id?');

  async function watch(...rules: readonly string[]): Promise<Subscription> {
    xcap = await stage.xcap('B');
    if (rules.length > 0) expect((await xcap.put(rulesPath('B'), rulesDocument(...rules))).status).toBe(201);
    const subscription = await watcher.subscribe(presentity.address, { expires: 600 });
    expect(subscription.response.status).toBe(200);
    await subscription.notify();
    return subscription;
  }

  async function expectState(subscription: Subscription, state: string): Promise<void> {
    const notification = await subscription.notify();
    expect(notification.state).toBe(state);
    if (state === 'active') expect(basics(expectPresence(stage, notification, 'B'))).toBe('open');
    if (state === 'pending') expect(notification.body).toBe('');
    if (state === 'terminated') expect(notification.reason).toBe('rejected');
  }

  test('PUT of a new document', async () => {
    const subscription = await watch();
    expect((await xcap.put(rulesPath('B'), rulesDocument(ofA('allow')))).status).toBe(201);
    await expectState(subscription, 'active');
  });

  test('PUT of a document in the place of another', async () => {
    const subscription = await watch(ofA('allow'));
    expect((await xcap.put(rulesPath('B'), rulesDocument())).status).toBe(200);
    await expectState(subscription, 'pending');
    expect((await xcap.put(rulesPath('B'), rulesDocument(ofA('block')))).status).toBe(200);
    await expectState(subscription, 'terminated');
  });

  test('PUT of a second document, by whatever name (RFC 5025 9.7)', async () => {
    const subscription = await watch(ofA('confirm'));
    expect((await xcap.put('/pres-rules/users/B/more/friends.xml', rulesDocument(ofA('allow')))).status).toBe(409);
    expect((await xcap.put('/pres-rules/users/B/friends.xml', rulesDocument(ofA('allow')))).status).toBe(201);
    await expectState(subscription, 'active');
  });

  test('DELETE of a document', async () => {
    const subscription = await watch(ofA('allow'));
    expect((await xcap.delete(rulesPath('B'))).status).toBe(200);
    await expectState(subscription, 'pending');
  });

  test('PUT of a new element, PUT in its place, and its DELETE', async () => {
    const subscription = await watch(rule('other', 'allow', ['sip:z@example.com']));
    expect((await xcap.put(ruleSelector('B', 'a'), ofA('allow'))).status).toBe(201);
    await expectState(subscription, 'active');
    expect((await xcap.put(ruleSelector('B', 'a'), ofA('confirm'))).status).toBe(200);
    await expectState(subscription, 'pending');
    expect((await xcap.put(ruleSelector('B', 'a'), ofA('allow'))).status).toBe(200);
    await expectState(subscription, 'active');
    expect((await xcap.delete(ruleSelector('B', 'a'))).status).toBe(200);
    await expectState(subscription, 'pending');
  });

  test('PUT of an attribute', async () => {
    const subscription = await watch(rule('a', 'allow', ['sip:z@example.com']));
    expect((await xcap.put(attribute(), stage.address('A'))).status).toBe(200);
    await expectState(subscription, 'active');
  });

  test('an edit that changes nothing for the watcher is not heard of', async () => {
    const subscription = await watch(ofA('allow'));
    expect((await xcap.put(ruleSelector('B', 'z'), rule('z', 'block', ['sip:z@example.com']))).status).toBe(201);
    expect((await xcap.put(ruleSelector('B', 'a'), ofA('confirm'))).status).toBe(200);
    await expectState(subscription, 'pending');
    expect(subscription.unread).toBe(0);
  });

  test('an edit of one presentity’s rules leaves the watchers of another alone', async () => {
    const subscription = await watch(ofA('allow'));
    await writeRules(stage, 'C', 'block', ['A']);
    expect((await xcap.delete(rulesPath('B'))).status).toBe(200);
    await expectState(subscription, 'pending');
  });
});

describe('an edit of resource-lists', () => {
  let xcap: XcapClient;
  let list: Subscription;
  let first: ReadListState;

  beforeEach(async () => {
    await writeRules(stage, 'B', 'allow', ['A']);
    await writeRules(stage, 'C', 'allow', ['A']);
    const service = await writeBuddyList(stage, 'A', ['B']);
    xcap = await stage.xcap('A');
    ({ subscription: list, state: first } = await watchList(stage, watcher, service));
  });
  const next = async (): Promise<ReadListState> => readListState(await list.notify());

  test('PUT and DELETE of an entry', async () => {
    const entry = buddySelector('A', stage.address('C'));
    expect((await xcap.put(entry, buddyEntry({ uri: stage.address('C') }))).status).toBe(201);
    const added = await next();
    expect(added.version).toBe(first.version + 1);
    expect(instanceOf(stage, added, 'C').state).toBe('active');
    expect((await xcap.delete(entry)).status).toBe(200);
    expect(isDropped(stage, await next(), 'C')).toBe(true);
  });

  test('PUT of the list element', async () => {
    const element = `<list name="buddies">${buddyEntry({ uri: stage.address('C') })}</list>`;
    expect((await xcap.put(buddyListSelector('A'), element)).status).toBe(200);
    const state = await next();
    expect(isDropped(stage, state, 'B')).toBe(true);
    expect(instanceOf(stage, state, 'C').state).toBe('active');
  });

  test('PUT of the document', async () => {
    const both = buddiesDocument('A', [{ uri: stage.address('C') }, { uri: stage.address('B') }]);
    expect((await xcap.put(buddiesPath('A'), both)).status).toBe(200);
    expect(instanceOf(stage, await next(), 'C').state).toBe('active');
    await list.refresh();
    expect((await next()).resources.map(({ uri }) => uri)).toEqual([stage.address('C'), stage.address('B')]);
  });

  test('DELETE of the document', async () => {
    expect((await xcap.delete(buddiesPath('A'))).status).toBe(200);
    expect(isDropped(stage, await next(), 'B')).toBe(true);
  });

  test('an edit of another list in the same document is not heard of', async () => {
    const other = `<list name="others">${buddyEntry({ uri: stage.address('C') })}</list>`;
    expect((await xcap.put(buddyListSelector('A').replace('buddies%22', 'others%22'), other)).status).toBe(201);
    await presentity.publish(pidf(presentity.address, { basic: 'open', tuple: 'second' }), { expires: 600 });
    const state = await next();
    expect([state.version, state.fullState, basics(instanceOf(stage, state, 'B').pidf)]).toEqual([first.version + 1, false, 'open+open']);
  });

  test('a buddy’s edit of its rules', async () => {
    const rules = await stage.xcap('B');
    expect((await rules.put(ruleSelector('B', 'a'), rule('a', 'block', [stage.address('A')]))).status).toBe(200);
    const instance = instanceOf(stage, await next(), 'B');
    expect([instance.state, instance.reason]).toEqual(['terminated', 'rejected']);
    expect((await rules.put(ruleSelector('B', 'a'), rule('a', 'allow', [stage.address('A')]))).status).toBe(200);
    const back = instanceOf(stage, await next(), 'B');
    expect([back.state, basics(back.pidf)]).toEqual(['active', 'open']);
  });
});

describe('an edit of rls-services', () => {
  test('PUT of a service makes its URI a list, and DELETE ends the subscriptions to it', async () => {
    const xcap = await stage.xcap('A');
    const service = stage.address('A-list');
    const none = await watcher.subscribe(service, {
      supported: ['eventlist'],
      accept: ['application/pidf+xml', 'application/rlmi+xml', 'multipart/related'],
    });
    expect(none.response.status).toBe(404);
    await writeBuddyList(stage, 'A', ['B']);
    const { subscription } = await watchList(stage, watcher, service);
    expect((await xcap.delete(`${servicesPath('A')}/~~/rls-services/service%5B@uri=%22${service}%22%5D`)).status).toBe(200);
    const last = await subscription.notify();
    expect([last.state, last.reason]).toEqual(['terminated', 'noresource']);
  });

  test('DELETE of the document ends them too', async () => {
    const { subscription } = await watchList(stage, watcher, await writeBuddyList(stage, 'A', ['B']));
    expect((await (await stage.xcap('A')).delete(servicesPath('A'))).status).toBe(200);
    expect((await subscription.notify()).reason).toBe('noresource');
  });

  test('PUT of the document, and of an element in it, that names another list', async () => {
    const xcap = await stage.xcap('A');
    // An address that is nobody's would be told as noresource, not as pending.
    await stage.user('C');
    const service = await writeBuddyList(stage, 'A', ['B']);
    const other = `<list name="others">${buddyEntry({ uri: stage.address('C') })}</list>`;
    expect((await xcap.put(buddyListSelector('A').replace('buddies%22', 'others%22'), other)).status).toBe(201);
    const { subscription } = await watchList(stage, watcher, service);
    const moved = servicesDocument(service, stage.root, 'A').replace('%22buddies%22', '%22others%22');
    expect((await xcap.put(servicesPath('A'), moved)).status).toBe(200);
    const state = readListState(await subscription.notify());
    expect(isDropped(stage, state, 'B')).toBe(true);
    expect(instanceOf(stage, state, 'C').state).toBe('pending');
    const element = `<resource-list>${stage.root}${buddyListSelector('A')}</resource-list>`;
    expect((await xcap.put(`${servicesPath('A')}/~~/rls-services/service/resource-list`, element)).status).toBe(200);
    const back = readListState(await subscription.notify());
    expect(isDropped(stage, back, 'C')).toBe(true);
    expect(instanceOf(stage, back, 'B').state).toBe('pending');
  });
});
