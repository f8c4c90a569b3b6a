import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { equivalentUris } from '../../sip/presence/uri-equivalence.ts';
import { readListState } from '../helpers/rlmi-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { decideBy, ruleset, ruleXml } from '../rfc4745/decide-by.ts';
import { rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { instanceOf, watchersNamed, watchList, writeBuddyList } from '../scenarios/steps.ts';

const ANONYMOUS = 'sip:anonymous@anonymous.invalid';
const ALICE = 'sip:alice@example.com';
const one = (id: string) => `<identity><one id="${id}"/></identity>`;

describe('RFC 5025 3.1.1: who the watcher is', () => {
  test.each([
    ['an empty identity', '<identity/>', true],
    ['one, even of that name', one(ANONYMOUS), false],
    ['many', '<identity><many/></identity>', false],
    ['many with exceptions', '<identity><many><except domain="example.com"/></many></identity>', false],
    ['anonymous-request', '<o:anonymous-request/>', true],
    ['other-identity', '<o:other-identity/>', false],
    ['a list that has the name', '<o:external-list><o:entry anc="http://x/l"/></o:external-list>', false],
  ])('3.1.1.2: the unauthenticated match %s: %s', async (_what, conditions, holds) => {
    const question = { watcher: ANONYMOUS, lists: { 'http://x/l': [ALICE] } };
    expect((await decideBy([ruleset(ruleXml('r', conditions))], question)).handling).toBe(holds ? 'allow' : 'block');
  });

  test('3.1.1.2: an empty identity and anonymous-request are for nobody else', async () => {
    for (const conditions of ['<identity/>', '<o:anonymous-request/>']) {
      expect((await decideBy([ruleset(ruleXml('r', conditions))], { watcher: ALICE })).handling).toBe('block');
    }
  });

  test('OMA: whoever no other rule names, by name, domain or list', async () => {
    const rules = ruleset(
      ruleXml('others', '<o:other-identity/>', 'confirm'),
      ruleXml('named', one(ALICE), 'polite-block'),
      ruleXml('domain', '<identity><many domain="example.org"/></identity>', 'polite-block'),
      ruleXml('list', '<o:external-list><o:entry anc="http://x/l"/></o:external-list>', 'polite-block'),
      // Whether its rule holds now or not.
      ruleXml(
        'past',
        `${one('sip:dan@example.com')}<validity><from>2001-01-01T00:00:00Z</from><until>2002-01-01T00:00:00Z</until></validity>`,
      ),
    );
    const lists = { 'http://x/l': ['sip:carol@example.com'] };
    const handling = async (watcher: string) => (await decideBy([rules], { watcher, lists })).handling;
    expect(await handling(ALICE)).toBe('polite-block');
    expect(await handling('sip:x@example.org')).toBe('polite-block');
    expect(await handling('sip:carol@example.com')).toBe('polite-block');
    expect(await handling('sip:dan@example.com')).toBe('block');
    expect(await handling('sip:eve@example.com')).toBe('confirm');
    expect(await handling(ANONYMOUS)).toBe('block');
  });

  test('3.1.1.2: a telephone number in a SIP URI is not the tel URI', async () => {
    const rules = ruleset(ruleXml('r', one('tel:+12125551234')), ruleXml('s', one('sip:+12125550000@example.com')));
    const handling = async (watcher: string) => (await decideBy([rules], { watcher })).handling;
    expect(await handling('tel:+12125551234')).toBe('allow');
    expect(await handling('sip:+12125551234@example.com')).toBe('block');
    expect(await handling('tel:+12125550000')).toBe('block');
  });
});

describe('RFC 5025 3.3.1: URI equivalence', () => {
  test.each([
    ['sip:bob@Example.COM', 'sip:bob@example.com', true],
    ['SIP:bob@example.com', 'sip:bob@example.com', true],
    ['sip:%62ob@example.com', 'sip:bob@example.com', true],
    ['sip:Bob@example.com', 'sip:bob@example.com', false],
    ['sips:bob@example.com', 'sip:bob@example.com', false],
    ['sip:bob@example.com:5060', 'sip:bob@example.com', false],
    ['sip:bob@example.com;transport=tcp', 'sip:bob@example.com', true],
    ['sip:bob@example.com;user=phone', 'sip:bob@example.com', false],
    ['tel:+1-212-555-1234', 'tel:+12125551234', true],
    ['tel:+12125551234', 'sip:+12125551234@example.com', false],
    ['urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6', 'URN:UUID:f81d4fae-7dec-11d0-a765-00a0c91e6bf6', true],
    ['urn:Example:a%2c', 'urn:example:a%2C', true],
    ['urn:example:A', 'urn:example:a', false],
    ['http://Example.com/%7Ea', 'http://example.com/~a', true],
    ['http://example.com/A', 'http://example.com/a', false],
    ['mailto:a@example.com', 'mailto:b@example.com', false],
    ['no uri', 'no uri', true],
    ['no uri', 'other', false],
  ])('%s and %s: %s', (a, b, same) => {
    expect([equivalentUris(a, b), equivalentUris(b, a)]).toEqual([same, same]);
  });
});

const presence = (sphere: string | undefined, person = 'p') =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:bob@example.com"><tuple id="t${person}"><status><basic>open</basic></status></tuple>${
    sphere === undefined ? '' : `<dm:person id="${person}"><rpid:sphere>${sphere}</rpid:sphere></dm:person>`
  }</presence>`;
const SERVICES = '<p:provide-services><p:all-services/></p:provide-services>';

describe('conditions that come and go', () => {
  let stage: Stage;
  let alice: SipPeer;
  let bob: SipPeer;
  let xcap: XcapClient;
  beforeEach(async () => {
    stage = new Stage();
    await stage.boot();
    alice = await stage.peer('alice');
    bob = await stage.peer('bob', { transport: 'tcp' });
    xcap = await stage.xcap('bob');
  });
  afterEach(() => stage.close());

  const write = async (...rules: readonly string[]): Promise<void> => {
    expect([200, 201]).toContain((await xcap.put(rulesPath('bob'), ruleset(...rules))).status);
  };

  test('3.1.2: the sphere is that of all publications, and decides anew whenever it changes', async () => {
    await write(ruleXml('work', `${one(ALICE)}<sphere value="work"/>`, 'allow', SERVICES));
    const { etag = '' } = await bob.publish(presence('<rpid:home/>'), { expires: 600 });
    const direct = await alice.subscribe(bob.address, { expires: 600 });
    expect((await direct.notify()).state).toBe('pending');
    const service = await writeBuddyList(stage, 'alice', ['bob']);
    const { subscription: list, state: listed } = await watchList(stage, alice, service);
    expect(instanceOf(stage, listed, 'bob').state).toBe('pending');
    const both = async (state: string): Promise<void> => {
      const told = await direct.notify();
      expect([told.state, told.body === '']).toEqual([state, state === 'pending']);
      expect(instanceOf(stage, readListState(await list.notify()), 'bob').state).toBe(state);
    };
    const second = await bob.publish(presence('<rpid:work/>'), { etag, expires: 600 });
    await both('active');
    // Another agent says otherwise, of the same person: the sphere is not defined.
    const other = await bob.publish(presence('Home'), { expires: 600 });
    await both('pending');
    // As it is written does not matter.
    const agreed = await bob.publish(presence(' WORK '), { etag: other.etag ?? '', expires: 600 });
    await both('active');
    await bob.publish(presence(undefined), { etag: agreed.etag ?? '', expires: 600 });
    await bob.publish(undefined, { etag: second.etag ?? '', expires: 0 });
    // Nobody says one any more.
    await both('pending');
  });

  test('RFC 4745 7.4: at the moment that a rule begins and ceases to hold, watchers are told, in lists and waiting ones too', async () => {
    await bob.publish(presence(undefined), { expires: 600 });
    const [from, until] = [Date.now() + 1500, Date.now() + 3000];
    const iso = (time: number) => new Date(time).toISOString();
    const dan = await stage.peer('dan');
    const both = `<identity><one id="${ALICE}"/><one id="${dan.address}"/></identity>`;
    await write(ruleXml('soon', `${both}<validity><from>${iso(from)}</from><until>${iso(until)}</until></validity>`, 'allow', SERVICES));
    const service = await writeBuddyList(stage, 'alice', ['bob']);
    const direct = await alice.subscribe(bob.address, { expires: 600 });
    const { subscription: list } = await watchList(stage, alice, service);
    const winfo = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
    expect((await direct.notify()).state).toBe('pending');
    const waits = await dan.subscribe(bob.address, { expires: 0 });
    expect((await waits.notify()).state).toBe('terminated');
    const isDan = (status: string, event: string) => (told: { body: string }) =>
      watchersNamed(stage, readWatcherinfo(told.body), 'dan').some((one) => one.status === status && one.event === event);
    await winfo.notify(isDan('waiting', 'timeout'));
    for (const [state, moment] of [['active', from] as const, ['pending', until] as const]) {
      const told = await direct.notify();
      expect(Date.now()).toBeGreaterThanOrEqual(moment);
      expect(told.state).toBe(state);
      expect(instanceOf(stage, readListState(await list.notify()), 'bob').state).toBe(state);
    }
    await winfo.notify(isDan('terminated', 'approved'));
  });

  test('RFC 4745 7.4: a rule for longer than any timer can wait is asked no more often for that', async () => {
    const century = '<validity><from>2020-01-01T00:00:00Z</from><until>2120-01-01T00:00:00Z</until></validity>';
    await write(ruleXml('long', `${one(ALICE)}${century}`, 'allow', SERVICES));
    await bob.publish(presence(undefined), { expires: 600 });
    const direct = await alice.subscribe(bob.address, { expires: 600 });
    expect((await direct.notify()).state).toBe('active');
    await bob.publish(presence('x', 'q'), { expires: 600 });
    await direct.notify();
    await direct.refresh(600);
    await direct.notify();
    expect(direct.notifications).toHaveLength(3);
  });
});

describe('RFC 5025 3.2.1: what a change of the handling does', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = new Stage();
    await stage.boot();
  });
  afterEach(() => stage.close());

  test('through all values, for a subscription and for new ones', async () => {
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob', { transport: 'tcp' });
    const xcap = await stage.xcap('bob');
    await bob.publish(presence('x'), { expires: 600 });
    const say = async (handling: string): Promise<void> => {
      await xcap.put(rulesPath('bob'), ruleset(ruleXml('r', one(ALICE), handling, SERVICES)));
    };
    await say('confirm');
    const first = await alice.subscribe(bob.address, { expires: 600 });
    expect([200, 202]).toContain(first.response.status);
    const told = async () => {
      const { state, reason, body } = await first.notify();
      return [state, reason, /<basic>(\w+)/.exec(body)?.[1]];
    };
    expect(await told()).toEqual(['pending', undefined, undefined]);
    await say('allow');
    expect(await told()).toEqual(['active', undefined, 'open']);
    await say('confirm');
    expect(await told()).toEqual(['pending', undefined, undefined]);
    await say('polite-block');
    expect(await told()).toEqual(['active', undefined, 'closed']);
    await say('allow');
    expect(await told()).toEqual(['active', undefined, 'open']);
    await say('block');
    expect(await told()).toEqual(['terminated', 'rejected', undefined]);
    expect((await alice.subscribe(bob.address, { expires: 600 })).response.status).toBe(403);
    await say('polite-block');
    const again = await alice.subscribe(bob.address, { expires: 600 });
    expect(again.response.status).toBe(200);
    const closed = await again.notify();
    expect([closed.state, /<basic>(\w+)/.exec(closed.body)?.[1]]).toEqual(['active', 'closed']);
    expect(closed.body).not.toMatch(/person|device|open/);
  });

  test('6: the example document', async () => {
    const alice = await stage.peer('user');
    const bob = await stage.peer('bob', { transport: 'tcp' });
    const xcap = await stage.xcap('bob');
    const example = `<?xml version="1.0" encoding="UTF-8"?><cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="a"><cr:conditions><cr:identity><cr:one id="sip:user@example.com"/></cr:identity></cr:conditions><cr:actions><pr:sub-handling>allow</pr:sub-handling></cr:actions><cr:transformations><pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme><pr:service-uri-scheme>mailto</pr:service-uri-scheme></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-activities>true</pr:provide-activities><pr:provide-user-input>bare</pr:provide-user-input><pr:provide-unknown-attribute ns="urn:vendor-specific:foo-namespace" name="foo">true</pr:provide-unknown-attribute></cr:transformations></cr:rule></cr:ruleset>`;
    expect((await xcap.put(rulesPath('bob'), example)).status).toBe(201);
    const tuple = (id: string, contact: string) =>
      `<tuple id="${id}"><status><basic>open</basic></status><v:foo>bar</v:foo><v:baz>no</v:baz><r:user-input idle-threshold="600" last-input="2026-01-01T00:00:00Z">idle</r:user-input><contact>${contact}</contact><note>no</note></tuple>`;
    await bob.publish(
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:v="urn:vendor-specific:foo-namespace" entity="${bob.address}">${tuple('s', 'sip:b@x')}${tuple('m', 'mailto:b@x')}${tuple('x', 'xmpp:b@x')}<d:person id="p"><r:activities><r:meal/></r:activities><r:mood><r:sad/></r:mood></d:person><d:device id="d"><d:deviceID>urn:x</d:deviceID></d:device></presence>`,
      { expires: 600 },
    );
    const { body } = await (await alice.subscribe(bob.address, { expires: 600 })).notify();
    expect(body.match(/<tuple[^>]* id="(\w)"/g)).toHaveLength(2);
    expect(body.match(/<v:foo>bar<\/v:foo>/g)).toHaveLength(2);
    expect(body.match(/<r:user-input>idle<\/r:user-input>/g)).toHaveLength(2);
    expect(body).toContain('<r:meal/>');
    expect(body).not.toMatch(/xmpp|baz|note|mood|device|threshold|last-input/);
  });
});
