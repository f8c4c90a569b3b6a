import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { type ReadReginfo, readReginfo } from '../helpers/reginfo-reader.ts';
import type { InProcessServer } from '../helpers/server.ts';
import { headerList } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { Stage } from '../scenarios/stage.ts';

const TYPE = 'application/reginfo+xml';

let stage: Stage;
let server: InProcessServer;
let alice: SipPeer;
let desk: SipPeer;

beforeEach(async () => {
  stage = new Stage();
  server = await stage.boot({ diffInterval: 0 });
  alice = await stage.peer('alice');
  desk = await stage.peer('alice', { name: 'desk', transport: 'tcp' });
});
afterEach(() => stage.close());

const watch = (peer = alice, expires = 600) => peer.subscribe(alice.address, { event: 'reg', expires, accept: [TYPE] });

async function told(subscription: Subscription): Promise<ReadReginfo> {
  const { body, type } = await subscription.notify();
  expect(type).toBe(TYPE);
  expect(schemaViolations('urn:ietf:params:xml:ns:reginfo', body)).toEqual([]);
  return readReginfo(body);
}

describe('RFC 3680: event package reg', () => {
  it('4.4: lasts 3761 seconds unless told otherwise', async () => {
    expect((await alice.subscribe(alice.address, { event: 'reg' })).granted).toBe(3761);
  });

  it('4.5: assumes application/reginfo+xml without an Accept', async () => {
    expect((await (await alice.subscribe(alice.address, { event: 'reg' })).notify()).type).toBe(TYPE);
  });

  it('4.6: tells the user and admins, and nobody else; who may not ask does not learn who is here', async () => {
    const eve = await stage.peer('eve');
    expect((await watch(eve)).response.status).toBe(403);
    expect((await eve.subscribe(stage.address('nobody'), { event: 'reg' })).response.status).toBe(403);
    const root = await stage.admin();
    expect((await told(await watch(root))).aor).toBe(alice.address);
    expect((await root.subscribe(stage.address('nobody'), { event: 'reg' })).response.status).toBe(404);
  });

  it('4.7: from init over active to terminated, each with what has changed alone', async () => {
    const subscription = await watch();
    const first = await told(subscription);
    expect(first).toMatchObject({ version: 0, state: 'full', aor: alice.address, registration: 'init', contacts: [] });

    await alice.register();
    const registered = await told(subscription);
    expect(registered).toMatchObject({ version: 1, state: 'partial', id: first.id, registration: 'active' });
    expect(registered.contacts).toMatchObject([{ state: 'active', event: 'registered', uri: alice.contact }]);

    await desk.register({ contact: `"The desk" <${desk.contact}>;q=0.4;+sip.instance="<urn:uuid:1>";audio` });
    const second = await told(subscription);
    expect(second).toMatchObject({ version: 2, state: 'partial', id: first.id, registration: 'active' });
    expect(second.contacts).toMatchObject([
      {
        event: 'registered',
        uri: desk.contact,
        displayName: 'The desk',
        params: { '+sip.instance': '"<urn:uuid:1>"', audio: '' },
      },
    ]);
    expect(second.contacts[0]?.attributes.get('q')).toBe('0.4');
    expect(second.contacts[0]?.attributes.get('cseq')).toMatch(/^\d+$/);
    expect(Number(second.contacts[0]?.attributes.get('expires'))).toBeGreaterThan(3500);

    await alice.register();
    const refreshed = await told(subscription);
    expect(refreshed.contacts).toMatchObject([{ event: 'refreshed', id: registered.contacts[0]?.id }]);
    expect(Number(refreshed.contacts[0]?.attributes.get('duration-registered'))).toBeLessThan(60);

    await alice.register({ expires: 0 });
    const removed = await told(subscription);
    expect(removed).toMatchObject({ version: 4, registration: 'active' });
    expect(removed.contacts).toMatchObject([{ state: 'terminated', event: 'unregistered', id: registered.contacts[0]?.id }]);

    await desk.register({ contact: `<${desk.contact}>`, expires: 0 });
    const last = await told(subscription);
    expect(last).toMatchObject({ version: 5, state: 'partial', id: first.id, registration: 'terminated' });
    expect(last.contacts).toMatchObject([{ event: 'unregistered', id: second.contacts[0]?.id }]);

    // The same contact has the same id again.
    await alice.register();
    expect((await told(subscription)).contacts).toMatchObject([{ event: 'registered', id: registered.contacts[0]?.id }]);
  });

  it('4.7: a contact that is not refreshed expires', async () => {
    const subscription = await watch();
    await told(subscription);
    await alice.register({ expires: 1 });
    await told(subscription);
    expect(await told(subscription)).toMatchObject({ registration: 'terminated', contacts: [{ event: 'expired', uri: alice.contact }] });
  });

  it('3.1, 4.7.1: a changed password shortens what was registered with the old one', async () => {
    await alice.register();
    const subscription = await watch(desk);
    expect((await told(subscription)).contacts).toMatchObject([{ event: 'registered' }]);
    // In the same millisecond it could have been the other way round.
    await new Promise((resolve) => setTimeout(resolve, 5));
    server.running.accounts.setPassword(alice.address, 'another secret');
    const shortened = await told(subscription);
    expect(shortened.contacts).toMatchObject([{ state: 'active', event: 'shortened' }]);
    expect(Number(shortened.contacts[0]?.attributes.get('expires'))).toBeLessThanOrEqual(1);
    expect((await told(subscription)).contacts).toMatchObject([{ event: 'expired' }]);
  });

  it('4.7.1: the flow of an RFC 5626 binding that ends deactivates it', async () => {
    const subscription = await watch();
    await told(subscription);
    const phone = await stage.peer('alice', { name: 'phone', transport: 'tcp' });
    const response = await phone.register({
      contact: `<${phone.contact}>;reg-id=1;+sip.instance="<urn:uuid:2>"`,
      headers: [['Supported', 'path, outbound']],
    });
    expect(headerList(response, 'require')).toEqual(['outbound']);
    await told(subscription);
    await phone.socket.close();
    expect(await told(subscription)).toMatchObject({ registration: 'terminated', contacts: [{ event: 'deactivated' }] });
  });

  it('4.7.2: a fetch and a refresh bring the full state', async () => {
    await alice.register();
    const subscription = await watch();
    await told(subscription);
    await desk.register();
    expect((await told(subscription)).contacts).toHaveLength(1);
    await subscription.refresh();
    expect(await told(subscription)).toMatchObject({
      version: 2,
      state: 'full',
      contacts: [{ uri: alice.contact }, { uri: desk.contact }],
    });
    const fetched = await watch(alice, 0);
    expect(await told(fetched)).toMatchObject({ version: 0, state: 'full', contacts: [{}, {}] });
  });

  it('4.10: changes are told no more often than the interval allows', async () => {
    await stage.boot({ diffInterval: 2 });
    alice = await stage.peer('alice');
    desk = await stage.peer('alice', { name: 'desk' });
    const subscription = await watch();
    await told(subscription);
    await alice.register();
    await desk.register();
    await alice.register({ expires: 0 });
    const both = await told(subscription);
    expect(both).toMatchObject({ version: 1, state: 'partial', registration: 'active' });
    expect(both.contacts).toMatchObject([
      { uri: desk.contact, event: 'registered' },
      { uri: alice.contact, event: 'unregistered' },
    ]);
  });
});
