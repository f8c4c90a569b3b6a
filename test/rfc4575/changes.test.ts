/** RFC 4575 4.4 to 4.6: what a subscriber is told of a conference that changes, judged by the copy that it keeps. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { conferenceChanges } from '../../schemas/conference-changes.ts';
import { parseConferenceInfo, writeConferenceInfo } from '../../schemas/conference-info.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { ConferenceView } from '../helpers/conference-view.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { Stage } from '../scenarios/stage.ts';

const NS = 'urn:ietf:params:xml:ns:conference-info';
const TYPE = 'application/conference-info+xml';

const whole = (content: string, prefix = '') => {
  const p = prefix === '' ? '' : `${prefix}:`;
  const name = `${p}conference-info`;
  const inner = prefix === '' ? content : content.replace(/<(\/?)(?=[a-z-]+[ />])/g, `<$1${p}`);
  return `<${name} xmlns${prefix === '' ? '' : `:${prefix}`}="${NS}" xmlns:x="urn:example:x" entity="sip:conf@example.com">${inner}</${name}>`;
};

type Pick = (n: number) => number;

/** Numbers below n, the same in every run. */
function random(seed: number): Pick {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

describe('RFC 4575 4.4: changes between two states', () => {
  const maybe = (pick: Pick, text: string, of = 2): string => (pick(of) === 0 ? '' : text);
  const some = (pick: Pick, most: number, make: (i: number) => string): string => {
    let out = '';
    for (let i = 0; i < most; i++) out += maybe(pick, make(i));
    return out;
  };
  /** The conference of these seeds: one for each of its parts, so that a few of them change at a time. */
  function conference(seeds: readonly number[]): string {
    const [description = 0, state = 0, references = 0, rooms = 0, ...users] = seeds;
    const media = (pick: Pick) => (i: number) => `<media id="${i}"><type>audio</type>${maybe(pick, '<status>sendrecv</status>')}</media>`;
    const endpoint = (pick: Pick) => (i: number) =>
      `<endpoint entity="sip:e${i}">${maybe(pick, `<display-text>E${pick(2)}</display-text>`)}<status>${['connected', 'on-hold'][pick(2)]}</status>${some(pick, 2, media(pick))}</endpoint>`;
    const user = (pick: Pick) => (i: number) =>
      `<user entity="sip:u${i}@example.com"${maybe(pick, ' x:mark="1"', 8)}>${maybe(pick, `<display-text>U${pick(3)} &amp; co</display-text>`)}${some(pick, 2, endpoint(pick))}${maybe(pick, `<x:mood>${pick(3)}</x:mood>`, 4)}</user>`;
    const room = (pick: Pick) => (i: number) =>
      `<entry entity="sip:side${i}@example.com"><users>${some(pick, 3, user(pick))}</users></entry>`;
    const reference = (i: number) => `<entry><uri>sip:ref${i}@example.com</uri></entry>`;
    const [byRef, byVal] = [random(references), random(rooms)];
    return [
      random(description)(10) === 0
        ? ''
        : `<conference-description><subject>S${random(description)(100)}</subject></conference-description>`,
      `<conference-state><user-count>${random(state)(100)}</user-count></conference-state>`,
      `<users>${users.map((seed, i) => maybe(random(seed), user(random(seed + 1))(i), 6)).join('')}</users>`,
      maybe(byRef, `<sidebars-by-ref>${reference(9)}${some(byRef, 2, reference)}</sidebars-by-ref>`),
      maybe(byVal, `<sidebars-by-val>${some(byVal, 2, room(byVal))}</sidebars-by-val>`),
    ].join('');
  }

  it.each([11, 12, 13, 14])('lead from the one to the other, with partial documents that are valid (seed %i)', (seed) => {
    const pick = random(seed);
    const view = new ConferenceView();
    let before: ReturnType<typeof parseConferenceInfo> | undefined;
    const seeds = Array.from({ length: 24 }, () => pick(1e6));
    for (let version = 0; version < 80; version++) {
      for (const i of seeds.keys()) if (pick(8) === 0) seeds[i] = pick(1e6);
      const now = parseConferenceInfo(whole(conference(seeds), pick(3) === 0 ? 'c' : ''));
      const changes = before && conferenceChanges(before, now);
      const text = writeConferenceInfo(version, now, changes);
      expect(schemaViolations(NS, text)).toEqual([]);
      view.take(text);
      const fresh = new ConferenceView();
      fresh.take(writeConferenceInfo(0, now));
      expect(view.known, `version ${version}`).toBe(fresh.known);
      before = now;
    }
    expect(view.states.filter((state) => state === 'partial').length).toBeGreaterThan(20);
  });

  it('are none between two spellings of the same', () => {
    const content = '<users><user entity="sip:a@example.com"><endpoint entity="sip:pc"/></user></users>';
    const other = content.replace('<user ', '<user state="full"   ').replace('<endpoint', '<!-- here --><endpoint');
    expect(conferenceChanges(parseConferenceInfo(whole(content)), parseConferenceInfo(whole(other)))).toBe('');
  });
});

describe('RFC 4575 3.6, 4.3, 4.6: a subscriber', () => {
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

  const user = (name: string, status = 'connected') =>
    `<user entity="sip:${name}@example.com"><display-text>${name}</display-text><endpoint entity="sip:pc"><status>${status}</status></endpoint></user>`;
  const state = (...users: readonly string[]) =>
    whole(
      `<conference-description><subject>Sales in all countries, and what comes of it</subject></conference-description><users>${users.join('')}</users>`,
    );
  const publish = (body: string | undefined, etag?: string) =>
    focus.publish(body, { event: 'conference', contentType: TYPE, expires: 600, ...(etag !== undefined && { etag }) });

  it('is told what changes, all of it again after a refresh, and nothing where nothing has changed', { timeout: 30_000 }, async () => {
    let { etag } = await publish(state(user('alice'), user('bob')));
    const watching = await alice.subscribe(focus.address, { event: 'conference', expires: 600 });
    const view = new ConferenceView();
    const next = async () => view.take((await watching.notify(undefined, 8000)).body);
    await next();
    ({ etag } = await publish(state(user('alice'), user('bob'), user('carol')), etag));
    await next();
    // Together: one leaves, one is put on hold; and what says the same in other words is no news.
    ({ etag } = await publish(state(user('alice', 'on-hold'), user('bob'), user('carol')), etag));
    ({ etag } = await publish(state(user('alice', 'on-hold'), user('carol')), etag));
    await next();
    ({ etag } = await publish(state(user('alice', 'on-hold'), user('carol')).replace('<users>', '<users >'), etag));
    const before = view.known;
    await watching.refresh(600);
    await next();
    expect(view.states).toEqual(['full', 'partial', 'partial', 'full']);
    expect(view.known).toBe(before);
    const other = new ConferenceView();
    other.take((await (await focus.subscribe(focus.address, { event: 'conference', expires: 0 })).notify()).body);
    expect(view.known).toBe(other.known);
    expect(watching.unread).toBe(0);
  });

  it('that could not take a NOTIFY is told all again', { timeout: 30_000 }, async () => {
    const { etag } = await publish(state(user('alice'), user('bob')));
    const watching = await alice.subscribe(focus.address, { event: 'conference', expires: 600 });
    const view = new ConferenceView();
    view.take((await watching.notify()).body);
    watching.answer = 503;
    watching.answerHeaders = [['Retry-After', '1']];
    await publish(state(user('alice'), user('bob'), user('carol')), etag);
    await watching.notify(undefined, 8000);
    watching.answer = 200;
    watching.answerHeaders = [];
    view.take((await watching.notify(undefined, 8000)).body);
    expect(view.states).toEqual(['full', 'full']);
  });
});
