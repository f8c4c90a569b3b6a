import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import { header } from '../helpers/sip-message.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { pidf, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { basics, watchWatchers, writeBuddyList, writeRules } from '../scenarios/steps.ts';

const PIDF = 'application/pidf+xml';
let stage: Stage;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ minExpires: 2 });
});
afterEach(() => stage.close());

/** alice, and bob who lets her see everything. */
async function friends() {
  const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
  await writeRules(stage, 'bob', 'allow', ['alice']);
  return { alice, bob };
}

describe('RFC 6665 4.2.1: SUBSCRIBE', () => {
  it('489 with Allow-Events for an unknown or missing event (4.2.1.1)', async () => {
    const { alice, bob } = await friends();
    const unknown = await alice.subscribe(bob.address, { event: 'weather' });
    expect(unknown.response.status).toBe(489);
    const allowed = header(unknown.response, 'allow-events')?.split(/,\s*/);
    expect(allowed).toEqual(expect.arrayContaining(['presence', 'presence.winfo', 'xcap-diff', 'message-summary']));
    const missing = await alice.request({ method: 'SUBSCRIBE', uri: bob.address, headers: [['Contact', `<${alice.contact}>`]] });
    expect(missing.status).toBe(489);
  });

  it('423 with Min-Expires for too short an interval, but never above an hour (4.2.1.1)', async () => {
    const { alice, bob } = await friends();
    const short = await alice.subscribe(bob.address, { expires: 1 });
    expect(short.response.status).toBe(423);
    expect(header(short.response, 'min-expires')).toBe('2');
    expect((await alice.subscribe(bob.address, { expires: 2 })).response.status).toBe(200);
  });

  it('an interval longer than the server grants is shortened (4.2.1.1)', async () => {
    const { alice, bob } = await friends();
    const { response } = await alice.subscribe(bob.address, { expires: 100_000_000 });
    expect([response.status, header(response, 'expires')]).toEqual([200, '86400']);
  });

  it('406 when no body the watcher accepts can be made (RFC 3261 21.4.7), wildcards and q honoured', async () => {
    const { alice, bob } = await friends();
    const refused = await alice.subscribe(bob.address, { accept: ['application/vnd.example'] });
    expect(refused.response.status).toBe(406);
    expect(header(refused.response, 'accept')).toContain(PIDF);
    const without = await alice.request({
      method: 'SUBSCRIBE',
      uri: bob.address,
      headers: [
        ['Contact', `<${alice.contact}>`],
        ['Event', 'presence'],
        ['Accept', `${PIDF};q=0, application/cpim-pidf+xml;q=0.0`],
      ],
    });
    expect(without.status).toBe(406);
    expect((await alice.subscribe(bob.address, { headers: [['Accept', 'application/*;q=0.3']] })).response.status).toBe(200);
  });

  it('an old watcher that takes nothing newer gets application/cpim-pidf+xml', async () => {
    const { alice, bob } = await friends();
    await bob.publish(pidf(bob.address, { basic: 'open', contact: 'sip:bob@192.0.2.1' }), { expires: 60 });
    const old = await alice.subscribe(bob.address, { accept: ['application/cpim-pidf+xml'] });
    const { type, body } = await old.notify();
    expect(type).toBe('application/cpim-pidf+xml');
    expect(body).toContain('<presence xmlns="urn:ietf:params:xml:ns:cpim-pidf"');
    expect(body).toContain('<basic>open</basic>');
  });

  it('404 for a user that does not exist, 403 for a blocked watcher', async () => {
    const { alice } = await friends();
    expect((await alice.subscribe(stage.address('nobody'))).response.status).toBe(404);
    await writeRules(stage, 'bob', 'block', ['alice']);
    expect((await alice.subscribe(stage.address('bob'))).response.status).toBe(403);
  });

  it('400 for a SUBSCRIBE without a Contact', async () => {
    const { alice, bob } = await friends();
    const response = await alice.request({ method: 'SUBSCRIBE', uri: bob.address, headers: [['Event', 'presence']] });
    expect(response.status).toBe(400);
  });

  it('481 in a dialog that is not there (4.2.1.4)', async () => {
    const { alice, bob } = await friends();
    const response = await alice.request({
      method: 'SUBSCRIBE',
      uri: bob.address,
      to: `<${bob.address}>;tag=never`,
      headers: [
        ['Contact', `<${alice.contact}>`],
        ['Event', 'presence'],
      ],
    });
    expect(response.status).toBe(481);
  });

  it('another user cannot refresh or end the subscription of a watcher', async () => {
    const { alice, bob } = await friends();
    const subscription = await alice.subscribe(bob.address);
    await subscription.notify();
    const { callId, localTag } = subscription.terms;
    const mallory = await stage.peer('mallory');
    const response = await mallory.request({
      method: 'SUBSCRIBE',
      uri: subscription.remoteTarget ?? '',
      to: `<${bob.address}>;tag=${subscription.remoteTag}`,
      from: `<${mallory.address}>;tag=${localTag}`,
      callId,
      cseq: () => 77,
      headers: [
        ['Contact', `<${mallory.contact}>`],
        ['Event', 'presence'],
        ['Expires', '0'],
      ],
    });
    expect(response.status).toBe(403);
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    expect(basics(readPidf((await subscription.notify()).body))).toBe('open');
  });

  it('the Event of the NOTIFY repeats the spelling and id of the SUBSCRIBE (8.2.1)', async () => {
    const { alice, bob } = await friends();
    const subscription = await alice.subscribe(bob.address, { event: 'Presence;id=4711' });
    expect(header((await subscription.notify()).message, 'event')).toBe('Presence;id=4711');
  });
});

