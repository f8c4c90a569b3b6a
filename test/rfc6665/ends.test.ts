import { afterEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { RawWatcher } from '../races/raw-watcher.ts';
import { fieldOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchWatchers, writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) one.close();
  await stage.close();
});

async function friends(settings: Parameters<Stage['boot']>[0] = {}) {
  const server = await stage.boot(settings);
  const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
  await writeRules(stage, 'bob', 'allow', ['alice']);
  return { server, alice, bob };
}

describe('RFC 6665 4.2.2: a watcher that answers nothing', () => {
  it('loses its subscription when Timer F fires', async () => {
    const { alice, bob } = await friends({ t1: 20 });
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const subscription = await alice.subscribe(bob.address, { answer: 'silent', expires: 600 });
    await subscription.notify();
    const gone = await watchers.notify(({ body }) => body.includes('terminated'), 8000);
    expect(readWatcherinfo(gone.body).watchers[0]).toMatchObject({ status: 'terminated', event: 'timeout', uri: alice.address });
    expect((await subscription.refresh(60)).status).toBe(481);
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    expect(subscription.notifications).toHaveLength(1);
  });

  it('that cannot be reached at all, too', async () => {
    const { alice, bob } = await friends({ t1: 20 });
    const { subscription: watchers } = await watchWatchers(stage, bob);
    // Nobody listens there, nor is there such a name.
    for (const contact of ['sip:alice@127.0.0.1:1;transport=tcp', 'sip:alice@nowhere.invalid']) {
      const answered = await alice.request({
        method: 'SUBSCRIBE',
        uri: bob.address,
        headers: [
          ['Event', 'presence'],
          ['Contact', `<${contact}>`],
        ],
      });
      expect(answered.status).toBe(200);
      await watchers.notify(({ body }) => body.includes('terminated'), 8000);
    }
  });
});

describe('RFC 6665 4.4.2: a server that stops', () => {
  it('tells all watchers `deactivated` where the setting says so', async () => {
    const { server, alice, bob } = await friends({ deactivateOnStop: 5 });
    const carol = await stage.peer('carol');
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    const subscriptions = [
      await alice.subscribe(bob.address, { expires: 600 }),
      await carol.subscribe(bob.address, { expires: 600 }),
      await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 }),
    ];
    const states = [];
    for (const subscription of subscriptions) states.push((await subscription.notify()).state);
    expect(states).toEqual(['active', 'pending', 'active']);
    await server.running.stop();
    for (const subscription of subscriptions) {
      const last = await subscription.notify(({ state }) => state === 'terminated');
      expect([last.reason, last.expires]).toEqual(['deactivated', undefined]);
    }
  });

  it('waits no longer for those who do not answer than it may', async () => {
    const { server, alice, bob } = await friends({ deactivateOnStop: 1 });
    const silent = await alice.subscribe(bob.address, { expires: 600, answer: 'silent' });
    await silent.notify();
    const heard = await bob.subscribe(bob.address, { expires: 600 });
    await heard.notify();
    // The silent watcher's Timer F would fire after 32 s only: without a bound this would not end in the test's time.
    await server.running.stop();
    expect((await heard.notify()).reason).toBe('deactivated');
  });

  it('takes no new subscriptions meanwhile', async () => {
    const { server, alice, bob } = await friends({ deactivateOnStop: 2 });
    const silent = await alice.subscribe(bob.address, { expires: 600, answer: 'silent' });
    await silent.notify();
    const stopping = server.running.stop();
    const late = await bob.subscribe(bob.address);
    expect([late.response.status, header(late.response, 'retry-after')]).toEqual([503, '30']);
    await stopping;
  });

  it('says nothing without the setting: subscriptions go on after the next start', async () => {
    const { server, alice, bob } = await friends();
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    await subscription.notify();
    await server.running.stop();
    expect(subscription.terminated).toBe(false);
  });
});

describe('RFC 6665 6.3: limits', () => {
  it('to what comes from one address while authentication is off; ended subscriptions make room', async () => {
    const server = await stage.boot({ auth: 'none', maxSubscriptionsPerAddress: 3, minExpires: 1 });
    const near = await RawWatcher.open(server.sip);
    const far = await RawWatcher.open(server.sip, '127.0.0.2');
    closing.push(near, far);
    for (let i = 0; i < 4; i++) {
      await near.subscribe(`user${i}`, 'sip:bob@example.com', i === 0 ? { Expires: '1' } : {});
      await near.until(() => near.responses.length === i + 1);
    }
    expect(near.responses.map(statusOf)).toEqual([200, 200, 200, 403]);
    await far.subscribe('user9', 'sip:bob@example.com');
    await far.until(() => far.responses.length === 1);
    expect(far.responses.map(statusOf)).toEqual([200]);
    await near.until(() => near.notifications.some((text) => text.includes('reason=timeout')));
    await near.subscribe('user5', 'sip:bob@example.com');
    await near.until(() => near.responses.length === 5);
    expect(near.responses.map(statusOf).at(-1)).toBe(200);
  });
});

