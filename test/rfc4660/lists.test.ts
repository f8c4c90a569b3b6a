import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import { readListState } from '../helpers/rlmi-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import { ASKED, entry, putServices } from '../rfc4662/list-stage.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
let watcher: SipPeer;
let list: string;
const etags = new Map<string, string>();

const pidf = (user: string, basic: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${stage.address(user)}"><tuple id="t"><status><basic>${basic}</basic></status>` +
  `<contact>sip:${user}@a.test</contact><note>note of ${user}</note></tuple></presence>`;

async function publish(user: string, basic: string): Promise<void> {
  const etag = etags.get(user);
  const published = await (await stage.peer(user)).publish(pidf(user, basic), { expires: 600, ...(etag !== undefined && { etag }) });
  etags.set(user, published.etag);
}

beforeEach(async () => {
  etags.clear();
  await stage.boot({ defaultDecision: 'allow', listInterval: 0 });
  watcher = await stage.peer('A', { transport: 'tcp' });
  for (const user of ['B', 'C', 'D']) await publish(user, 'open');
  await putServices(stage, 'A', { buddies: { items: ['B', 'C', 'D'].map((user) => entry(stage.address(user))) } });
  list = stage.address('buddies');
});
afterEach(() => stage.close());

/** What is told of each member: its basic status, and what of its tuple there is besides. */
function told(notification: Notification): Record<string, string> {
  const { resources } = readListState(notification);
  return Object.fromEntries(
    resources.map(({ uri, instances: [instance] }) => {
      const [tuple] = instance?.pidf?.tuples ?? [];
      const words = tuple
        ? [tuple.basic ?? '-', ...(tuple.contact === undefined ? [] : ['contact']), ...(tuple.notes.length > 0 ? ['note'] : [])]
        : [];
      return [uri.replace(/^sip:|@.*$/g, ''), words.join(' ')];
    }),
  );
}

/** What the watcher knows after all that it was told so far: filters may take their time (RFC 4660 5.3.1). */
const known = (subscription: Subscription): Record<string, string> => Object.assign({}, ...subscription.notifications.map(told));
const expectKnown = (subscription: Subscription, view: Record<string, string>) =>
  expect.poll(() => known(subscription), { timeout: 5000 }).toEqual(view);

const STATUS = including('//pidf:tuple/pidf:status');
const CONTACT = including('//pidf:tuple/pidf:contact');
const subscribe = (...filters: readonly string[]) => watcher.subscribe(list, { ...ASKED, ...withFilters(filterSet(...filters)) });

describe('RFC 4660 4: filters of lists', () => {
  test('4.1: without a URI, or with the list’s, for all; a member’s own goes before', async () => {
    const plain = await subscribe(filter(STATUS));
    await expectKnown(plain, { B: 'open', C: 'open', D: 'open' });
    const own = await subscribe(filter(STATUS, `id="1" uri="${list}"`), filter(CONTACT, `id="2" uri="${stage.address('C')}"`));
    await expectKnown(own, { B: 'open', C: 'open contact', D: 'open' });
  });

  test('4.1: for one member alone, and for a domain', async () => {
    const one = await subscribe(filter(STATUS, `id="1" uri="${stage.address('B')}"`));
    await expectKnown(one, { B: 'open', C: 'open contact note', D: 'open contact note' });
    const domain = await subscribe(filter(CONTACT, 'id="1" domain="example.com"'), filter(STATUS, `id="2" uri="${stage.address('B')}"`));
    await expectKnown(domain, { B: 'open', C: 'open contact', D: 'open contact' });
  });

  test('4.1: two filters for one member are refused', async () => {
    const { response } = await subscribe(
      filter(STATUS, `id="1" uri="${stage.address('B')}"`),
      filter(CONTACT, `id="2" uri="${stage.address('B')}"`),
    );
    expect(response.status).toBe(488);
  });

  test('triggers and contents of members: only who has something to tell is told', async () => {
    const becomesOpen = '<trigger><changed to="open">//pidf:basic</changed></trigger>';
    const subscription = await subscribe(
      filter(including('//pidf:tuple[pidf:status/pidf:basic="open"]/pidf:status')),
      filter(STATUS + becomesOpen, `id="2" uri="${stage.address('C')}"`),
    );
    await expectKnown(subscription, { B: 'open', C: 'open', D: 'open' });
    await publish('C', 'closed');
    await publish('B', 'closed');
    // Nothing is left of B, and C has not become open.
    await expectKnown(subscription, { B: '', C: 'open', D: 'open' });
    const before = subscription.notifications.length;
    await publish('C', 'open');
    await publish('D', 'open');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(subscription.notifications).toHaveLength(before);
  });

  test('4.2: changed in a refresh, which tells all', async () => {
    const subscription = await subscribe(filter(STATUS));
    await expectKnown(subscription, { B: 'open', C: 'open', D: 'open' });
    expect((await subscription.refresh(600, withFilters(filterSet(filter(CONTACT, `id="2" uri="${stage.address('D')}"`))))).status).toBe(
      200,
    );
    const full = { B: 'open', C: 'open', D: 'open contact' };
    await expectKnown(subscription, { B: 'open', C: 'open', D: 'open contact' });
    expect((await subscription.refresh(600)).status).toBe(200);
    await expectKnown(subscription, full);
    expect((await subscription.refresh(600, withFilters(filterSet(filter('', 'id="1" remove="true"'))))).status).toBe(200);
    const all = { B: 'open contact note', C: 'open contact note', D: 'open contact' };
    await expectKnown(subscription, all);
  });
});
