import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { buddiesPath, buddyEntry, buddyListSelector, buddySelector, pidf, rule, rulesDocument } from './documents.ts';
import { Stage } from './stage.ts';
import { basics, expectPresence, writeBuddyList, writeRules } from './steps.ts';

/** What documents of the other usages do to presence, and presence rules to them. */
const stage = new Stage();
let watcher: SipPeer;
let presentity: SipPeer;
let xcap: XcapClient;

beforeEach(async () => {
  await stage.boot();
  watcher = await stage.peer('A');
  presentity = await stage.peer('B', { transport: 'tcp' });
  xcap = await stage.xcap('B');
});
afterEach(() => stage.close());

const HARD = '/pidf-manipulation/users/B/index';
const notes = ({ body }: Notification): string[] => [...body.matchAll(/<(?:\w+:)?note[^>]*>([^<]*)</g)].map(([, note = '']) => note);

const hardState = (basic: 'open' | 'closed', note: string, tuple = 'mail'): string =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:B@example.com"><tuple id="${tuple}"><status><basic>${basic}</basic></status><note>${note}</note></tuple></presence>`;

async function watch(): Promise<{ subscription: Subscription; first: Notification }> {
  const subscription = await watcher.subscribe(presentity.address, { expires: 600 });
  expect(subscription.response.status).toBe(200);
  return { subscription, first: await subscription.notify() };
}

describe('pidf-manipulation is hard state (RFC 4827)', () => {
  beforeEach(() => writeRules(stage, 'B', 'allow', ['A']));

  test('watchers see what is PUT, each edit of it, and its DELETE', async () => {
    const { subscription, first } = await watch();
    expect(basics(readPidf(first.body))).toBe('closed');

    expect((await xcap.put(HARD, hardState('open', 'on holiday'))).status).toBe(201);
    const created = await subscription.notify();
    expect([basics(expectPresence(stage, created, 'B')), notes(created)]).toEqual(['open', ['on holiday']]);

    const note = `${HARD}/~~/presence/tuple%5B@id=%22mail%22%5D/note`;
    expect((await xcap.put(note, '<note>back on Monday</note>')).status).toBe(200);
    expect(notes(await subscription.notify())).toEqual(['back on Monday']);

    expect((await xcap.delete(HARD)).status).toBe(200);
    const deleted = await subscription.notify();
    expect([basics(expectPresence(stage, deleted, 'B')), notes(deleted)]).toEqual(['closed', []]);
  });

  test('who subscribes later sees it at once', async () => {
    expect((await xcap.put(HARD, hardState('open', 'on holiday'))).status).toBe(201);
    const { first } = await watch();
    expect([basics(expectPresence(stage, first, 'B')), notes(first)]).toEqual(['open', ['on holiday']]);
  });

  test('what an agent publishes goes before it, and leaves it behind when it ends', async () => {
    await xcap.put(HARD, hardState('closed', 'the desk', 'desk'));
    const publication = await presentity.publish(pidf(presentity.address, { basic: 'open', tuple: 'desk' }), { expires: 600 });
    expect(publication.response.status).toBe(200);
    const { subscription, first } = await watch();
    // One tuple: the agent's word on it holds, and still does when the document is the newer one.
    expect([basics(expectPresence(stage, first, 'B')), notes(first)]).toEqual(['open', []]);
    expect((await xcap.put(HARD, hardState('closed', 'the old desk', 'desk'))).status).toBe(200);
    const ended = await presentity.publish(undefined, { expires: 0, etag: publication.etag });
    expect(ended.response.status).toBe(200);
    const left = await subscription.notify();
    expect([basics(expectPresence(stage, left, 'B')), notes(left)]).toEqual(['closed', ['the old desk']]);
  });

  test('a list of contacts shows it', async () => {
    const service = await writeBuddyList(stage, 'A', ['B']);
    const list = await watcher.subscribe(service, {
      supported: ['eventlist'],
      accept: ['application/pidf+xml', 'application/rlmi+xml', 'multipart/related'],
      expires: 600,
    });
    expect((await list.notify()).body).toContain('closed');
    expect((await xcap.put(HARD, hardState('open', 'on holiday'))).status).toBe(201);
    expect((await list.notify()).body).toContain('on holiday');
  });
});