describe('RFC 6665 4.5.2: dialog sharing', () => {
  it('is refused with 403 and a reason, and leaves the first subscription as it is', async () => {
    const { alice, bob } = await friends();
    const subscription = await alice.subscribe(bob.address, { event: 'presence;id=one', expires: 600 });
    await subscription.notify();
    for (const event of ['presence;id=two', 'presence', 'dialog', 'dialog;id=one']) {
      const refused = await subscription.refresh(600, { event });
      expect([refused.status, refused.reason]).toEqual([403, 'Dialog sharing is not supported']);
    }
    expect((await subscription.refresh(600, { event: 'presence;id=one' })).status).toBe(200);
    await subscription.notify();
  });
});

describe('RFC 6665 4.1.4 and 4.4.1, RFC 3261 8.2.2.2: forks of one SUBSCRIBE', () => {
  it('that come here on two ways make one subscription', async () => {
    const server = await stage.boot({ auth: 'none' });
    const peer = await UdpPeer.open(server.sip.port);
    closing.push(peer);
    const sent = request({
      method: 'SUBSCRIBE',
      uri: 'sip:bob@example.com',
      fields: ['Event: presence', `Contact: <sip:alice@127.0.0.1:${peer.port}>`],
    });
    expect(statusOf(await peer.ask(sent))).toBe(200);
    expect(await peer.inbox.next()).toMatch(/^NOTIFY /);
    const fork = sent.replace('branch=z9hG4bK', 'branch=z9hG4bKfork');
    peer.send(fork);
    // The NOTIFY, which nobody has answered, may come again before.
    let answer = await peer.inbox.next();
    while (answer.startsWith('NOTIFY')) answer = await peer.inbox.next();
    expect(statusOf(answer)).toBe(482);
  });

  it('with other From tags are two subscriptions, each with a dialog of its own', async () => {
    const { alice, bob } = await friends();
    const one = await alice.subscribe(bob.address, { expires: 600 });
    const two = await alice.subscribe(bob.address, { expires: 600 });
    await one.notify();
    await two.notify();
    expect(one.remoteTag).not.toBe(two.remoteTag);
    await one.unsubscribe();
    expect((await one.notify()).state).toBe('terminated');
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    expect(readPidf((await two.notify()).body).tuples[0]?.basic).toBe('open');
  });
});

describe('RFC 6665 4.6: CANCEL', () => {
  it('of a SUBSCRIBE is answered and changes nothing', async () => {
    const server = await stage.boot({ auth: 'none' });
    const peer = await UdpPeer.open(server.sip.port);
    closing.push(peer);
    const sent = request({
      method: 'SUBSCRIBE',
      uri: 'sip:bob@example.com',
      fields: ['Event: presence', `Contact: <sip:alice@127.0.0.1:${peer.port}>`],
    });
    const messages = [await peer.ask(sent), await peer.inbox.next()];
    const notify = messages.find((text) => text.startsWith('NOTIFY')) ?? '';
    const copied = notify.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
    peer.send(['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n'));
    const cancel = sent
      .replace(/^SUBSCRIBE/, 'CANCEL')
      .replace('1 SUBSCRIBE', '1 CANCEL')
      .replace(/Event: presence\r\n/, '');
    // The transaction is over: 481 says so as well as 200.
    expect([200, 481]).toContain(statusOf(await peer.ask(cancel)));
    const accepted = messages.find((text) => text.startsWith('SIP/2.0 200')) ?? '';
    const refresh = request({
      method: 'SUBSCRIBE',
      uri: 'sip:bob@example.com',
      to: fieldOf(accepted, 'To') ?? '',
      from: fieldOf(accepted, 'From') ?? '',
      callId: fieldOf(accepted, 'Call-ID') ?? '',
      cseq: '2 SUBSCRIBE',
      fields: ['Event: presence', `Contact: <sip:alice@127.0.0.1:${peer.port}>`],
    });
    expect(statusOf(await peer.ask(refresh))).toBe(200);
  });
});