describe('RFC 6665 4.4.3: fetching', () => {
  it('an expiry of 0 brings the state once and leaves nothing behind', async () => {
    const { alice, bob } = await friends();
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const fetch = await alice.subscribe(bob.address, { expires: 0 });
    expect([fetch.response.status, header(fetch.response, 'expires')]).toEqual([200, '0']);
    const only = await fetch.notify();
    expect([only.state, only.reason, basics(readPidf(only.body))]).toEqual(['terminated', 'timeout', 'open']);
    // RFC 3857 4.7.2: transient states are not told; what comes next is about somebody else.
    const carol = await stage.peer('carol');
    await carol.subscribe(bob.address);
    const told = readWatcherinfo((await watchers.notify()).body);
    expect(told.watchers.map(({ uri }) => uri)).toEqual([carol.address]);
  });

  it('an undecided fetch has no state in it, and its watcher is waiting (RFC 3857 4.7.1)', async () => {
    const bob = await stage.peer('bob');
    const alice = await stage.peer('alice');
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const fetch = await alice.subscribe(bob.address, { expires: 0 });
    expect(await fetch.notify()).toMatchObject({ state: 'terminated', body: '' });
    const [watcher] = readWatcherinfo((await watchers.notify()).body).watchers;
    expect(watcher).toMatchObject({ status: 'waiting', event: 'timeout', uri: alice.address });
  });
});

