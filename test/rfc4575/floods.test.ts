import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConferenceView } from '../helpers/conference-view.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { childrenNamed, readXml, requiredAttribute } from '../helpers/xml-reader.ts';
import { Stage } from '../scenarios/stage.ts';

/** RFC 3903 11 and 15.2, RFC 4575 3.9: what a focus that publishes without end does to the server and to the watchers. */

const NS = 'urn:ietf:params:xml:ns:conference-info';
const TYPE = 'application/conference-info+xml';
const CONFERENCE = { event: 'conference', contentType: TYPE, expires: 600 };

let stage: Stage;
let focus: SipPeer;
let alice: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  [focus, alice] = [await stage.peer('conf', { transport: 'tcp' }), await stage.peer('alice')];
});
afterEach(() => stage.close());

const user = (name: string) => `<user entity="sip:${name}@example.com" state="full"><display-text>${name}</display-text></user>`;
const info = (users: string, state = 'full') =>
  `<conference-info xmlns="${NS}" entity="sip:conf@example.com" state="${state}"><users state="${state}">${users}</users></conference-info>`;
const names = (text: string): string[] =>
  childrenNamed(readXml(text), NS, 'users').flatMap((users) => childrenNamed(users, NS, 'user').map((each) => requiredAttribute(each, 'entity').slice(4, -12))); // biome-ignore format: one line

describe('a flood of PUBLISHes for a conference', () => {
  it('of changes: each counts, and watchers are told of all of them together', { timeout: 30_000 }, async () => {
    let { etag } = await focus.publish(info(user('alice')), CONFERENCE);
    const watched = await alice.subscribe(focus.address, { event: 'conference', expires: 600 });
    const view = new ConferenceView();
    view.take((await watched.notify()).body);
    expect(view.users).toEqual(['alice']);
    for (let n = 0; n < 300; n++) {
      // They come and go, and the last ten stay.
      const gone = n < 10 ? '' : `<user entity="sip:u${n - 10}@example.com" state="deleted"/>`;
      const result = await focus.publish(info(user(`u${n}`) + gone, 'partial'), { ...CONFERENCE, etag });
      expect(result.status).toBe(200);
      ({ etag } = result);
    }
    view.take((await watched.notify()).body);
    expect(view.users.sort()).toEqual(['alice', ...Array.from({ length: 10 }, (_, n) => `u${290 + n}`)]);
    // RFC 4575 3.9: 300 changes within the five seconds were one NOTIFY; a slow machine may need some more.
    expect(watched.notifications.length).toBeLessThan(20);
  });

  it('of beginnings: no more than fifty are kept, the newest is what counts, and others are served', { timeout: 30_000 }, async () => {
    const etags: string[] = [];
    for (let n = 0; n < 120; n++) {
      const result = await focus.publish(info(user('alice') + user(`u${n}`)), CONFERENCE);
      expect(result.status).toBe(200);
      etags.push(result.etag);
    }
    const watched = await alice.subscribe(focus.address, { event: 'conference', expires: 600 });
    expect(names((await watched.notify()).body)).toEqual(['alice', 'u119']);
    const kept = await Promise.all([etags[0], etags[60], etags[119]].map(async (etag = '') => (await focus.publish(undefined, { ...CONFERENCE, etag })).status)); // biome-ignore format: one line
    expect(kept).toEqual([412, 412, 200]);
  });

  it('of bad bodies: each is refused and nothing changes', { timeout: 30_000 }, async () => {
    const { etag } = await focus.publish(info(user('alice')), CONFERENCE);
    const bad = ['<', `<a xmlns="${NS}"/>`, info('<user entity="sip:u@example.com" state="odd"/>', 'partial'), info(user('x').repeat(2000), 'partial'), `${'<users>'.repeat(500)}`]; // biome-ignore format: one line
    for (let n = 0; n < 120; n++) {
      const { status } = await focus.publish(bad[n % bad.length], { ...CONFERENCE, etag });
      expect([400, 413]).toContain(status);
    }
    const watched = await alice.subscribe(focus.address, { event: 'conference', expires: 600 });
    expect(names((await watched.notify()).body)).toEqual(['alice']);
    expect((await focus.publish(undefined, { ...CONFERENCE, etag })).status).toBe(200);
  });
});
