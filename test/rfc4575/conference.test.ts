import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { ConferenceView } from '../helpers/conference-view.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { childrenNamed, expectElement, readXml, requiredAttribute, type XmlElement } from '../helpers/xml-reader.ts';
import { Stage } from '../scenarios/stage.ts';

const NS = 'urn:ietf:params:xml:ns:conference-info';
const TYPE = 'application/conference-info+xml';

let stage: Stage;
let focus: SipPeer;
let alice: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  focus = await stage.peer('conf');
  alice = await stage.peer('alice');
});
afterEach(() => stage.close());

const info = (content: string, state = 'full') =>
  `<?xml version="1.0"?><conference-info xmlns="${NS}" entity="sip:conf@example.com" version="9" state="${state}">${content}</conference-info>`;
const user = (name: string, content = '', state = '') =>
  `<user entity="sip:${name}@example.com"${state === '' ? '' : ` state="${state}"`}>${content}</user>`;
const endpoint = (status: string, media = '') =>
  `<endpoint entity="sip:pc"><status>${status}</status><joining-method>dialed-in</joining-method>${media}</endpoint>`;
const publish = (body: string | undefined, options: { etag?: string; expires?: number; uri?: string } = {}, peer = focus) =>
  peer.publish(body, { event: 'conference', contentType: TYPE, expires: 600, ...options });
const watch = (peer = alice) => peer.subscribe(focus.address, { event: 'conference', expires: 600 });

/** The root, once it is valid and whole (RFC 4575 4.3, 4.4). */
function read(text: string): XmlElement {
  const root = readXml(text);
  expectElement(root, NS, 'conference-info');
  expect(schemaViolations(NS, text)).toEqual([]);
  expect([requiredAttribute(root, 'state'), requiredAttribute(root, 'entity')]).toEqual(['full', 'sip:conf@example.com']);
  return root;
}

const usersIn = (root: XmlElement) => childrenNamed(root, NS, 'users').flatMap((users) => childrenNamed(users, NS, 'user'));
const names = (text: string) => usersIn(read(text)).map((each) => requiredAttribute(each, 'entity').slice(4).split('@')[0]);

describe('RFC 4575 3: event package conference', () => {
  it('3.3, 3.4, 3.5: tells those in the conference its whole state for an hour, and nobody else but admins', async () => {
    await publish(info(`<users>${user('alice', endpoint('connected'))}${user('bob')}</users>`));
    const watched = await alice.subscribe(focus.address, { event: 'conference' });
    expect(watched.granted).toBe(3600);
    const first = await watched.notify();
    expect(names(first.body)).toEqual(['alice', 'bob']);
    expect(read(first.body).attributes.get('version')).toBe('0');
    expect((await watch(await stage.peer('eve'))).response.status).toBe(403);
    expect((await watch(focus)).response.status).toBe(200);
    expect((await watch(await stage.admin())).response.status).toBe(200);
    const other = await alice.subscribe(focus.address, { event: 'conference', accept: ['application/pidf+xml'] });
    expect([other.response.status, header(other.response, 'accept')]).toEqual([406, TYPE]);
  });

  it('3.5: knows participants by their associated addresses too', async () => {
    const aors = '<associated-aors><entry><uri>sips:alice@example.com</uri></entry></associated-aors>';
    await publish(info(`<users><user entity="tel:+12125551234">${aors}</user></users>`));
    expect((await watch()).response.status).toBe(200);
  });

  it('3.3: 404 where no conference is; its end ends the subscriptions with noresource', { timeout: 20_000 }, async () => {
    expect((await watch()).response.status).toBe(404);
    const { etag } = await publish(info(`<users>${user('alice')}</users>`));
    const watched = await watch();
    await watched.notify();
    expect((await publish(info('', 'deleted'), { etag })).status).toBe(200);
    const last = await watched.notify();
    expect([last.state, last.reason, last.body]).toEqual(['terminated', 'noresource', '']);
    expect((await watch()).response.status).toBe(404);
    // And so does the end of what was published.
    const again = await publish(info(`<users>${user('alice')}</users>`), { expires: 2 });
    expect(again.status).toBe(200);
    const second = await watch();
    await second.notify();
    expect(await second.notify()).toMatchObject({ state: 'terminated', reason: 'noresource' });
  });

  it('3.6, 3.9: tells of who joins and leaves, at most every five seconds; who has left hears no more', { timeout: 20_000 }, async () => {
    const { etag } = await publish(info(`<users>${user('alice')}</users>`));
    const watched = await watch();
    const first = await watched.notify();
    const view = new ConferenceView();
    view.take(first.body);
    const second = await publish(info(`<users>${user('alice')}${user('bob')}</users>`), { etag });
    const third = await publish(info(`<users>${user('alice')}${user('carol')}</users>`), { etag: second.etag });
    const changed = await watched.notify(() => true, 8000);
    view.take(changed.body);
    expect([view.users, view.version]).toEqual([['alice', 'carol'], 1]);
    expect(changed.cseq).toBe(first.cseq + 1);
    await publish(info(`<users>${user('carol')}</users>`), { etag: third.etag });
    expect(await watched.notify()).toMatchObject({ state: 'terminated', reason: 'rejected', body: '' });
  });
});

