/** RFC 4660 4.1: filters of list members whose notifiers are those of other domains. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FarNotifier, FarSubscribe } from '../helpers/far-notifier.ts';
import { Federation } from '../helpers/federation.ts';
import { FILTER_TYPE, filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import { bodyText, header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { readXml, type XmlElement } from '../helpers/xml-reader.ts';
import { type FarStage, openFarStage } from '../rfc4662/far-stage.ts';
import { ASKED, entry, ListWatcher, putServices } from '../rfc4662/list-stage.ts';
import { rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import type { Stage } from '../scenarios/stage.ts';

const STATUS = including('//pidf:tuple/pidf:status');
const OPEN_ONLY = including('//pidf:tuple[pidf:status/pidf:basic="open"]');
const BOB = 'sip:bob@far.test';
const NAMESPACE = 'urn:ietf:params:xml:ns:simple-filter';

const attributesOf = ({ attributes }: XmlElement): Record<string, string> => Object.fromEntries(attributes);

const textOf = ({ text, children }: XmlElement): string => text + children.map(textOf).join('');

const presence = (basic: string, more = '') =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${BOB}"><tuple id="t"><status><basic>${basic}</basic></status>${more}</tuple></presence>`;

describe('of a notifier elsewhere', () => {
  let opened: FarStage;
  let stage: Stage;
  let a: SipPeer;
  let far: FarNotifier;
  beforeEach(async () => {
    opened = await openFarStage();
    ({ stage, far, a } = opened);
    await putServices(stage, 'A', { S: { items: [entry(BOB)] }, T: { items: [entry(BOB)] } });
  });
  afterEach(() => opened.close());

  const watch = (...filters: readonly string[]) =>
    ListWatcher.open(a, stage.address('S'), { ...ASKED, ...withFilters(filterSet(...filters)) });

  /** Takes the SUBSCRIBE and gives what filter it brought: its attributes, and its text. */
  async function asked(): Promise<{ subscribe: FarSubscribe; brought: unknown }> {
    const subscribe = await far.subscribe();
    const { message } = subscribe;
    if (message.body.length === 0) return { subscribe, brought: undefined };
    expect(header(message, 'content-type')).toBe(FILTER_TYPE);
    const root = readXml(bodyText(message));
    expect([root.namespace, root.name, attributesOf(root).package]).toEqual([NAMESPACE, 'filter-set', 'presence']);
    const filters = root.children.filter(({ name }) => name === 'filter');
    return { subscribe, brought: filters.map((each) => [attributesOf(each), textOf(each)]) };
  }

  test("a member's own filter goes on to it alone, is not applied again, and not said again in a refresh", async () => {
    const watcher = await watch(
      filter(OPEN_ONLY, `id="one" uri="${BOB}"`),
      filter(STATUS, 'id="two" uri="sip:carol@far.test"'),
      filter(STATUS, 'id="three" uri="sip:dave@elsewhere.test"'),
      filter(STATUS, 'id="four" domain="far.test"'),
      filter(STATUS, 'id="five"'),
    );
    const { subscribe, brought } = await asked();
    expect(brought).toEqual([[{ id: 'one', uri: BOB }, '//pidf:tuple[pidf:status/pidf:basic="open"]']]);
    subscribe.answer(200, [['Expires', '4']]);
    // As it comes: what the notifier has left out a condition may ask for.
    expect(await far.notify(subscribe, { state: 'active;expires=4', body: presence('closed', '<note>n</note>') })).toBe(200);
    await watcher.until(({ bob }) => bob === 'closed');
    const refresh = await far.subscribe(8000);
    expect([refresh.isRefresh, refresh.message.body.length]).toEqual([true, 0]);
    refresh.answer(200, [['Expires', '600']]);
    // RFC 4660 5.3.1: nothing is left of it.
    expect(await far.notify(subscribe, { state: 'active;expires=600' })).toBe(200);
    await watcher.until(({ bob }) => bob === '-');
  });

  test("a domain's filter goes to the notifiers of that domain, and is not applied here", async () => {
    const watcher = await watch(
      filter(STATUS, 'id="1" domain="far.test"'),
      filter(OPEN_ONLY, 'id="2" domain="elsewhere.test"'),
      filter(OPEN_ONLY, 'id="3" domain="example.com"'),
    );
    const { subscribe, brought } = await asked();
    expect(brought).toEqual([[{ id: '1', domain: 'far.test' }, '//pidf:tuple/pidf:status']]);
    subscribe.answer(200);
    await far.notify(subscribe, { state: 'active;expires=600', body: presence('closed', '<note>kept</note>') });
    await watcher.until(({ bob }) => bob === 'closed');
    expect(watcher.subscription.notifications.at(-1)?.body).toContain('kept');
  });

  test('the filter of the list stays here', async () => {
    const watcher = await watch(filter(STATUS, 'id="1"'));
    const { subscribe, brought } = await asked();
    expect(brought).toBeUndefined();
    subscribe.answer(200);
    await far.notify(subscribe, { state: 'active;expires=600', body: presence('closed', '<note>dropped</note>') });
    await watcher.until(({ bob }) => bob === 'closed');
    expect(watcher.subscription.notifications.at(-1)?.body).not.toContain('dropped');
  });

  test('triggers and namespaces go on as they were asked for', async () => {
    const triggers =
      '<what><include type="namespace">urn:ietf:params:xml:ns:pidf</include><exclude>//pidf:note</exclude></what>' +
      '<trigger><changed from="closed" to="open">//pidf:basic</changed><added>//pidf:tuple</added></trigger>' +
      '<trigger><changed by="0.5">//pidf:contact</changed><removed>//pidf:note</removed></trigger>';
    await watch(filter(triggers, `id="1" uri="${BOB}"`));
    const { message } = await far.subscribe();
    const [read] = readXml(bodyText(message)).children.filter(({ name }) => name === 'filter');
    const told = (read?.children ?? []).map(({ name, children }) => [name, children.map((c) => [c.name, attributesOf(c), c.text])]);
    expect(told).toEqual([
      ['what', [['include', { type: 'namespace' }, 'urn:ietf:params:xml:ns:pidf'], ['exclude', {}, '//pidf:note']]], // biome-ignore format: a table
      ['trigger', [['changed', { from: 'closed', to: 'open' }, '//pidf:basic'], ['added', {}, '//pidf:tuple']]], // biome-ignore format: a table
      ['trigger', [['changed', { by: '0.5' }, '//pidf:contact'], ['removed', {}, '//pidf:note']]], // biome-ignore format: a table
    ]);
  });

  test.each([415, 488, 400])('a notifier that answers %i is asked without it: the own filter is then applied here', async (status) => {
    const watcher = await watch(filter(STATUS, `id="1" uri="${BOB}"`));
    const first = await asked();
    expect(first.brought).toHaveLength(1);
    first.subscribe.answer(status);
    const second = await asked();
    expect(second.brought).toBeUndefined();
    second.subscribe.answer(200);
    await far.notify(second.subscribe, { state: 'active;expires=600', body: presence('open', '<note>dropped</note>') });
    await watcher.until(({ bob }) => bob === 'open');
    expect(watcher.subscription.notifications.at(-1)?.body).not.toContain('dropped');
  });

  test('lists with other filters have subscriptions of their own; with the same, one', async () => {
    const own = filter(STATUS, `id="1" uri="${BOB}"`);
    await watch(own);
    await asked();
    await watch(own);
    await ListWatcher.open(a, stage.address('T'), ASKED);
    expect((await asked()).brought).toBeUndefined();
    expect(far.unread).toBe(0);
  });

  test('another filter in a refresh makes another subscription, and the one before ends; what was told stays until then', async () => {
    const watcher = await watch(filter(STATUS, `id="1" uri="${BOB}"`));
    const first = await asked();
    first.subscribe.answer(200);
    await far.notify(first.subscribe, { state: 'active;expires=600', body: presence('open') });
    await watcher.until(({ bob }) => bob === 'open');
    const changed = withFilters(filterSet(filter(OPEN_ONLY, `id="1" uri="${BOB}"`)));
    expect((await watcher.subscription.refresh(600, changed)).status).toBe(200);
    await watcher.next();
    expect(watcher.view.words()).toEqual({ bob: 'open' });
    const both = [await asked(), await asked()];
    const end = both.find(({ subscribe }) => subscribe.isRefresh);
    const second = both.find(({ subscribe }) => !subscribe.isRefresh);
    expect(end?.subscribe.expires).toBe(0);
    end?.subscribe.answer(200);
    expect(second?.brought).toEqual([[{ id: '1', uri: BOB }, '//pidf:tuple[pidf:status/pidf:basic="open"]']]);
    second?.subscribe.answer(200);
    if (second) await far.notify(second.subscribe, { state: 'active;expires=600', body: presence('closed') });
    await watcher.until(({ bob }) => bob === 'closed');
  });
});