describe('RFC 6665 4.2.1: requests that make no sense', () => {
  it.each([
    ['without an Event', [], 489],
    ['with two', ['Event: presence', 'Event: dialog'], 400],
    ['with two in one field', ['Event: presence, dialog'], 489],
    ['with an Expires that is no number', ['Event: presence', 'Expires: soon'], 400],
    ['with two Expires', ['Event: presence', 'Expires: 60', 'Expires: 70'], 400],
    ['of a template applied once too often (RFC 3857 4.6)', ['Event: presence.winfo.winfo.winfo'], 489],
  ] as const)('%s', async (_, fields, status) => {
    const server = await stage.boot({ auth: 'none' });
    const peer = await UdpPeer.open(server.sip.port);
    closing.push(peer);
    const contact = `Contact: <sip:alice@127.0.0.1:${peer.port}>`;
    const answer = await peer.ask(request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com', fields: [...fields, contact] }));
    expect(statusOf(answer)).toBe(status);
    if (status === 489) expect(fieldOf(answer, 'Allow-Events')).toContain('presence');
  });

  it('4.4.4: Allow-Events tells what may be subscribed to, in the answer to OPTIONS too', async () => {
    await stage.boot();
    const alice = await stage.peer('alice');
    const answered = await alice.request({ method: 'OPTIONS', uri: `sip:${stage.server.domain}` });
    expect(headerList(answered, 'allow-events')).toEqual(
      expect.arrayContaining(['presence', 'dialog', 'message-summary', 'reg', 'xcap-diff']),
    );
  });
});

describe('RFC 6665 4.2.1.4: refreshes', () => {
  it('too short a one is answered 423 and changes nothing', async () => {
    const { alice, bob } = await friends({ minExpires: 60 });
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    await subscription.notify();
    const refused = await subscription.refresh(5);
    expect([refused.status, header(refused, 'min-expires')]).toEqual([423, '60']);
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    const next = await subscription.notify();
    expect([next.state, (next.expires ?? 0) > 500]).toEqual(['active', true]);
  });

  it('one that ends it has the state in its last NOTIFY, as a fetch has (4.4.3)', async () => {
    const { alice, bob } = await friends();
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 60 });
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    await subscription.notify();
    const ended = await subscription.unsubscribe();
    expect([ended.status, header(ended, 'expires')]).toEqual([200, '0']);
    const last = await subscription.notify();
    expect([last.state, last.reason, readPidf(last.body).tuples[0]?.basic]).toEqual(['terminated', 'timeout', 'open']);
    expect((await subscription.refresh(600)).status).toBe(481);
  });

  it('RFC 3261 12.2.2: a lower CSeq is answered 500, and a new Contact moves the NOTIFYs', async () => {
    const server = await stage.boot({ auth: 'none' });
    const peer = await UdpPeer.open(server.sip.port);
    const moved = await UdpPeer.open(server.sip.port);
    closing.push(peer, moved);
    const first = request({
      method: 'SUBSCRIBE',
      uri: 'sip:bob@example.com',
      cseq: '7 SUBSCRIBE',
      fields: ['Event: presence', `Contact: <sip:alice@127.0.0.1:${peer.port}>`],
    });
    const accepted = await peer.ask(first);
    answerNotify(peer, await peer.inbox.next());
    const again = (cseq: number, port: number): string =>
      request({
        method: 'SUBSCRIBE',
        uri: 'sip:bob@example.com',
        to: fieldOf(accepted, 'To') ?? '',
        from: fieldOf(accepted, 'From') ?? '',
        callId: fieldOf(accepted, 'Call-ID') ?? '',
        cseq: `${cseq} SUBSCRIBE`,
        fields: ['Event: presence', `Contact: <sip:alice@127.0.0.1:${port}>`],
      });
    expect(statusOf(await peer.ask(again(6, peer.port)))).toBe(500);
    expect(statusOf(await peer.ask(again(8, moved.port)))).toBe(200);
    const notify = await moved.inbox.next();
    expect(notify).toContain(`NOTIFY sip:alice@127.0.0.1:${moved.port} SIP/2.0\r\n`);
    answerNotify(moved, notify);
  });

  it('RFC 3261 12.2.1.1: a strict router gets the Request-URI, and the target comes last', async () => {
    const server = await stage.boot({ auth: 'none' });
    const peer = await UdpPeer.open(server.sip.port);
    const router = await UdpPeer.open(server.sip.port);
    closing.push(peer, router);
    const sent = request({
      method: 'SUBSCRIBE',
      uri: 'sip:bob@example.com',
      fields: [
        'Event: presence',
        `Contact: <sip:alice@127.0.0.1:${peer.port}>`,
        `Record-Route: <sip:127.0.0.1:${router.port}>, <sip:far.example;lr>`,
      ],
    });
    expect(statusOf(await peer.ask(sent))).toBe(200);
    const notify = await router.inbox.next();
    expect(notify).toContain(`NOTIFY sip:127.0.0.1:${router.port} SIP/2.0\r\n`);
    expect(notify.split('\r\n').filter((line) => line.startsWith('Route:'))).toEqual([
      'Route: <sip:far.example;lr>',
      `Route: <sip:alice@127.0.0.1:${peer.port}>`,
    ]);
    answerNotify(router, notify);
  });
});

function answerNotify(peer: UdpPeer, notify: string): void {
  const copied = notify.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
  peer.send(['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n'));
}