describe("org.openmobilealliance.pres-rules are the presentity's rules as pres-rules are (RFC 5025 9.7)", () => {
  const OMA = '/org.openmobilealliance.pres-rules/users/B/pres-rules';

  test('they let watchers in, together with the others, and out', async () => {
    await presentity.publish(pidf(presentity.address, { basic: 'open' }), { expires: 600 });
    const { subscription, first } = await watch();
    expect(first.state).toBe('pending');
    expect((await xcap.put(OMA, rulesDocument(rule('a', 'allow', [stage.address('A')])))).status).toBe(201);
    expect(basics(expectPresence(stage, await subscription.notify(), 'B'))).toBe('open');
    // The union of both: blocking in one takes nothing away that the other grants.
    await writeRules(stage, 'B', 'block', ['A']);
    const selector = `${OMA}/~~/ruleset/rule%5B@id=%22a%22%5D`;
    expect((await xcap.delete(selector)).status).toBe(200);
    expect((await subscription.notify()).state).toBe('terminated');
  });

  const omaRule = (id: string, condition: string, handling: string): string =>
    `<rule id="${id}"><conditions>${condition}</conditions><actions><pr:sub-handling>${handling}</pr:sub-handling></actions><transformations><pr:provide-services><pr:all-services/></pr:provide-services></transformations></rule>`;
  const omaRules = (...rules: string[]): string =>
    `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy">${rules.join('')}</ruleset>`;
  const others = (handling: string): string => omaRule('others', '<ocp:other-identity/>', handling);
  const one = (user: string, handling: string, more = ''): string =>
    omaRule('one', `<identity><one id="${stage.address(user)}"/></identity>${more}`, handling);

  test('other-identity is for those whom no other rule names', async () => {
    await presentity.publish(pidf(presentity.address, { basic: 'open' }), { expires: 600 });
    const { subscription, first } = await watch();
    expect(first.state).toBe('pending');
    await xcap.put(OMA, omaRules(one('C', 'allow'), others('allow')));
    expect(basics(expectPresence(stage, await subscription.notify(), 'B'))).toBe('open');
    // Once there is a rule for A, even one that does not apply now, A is none of the others.
    await xcap.put(OMA, omaRules(one('A', 'allow', '<sphere value="nowhere"/>'), others('allow')));
    expect((await subscription.notify()).state).toBe('pending');
    await xcap.put(OMA, omaRules(one('C', 'allow'), others('polite-block')));
    expect(basics(readPidf((await subscription.notify()).body))).toBe('closed');
  });

  test('external-list is for the members of a list of the presentity, as they come and go', async () => {
    await presentity.publish(pidf(presentity.address, { basic: 'open' }), { expires: 600 });
    await writeBuddyList(stage, 'B', ['C']);
    const external = `<ocp:external-list><ocp:entry anc="${stage.root}${buddyListSelector('B')}"/></ocp:external-list>`;
    await xcap.put(OMA, omaRules(omaRule('buddies', external, 'allow'), others('confirm')));
    const { subscription, first } = await watch();
    expect(first.state).toBe('pending');
    const member = buddySelector('B', stage.address('A'));
    expect((await xcap.put(member, buddyEntry({ uri: stage.address('A') }))).status).toBe(201);
    expect(basics(expectPresence(stage, await subscription.notify(), 'B'))).toBe('open');
    expect((await xcap.delete(member)).status).toBe(200);
    expect((await subscription.notify()).state).toBe('pending');
    expect((await xcap.put(member, buddyEntry({ uri: stage.address('A') }))).status).toBe(201);
    expect((await subscription.notify()).state).toBe('active');
    expect((await xcap.delete(buddiesPath('B'))).status).toBe(200);
    expect((await subscription.notify()).state).toBe('pending');
  });

  test('external-list knows who is in lists within the list, and behind its references to own entries and lists, loops or not', async () => {
    await presentity.publish(pidf(presentity.address, { basic: 'open' }), { expires: 600 });
    const path = '/resource-lists/users/B/index';
    const list = (name: string) => `${stage.root}${path}/~~/resource-lists/list%5B@name=%22${name}%22%5D`;
    const entry = `<entry uri="${stage.address('A')}"/>`;
    const write = (friends: string, far: string) =>
      xcap.put(
        path,
        `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"><list name="within">${friends}</list></list><list name="far">${far}</list></resource-lists>`,
      );
    expect((await write('', '')).status).toBe(201);
    const external = `<ocp:external-list><ocp:entry anc="${list('friends')}"/></ocp:external-list>`;
    await xcap.put(OMA, omaRules(omaRule('friends', external, 'allow'), others('confirm')));
    const { subscription, first } = await watch();
    expect(first.state).toBe('pending');
    const loop = `<external anchor="${list('friends')}"/>`;
    const reference = `<entry-ref ref="resource-lists/users/B/index/~~/resource-lists/list%5B@name=%22far%22%5D/entry%5B@uri=%22${stage.address('A')}%22%5D"/>`;
    for (const [friends, far] of [
      [entry, ''],
      [`<external anchor="${list('far')}"/>`, loop + entry],
      [reference, entry],
    ] as const) {
      expect((await write(friends, far)).status).toBe(200);
      expect((await subscription.notify()).state).toBe('active');
      expect((await write('', far)).status).toBe(200);
      expect((await subscription.notify()).state).toBe('pending');
    }
  });

  test("a list of somebody else's makes nobody a friend", async () => {
    await writeBuddyList(stage, 'C', ['A']);
    const external = `<ocp:external-list><ocp:entry anc="${stage.root}${buddyListSelector('C')}"/><ocp:entry anc="nonsense"/></ocp:external-list>`;
    await xcap.put(OMA, omaRules(omaRule('buddies', external, 'allow')));
    expect((await watch()).first.state).toBe('pending');
  });
});

describe('org.openmobilealliance.pres-content is read by those whom the presence rules allow', () => {
  const ICON = '/org.openmobilealliance.pres-content/users/B/oma_status-icon/index';
  const icon = '<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/png</mime-type><data>iVBORw0KGgo=</data></content>';

  test('pending, blocked, allowed', async () => {
    expect((await xcap.put(ICON, icon)).status).toBe(201);
    const reader = await stage.xcap('A');
    expect((await reader.get(ICON)).status).toBe(403);
    await writeRules(stage, 'B', 'polite-block', ['A']);
    expect((await reader.get(ICON)).status).toBe(403);
    await writeRules(stage, 'B', 'allow', ['A']);
    const read = await reader.get(ICON);
    expect([read.status, read.body]).toEqual([200, icon]);
    expect((await reader.get(`${ICON}/~~/content/data`)).body).toBe('<data>iVBORw0KGgo=</data>');
    // To read is all that is shared.
    expect((await reader.put(ICON, icon)).status).toBe(403);
    expect((await reader.delete(ICON)).status).toBe(403);
    expect((await reader.get('/org.openmobilealliance.pres-content/users/C/oma_status-icon/index')).status).toBe(403);
    await writeRules(stage, 'B', 'block', ['A']);
    expect((await reader.get(ICON)).status).toBe(403);
  });
});