describe('of two servers of ours', () => {
  test('the one filters what the other tells', async () => {
    const federation = await Federation.open('peers', { listRemoteMembers: 'all', listInterval: 0 });
    try {
      const { a, b } = federation;
      const watcher = await a.peer('alice', { transport: 'tcp' });
      const bob = await b.peer('bob', { transport: 'tcp' });
      await (await b.xcap('bob')).put(rulesPath('bob'), rulesDocument(rule('a', 'allow', [watcher.address])));
      const { etag } = await bob.publish(presence('open', '<note>dropped</note>').replace(BOB, bob.address), { expires: 600 });
      const services = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:friends@a.test"><list xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:entry uri="${bob.address}"/></list></service></rls-services>`;
      await (await a.xcap('alice')).put('/rls-services/users/alice/index', services);
      const own = filter(STATUS, `id="1" uri="${bob.address}"`);
      const view = await ListWatcher.open(watcher, 'sip:friends@a.test', { ...ASKED, ...withFilters(filterSet(own)) });
      await view.until(({ bob: word }) => word === 'open');
      expect(view.subscription.notifications.at(-1)?.body).not.toContain('dropped');
      await bob.publish(presence('closed', '<note>dropped</note>').replace(BOB, bob.address), { expires: 600, etag });
      await view.until(({ bob: word }) => word === 'closed');
    } finally {
      await federation.close();
    }
  });
});