describe('RFC 4575 4.6: partial documents published', () => {
  const MEDIA = '<media id="1"><type>audio</type><status>sendrecv</status></media>';
  const WHOLE = `<conference-description><subject>Sales</subject></conference-description><conference-state><user-count>2</user-count></conference-state><users>${user('alice', `<display-text>Alice</display-text>${endpoint('connected', MEDIA)}`)}${user('bob', endpoint('alerting'))}</users>`;

  /** What is told after a whole and a partial document. */
  async function merged(partial: string): Promise<XmlElement> {
    const { etag } = await publish(info(WHOLE));
    expect((await publish(info(partial, 'partial'), { etag })).status).toBe(200);
    return read((await (await watch(focus)).notify()).body);
  }
  const text = (element: XmlElement | undefined, ...path: string[]): string | undefined => {
    let at = element;
    for (const name of path) at = at && childrenNamed(at, NS, name)[0];
    return at?.text;
  };

  it('replace atomic elements as a whole, and leave the others', async () => {
    const root = await merged('<conference-state><user-count>3</user-count><locked>true</locked></conference-state>');
    expect(text(root, 'conference-state', 'user-count')).toBe('3');
    expect(text(root, 'conference-description', 'subject')).toBe('Sales');
    expect(usersIn(root)).toHaveLength(2);
  });

  it('add, change and remove users by their entity', async () => {
    const changed = user('bob', endpoint('connected'), 'full');
    const root = await merged(`<users state="partial">${user('carol')}${changed}${user('alice', '', 'deleted')}</users>`);
    const users = usersIn(root);
    expect(users.map((each) => requiredAttribute(each, 'entity'))).toEqual(['sip:bob@example.com', 'sip:carol@example.com']);
    expect(text(users[0], 'endpoint', 'status')).toBe('connected');
  });

  it('go down to the media of an endpoint of a user', async () => {
    const media = '<media id="1"><type>audio</type><status>inactive</status></media><media id="2"><type>video</type></media>';
    const partial = `<endpoint entity="sip:pc" state="partial"><status>on-hold</status>${media}</endpoint>`;
    const root = await merged(`<users state="partial">${user('alice', partial, 'partial')}</users>`);
    const [alice] = usersIn(root);
    expect([text(alice, 'display-text'), text(alice, 'endpoint', 'status'), text(alice, 'endpoint', 'joining-method')]).toEqual([
      'Alice',
      'on-hold',
      'dialed-in',
    ]);
    const own = childrenNamed(alice as XmlElement, NS, 'endpoint').flatMap((each) => childrenNamed(each, NS, 'media'));
    expect(own.map((each) => [each.attributes.get('id'), text(each, 'status')])).toEqual([
      ['1', 'inactive'],
      ['2', undefined],
    ]);
  });

  it('put new elements where the schema has them, those of others last', async () => {
    const extension = '<x:mood xmlns:x="urn:example:x">loud</x:mood>';
    const root = await merged(`${extension}<host-info><display-text>Host</display-text></host-info><users state="deleted"/>`);
    expect(root.children.map(({ name }) => name)).toEqual(['conference-description', 'host-info', 'conference-state', 'mood']);
  });

  it('count as they are where nothing was published before', async () => {
    expect(
      (await publish(info(`<users state="partial">${user('alice', '', 'partial')}${user('bob', '', 'deleted')}</users>`, 'partial')))
        .status,
    ).toBe(200);
    expect(names((await (await watch()).notify()).body)).toEqual(['alice']);
  });

  it('keep prefixes and namespaces apart', async () => {
    const { etag } = await publish(
      `<c:conference-info xmlns:c="${NS}" xmlns:x="urn:example:one" entity="sip:conf@example.com"><c:users><c:user entity="sip:alice@example.com"><x:a/></c:user></c:users></c:conference-info>`,
    );
    const change = `<c:conference-info xmlns:c="${NS}" xmlns:x="urn:example:two" entity="sip:conf@example.com" state="partial"><c:users state="partial"><c:user entity="sip:bob@example.com"><x:a/></c:user></c:users></c:conference-info>`;
    expect((await publish(change, { etag })).status).toBe(200);
    const [first, second] = usersIn(read((await (await watch()).notify()).body));
    expect([first?.children[0]?.namespace, second?.children[0]?.namespace]).toEqual(['urn:example:one', 'urn:example:two']);
  });
});

describe('RFC 3903: conference information', () => {
  it('is published by the focus or an admin alone, whose focus must be a user here', async () => {
    expect((await publish(info(''), { uri: focus.address }, alice)).status).toBe(403);
    expect((await publish(info(''), { uri: stage.address('nowhere') })).status).toBe(404);
    expect((await publish(info(''), { uri: focus.address }, await stage.admin())).status).toBe(200);
  });

  it.each([
    ['another root', '<a/>'],
    ['no XML', 'conference'],
    ['no entity', `<conference-info xmlns="${NS}"/>`],
    ['a state that is none', info('', 'some')],
    ['a part whose state is none', info('<users state="some"/>', 'partial')],
    ['a document type', `<!DOCTYPE a [<!ENTITY e "x">]>${info('')}`],
    [
      'a namespace that would be repeated without end',
      `<conference-info xmlns="${NS}" xmlns:a="urn:${'x'.repeat(20_000)}" entity="sip:conf@example.com">${'<a:x/>'.repeat(5000)}</conference-info>`,
    ],
    ['elements without end', info('<sidebars-by-val state="partial"><entry entity="a" state="partial">'.repeat(200), 'partial')],
  ])('with %s is refused with 400', async (_, body) => {
    expect((await publish(body)).status).toBe(400);
  });

  it('is refused with 413 when changes make it too long', async () => {
    let { etag } = await publish(info(`<users>${user('alice')}</users>`));
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) {
      const many = Array.from({ length: 400 }, (_, n) => user(`u${i}-${n}`, '<display-text>somebody who joins</display-text>')).join('');
      const result = await publish(info(`<users state="partial">${many}</users>`, 'partial'), { etag });
      statuses.push(result.status);
      if (result.status === 200) ({ etag } = result);
    }
    expect(statuses).toEqual([200, 413, 413]);
  });
});