describe('RFC 6665 4.2.2: NOTIFY', () => {
  it('a subscription that expires ends with a last NOTIFY at that moment', async () => {
    const { alice, bob } = await friends();
    const started = Date.now();
    const subscription = await alice.subscribe(bob.address, { expires: 2 });
    await subscription.notify();
    const last = await subscription.notify();
    expect([last.state, last.reason]).toEqual(['terminated', 'timeout']);
    const after = Date.now() - started;
    expect(after).toBeGreaterThanOrEqual(2000);
    expect((await subscription.refresh(60)).status).toBe(481);
  });

  it.each([404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])(
    'an answer of %i ends the subscription',
    async (status) => {
      const { alice, bob } = await friends();
      const { subscription: watchers } = await watchWatchers(stage, bob);
      const subscription = await alice.subscribe(bob.address, { answer: status });
      await subscription.notify();
      const gone = await watchers.notify(({ body }) => body.includes('terminated'));
      expect(readWatcherinfo(gone.body).watchers[0]).toMatchObject({ status: 'terminated', event: 'timeout' });
      expect((await subscription.refresh(60)).status).toBe(481);
    },
  );

  it('an answer of 500 does not end it: the next state is told in full', async () => {
    const { alice, bob } = await friends();
    const subscription = await alice.subscribe(bob.address, { answer: 500 });
    await subscription.notify();
    subscription.answer = 200;
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    expect(basics(readPidf((await subscription.notify()).body))).toBe('open');
  });

  it('while a NOTIFY is unanswered none follows it; then the newest state comes, not every one', async () => {
    const { alice, bob } = await friends();
    const subscription = await alice.subscribe(bob.address, { answer: 'silent' });
    const { message } = await subscription.notify();
    let etag = (await bob.publish(pidf(bob.address, { basic: 'open', im: 'one' }), { expires: 60 })).etag;
    for (const im of ['two', 'three']) etag = (await bob.publish(pidf(bob.address, { basic: 'open', im }), { expires: 60, etag })).etag;
    expect(subscription.unread).toBe(0);
    subscription.answer = 200;
    const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(message, name.toLowerCase())}\r\n`);
    await alice.sendRaw(`SIP/2.0 200 OK\r\n${copied.join('')}Content-Length: 0\r\n\r\n`);
    const next = await subscription.notify();
    expect(next.body).toContain('<im>three</im>');
  });

  it('nothing is told when nothing changed: a refresh PUBLISH, a rule that changes nothing for this watcher', async () => {
    const { alice, bob } = await friends();
    const { etag } = await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    const subscription = await alice.subscribe(bob.address);
    await subscription.notify();
    const refreshed = await bob.publish(undefined, { etag, expires: 60 });
    expect(refreshed.status).toBe(200);
    await writeRules(stage, 'bob', 'allow', ['alice', 'carol']);
    await bob.publish(pidf(bob.address, { basic: 'closed' }), { etag: refreshed.etag, expires: 60 });
    expect(basics(readPidf((await subscription.notify()).body))).toBe('closed');
  });

  it('a route set is followed, loose and in order (RFC 3261 12.2.1.1)', async () => {
    const { alice, bob } = await friends();
    const route = await alice.openRoute();
    const subscription = await alice.subscribe(bob.address, { recordRoutes: [route] });
    const { message } = await subscription.notify();
    expect(header(message, 'route')).toBe(route);
  });

  it('over TCP the watcher is told on its own connection', async () => {
    await friends();
    const alice = await stage.peer('alice', { transport: 'tcp' });
    // Nobody listens there: only the connection that the SUBSCRIBE came over leads to the watcher.
    const subscription = await alice.subscribe(stage.address('bob'), { contact: 'sip:alice@127.0.0.1:9;transport=tcp' });
    expect((await subscription.notify()).state).toBe('active');
  });
});

describe('RFC 4745 7.4: validity', () => {
  it('a rule that begins to hold lets the watcher in at that moment, and one that ceases puts it back', async () => {
    const bob = await stage.peer('bob');
    const alice = await stage.peer('alice');
    const xcap = await stage.xcap('bob');
    const from = Date.now() + 1500;
    const moment = (at: number) => new Date(at).toISOString();
    const rules = `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="v"><cr:conditions><cr:validity><cr:from>${moment(from)}</cr:from><cr:until>${moment(from + 1000)}</cr:until></cr:validity></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule></cr:ruleset>`;
    expect((await xcap.put(rulesPath('bob'), rules)).status).toBe(201);
    const subscription = await alice.subscribe(bob.address);
    expect((await subscription.notify()).state).toBe('pending');
    expect((await subscription.notify()).state).toBe('active');
    expect(Date.now()).toBeGreaterThanOrEqual(from);
    expect((await subscription.notify()).state).toBe('pending');
    expect(Date.now()).toBeGreaterThanOrEqual(from + 1000);
  });
});

describe('RFC 4745 7.3: sphere', () => {
  it('a published sphere switches the rule on and off', async () => {
    const bob = await stage.peer('bob');
    const alice = await stage.peer('alice');
    const xcap = await stage.xcap('bob');
    const rules = `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="w"><cr:conditions><cr:sphere value="work"/></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule></cr:ruleset>`;
    await xcap.put(rulesPath('bob'), rules);
    const inSphere = (sphere: string) =>
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${bob.address}"><dm:person id="p"><rpid:sphere><rpid:${sphere}/></rpid:sphere></dm:person></presence>`;
    const subscription = await alice.subscribe(bob.address);
    expect((await subscription.notify()).state).toBe('pending');
    const { etag } = await bob.publish(inSphere('work'), { expires: 60 });
    const seen = await subscription.notify();
    expect(seen.state).toBe('active');
    expect(seen.body).not.toContain('sphere');
    await bob.publish(inSphere('home'), { expires: 60, etag });
    expect((await subscription.notify()).state).toBe('pending');
  });
});

describe('RFC 4662 4.2: lists', () => {
  it('421 for a watcher that does not know lists, 403 for another user', async () => {
    const alice = await stage.peer('alice');
    const list = await writeBuddyList(stage, 'alice', ['bob']);
    const plain = await alice.subscribe(list);
    expect([plain.response.status, header(plain.response, 'require')]).toEqual([421, 'eventlist']);
    const mallory = await stage.peer('mallory');
    expect((await mallory.subscribe(list, { supported: ['eventlist'] })).response.status).toBe(403);
  });
});
