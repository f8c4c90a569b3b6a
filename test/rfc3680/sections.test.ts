import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readReginfo } from '../helpers/reginfo-reader.ts';
import type { InProcessServer } from '../helpers/server.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { readXml } from '../helpers/xml-reader.ts';
import { Stage } from '../scenarios/stage.ts';

const TYPE = 'application/reginfo+xml';

let stage: Stage;
let server: InProcessServer;
let alice: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  server = await stage.boot({ diffInterval: 0 });
  alice = await stage.peer('alice');
});
afterEach(() => stage.close());

const watch = (peer = alice, more: Parameters<SipPeer['subscribe']>[1] = {}) =>
  peer.subscribe(alice.address, { event: 'reg', expires: 600, ...more });
const told = async (subscription: Subscription) => readReginfo((await subscription.notify()).body);

describe('RFC 3680 4: subscriptions', () => {
  it('4.2: has no parameters: what Event carries besides is not looked at', async () => {
    const subscription = await watch(alice, { event: 'reg;what=ever' });
    expect(subscription.response.status).toBe(200);
    expect((await told(subscription)).state).toBe('full');
  });

  it('4.3: there are no filters: 415 for those of RFC 4660, and all else in the body is not looked at', async () => {
    const filters = '<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"/>';
    const refused = await watch(alice, { headers: [['Content-Type', 'application/simple-filter+xml']], body: filters });
    expect(refused.response.status).toBe(415);
    const passed = await watch(alice, { headers: [['Content-Type', 'text/plain']], body: 'contact=1' });
    expect((await told(passed)).state).toBe('full');
  });

  it('4.5: 406 for who takes no application/reginfo+xml', async () => {
    const { response } = await watch(alice, { accept: ['application/pidf+xml'] });
    expect([response.status, header(response, 'accept')]).toEqual([406, TYPE]);
  });

  it('4.6: who has no password is asked for it', async () => {
    const nobody = await stage.peer('alice', { password: 'guessed' });
    expect((await watch(nobody)).response.status).toBe(401);
  });
});

describe('RFC 3680 5.1: the document', () => {
  it('has the Call-ID and CSeq of the last REGISTER, and how long the contact has been bound', async () => {
    const subscription = await watch();
    await told(subscription);
    await alice.register();
    const [first] = (await told(subscription)).contacts;
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await alice.register();
    const [second] = (await told(subscription)).contacts;
    expect(second?.attributes.get('callid')).toBe(first?.attributes.get('callid'));
    expect(Number(second?.attributes.get('cseq'))).toBeGreaterThan(Number(first?.attributes.get('cseq')));
    expect([first, second].map((each) => Number(each?.attributes.get('duration-registered')))).toEqual([0, 1]);
  });

  it('gives contacts whose URIs differ other ids, and an address the same id in all subscriptions', async () => {
    const { address, port } = alice.socket.local;
    const contacts = [`sip:a@${address}:${port}`, `sip:a@${address}:9`, `sip:A@${address}:${port}`, `sips:a@${address}:${port}`];
    for (const contact of contacts) expect((await alice.register({ contact: `<${contact}>` })).status).toBe(200);
    const [one, other] = [await told(await watch()), await told(await watch())];
    expect(one.contacts.map(({ uri }) => uri).sort()).toEqual([...contacts].sort());
    expect(new Set(one.contacts.map(({ id }) => id)).size).toBe(contacts.length);
    expect([other.id, other.contacts.map(({ id }) => id)]).toEqual([one.id, one.contacts.map(({ id }) => id)]);
  });

  it('tells what XML has to escape, and display names in any script, as they were', async () => {
    const { address, port } = alice.socket.local;
    const contact = `<sip:a@${address}:${port};x=%26%3C>`;
    await alice.register({ contact: `"Müller & <Söhne> \\"AG\\"" ${contact};note="<&>\\"";flag` });
    const [only] = (await told(await watch())).contacts;
    expect([only?.displayName, only?.uri]).toEqual(['Müller & <Söhne> "AG"', contact.slice(1, -1)]);
    expect(only?.params).toEqual({ note: '"<&>\\""', flag: '' });
  });

  it('names no address but the one that was asked for, and begins anew with version 0 in each subscription', async () => {
    const bob = await stage.peer('bob');
    await bob.register();
    await alice.register();
    const subscription = await watch();
    const { body } = await subscription.notify();
    expect(body).not.toContain('bob');
    expect(readXml(body).attributes.get('version')).toBe('0');
    await alice.register();
    expect((await told(subscription)).version).toBe(1);
    expect((await told(await watch())).version).toBe(0);
  });
});

describe('RFC 3680 4.7.1: what a registrar does by itself', () => {
  it('an account that is removed ends the registrations and the subscription', async () => {
    const root = await stage.admin();
    await alice.register();
    const subscription = await watch(root);
    expect((await told(subscription)).contacts).toHaveLength(1);
    server.running.accounts.remove(alice.address);
    const last = await subscription.notify();
    const contacts = last.body === '' ? [] : readReginfo(last.body).contacts;
    for (const { state, event } of contacts) expect([state, event]).toEqual(['terminated', 'rejected']);
    if (last.state === 'active') expect((await subscription.notify()).state).toBe('terminated');
  });

  it('contacts that have gone are not in the full state of later subscriptions', async () => {
    await alice.register();
    await alice.register({ expires: 0 });
    const now = await told(await watch());
    expect([now.registration, now.contacts]).toEqual(['init', []]);
  });
});
