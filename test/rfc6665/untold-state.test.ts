/** RFC 6665 4.2.2: a state that cannot be read, or not be told, for a fault of the server's own. */
import { afterEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../sip/core/log.ts';
import type { Decision, EventPackage } from '../../sip/events/event-package.ts';
import { Notifier } from '../../sip/events/notifier.ts';
import { subscribeHandler } from '../../sip/events/subscribe-handler.ts';
import { WatcherLists } from '../../sip/events/watcher-list.ts';
import { header } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { MemoryStateStore, type Stack, startStack } from '../rfc3261/stack.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const ALLOWED: Decision = { handling: 'allow', view: '', because: 'everybody may' };
const BOB = 'sip:bob@example.com';

/** An event package whose storage, or whose rendering, fails for as long as one says. */
class Failing implements EventPackage<string, Decision> {
  readonly name = 'presence';
  readonly key = 'presence';
  readonly contentTypes = ['application/pidf+xml'];
  readonly expires = { min: 0, default: 3600, max: 3600 };
  readonly watcherinfo = false;
  readonly bodiesAreWhole = true;
  text = 'first';
  unreadable = false;
  unrenderable = false;

  ready(): Promise<void> | undefined {
    return this.unreadable ? Promise.reject(new Error('the disk is gone')) : undefined;
  }

  authorize(): Decision {
    return ALLOWED;
  }

  state(): string {
    return this.text;
  }

  render(state: string) {
    if (this.unrenderable) throw new Error('a fault of ours');
    return { contentType: 'application/pidf+xml', bytes: Buffer.from(state) };
  }
}

async function open() {
  const stack: Stack = await startStack();
  closing.push(() => stack.close());
  const { uac, wheel } = stack;
  const state = new MemoryStateStore();
  const now = Date.now;
  const watchers = new WatcherLists({ state, wheel, waitingTime: 60_000, waitingLimit: 10, now });
  const yes = () => true;
  const common = { uac, wheel, state, watchers, now, log: silentLogger };
  const notifier = new Notifier({ ...common, isUser: yes, mayWatch: yes, forcedInterval: 0, undecidedTime: 60_000 });
  const failing = new Failing();
  notifier.register(failing);
  const limits = { minExpires: 1, maxPerWatcher: 10, maxInAll: 10, maxPerSource: 10 };
  const reachedAt = () => `127.0.0.1:${stack.port}`;
  stack.router.handle('SUBSCRIBE', subscribeHandler({ notifier, state, now, ...limits, reachedAt, listPackage: () => undefined }));
  const server = { address: '127.0.0.1', port: stack.port };
  const alice = await SipPeer.create({ user: 'alice', domain: 'example.com', server, transport: 'udp' });
  closing.push(() => alice.close());
  const say = (text: string): void => {
    failing.text = text;
    notifier.stateChanged('presence', BOB);
  };
  return { alice, failing, notifier, say };
}

describe('RFC 6665 4.2.2: what cannot be read', () => {
  it('is 503 to a new SUBSCRIBE and to a refresh, which leaves the subscription as it was; changes come once they can be read', async () => {
    const { alice, failing, say } = await open();
    const watching = await alice.subscribe(BOB, { expires: 600 });
    expect((await watching.notify()).body).toBe('first');
    failing.unreadable = true;
    const refused = await watching.refresh(300);
    expect([refused.status, header(refused, 'retry-after')]).toEqual([503, '30']);
    expect((await alice.subscribe(BOB, { expires: 600 })).response.status).toBe(503);
    say('second');
    failing.unreadable = false;
    const told = await watching.notify();
    expect(told.body).toBe('second');
    // The refused refresh has not shortened it.
    expect(told.expires).toBeGreaterThan(500);
    expect((await watching.refresh(300)).status).toBe(200);
    expect((await watching.notify()).body).toBe('second');
  });

  it('keeps nobody from leaving, nor a subscription from its end', async () => {
    const { alice, failing, notifier } = await open();
    const left = await alice.subscribe(BOB, { expires: 600 });
    const short = await alice.subscribe(BOB, { expires: 1 });
    for (const each of [left, short]) expect((await each.notify()).body).toBe('first');
    failing.unreadable = true;
    expect((await left.unsubscribe()).status).toBe(200);
    for (const each of [left, short]) expect(await each.notify()).toMatchObject({ state: 'terminated', reason: 'timeout', body: '' });
    expect(notifier.index.size).toBe(0);
  });
});

describe('RFC 6665 4.1.3: probation', () => {
  it('ends a subscription whose state cannot be told, instead of leaving it to the watcher to find out', async () => {
    const { alice, failing, notifier, say } = await open();
    const watching = await alice.subscribe(BOB, { expires: 600 });
    expect((await watching.notify()).body).toBe('first');
    failing.unrenderable = true;
    say('second');
    expect(await watching.notify()).toMatchObject({ state: 'terminated', reason: 'probation', retryAfter: 600, body: '' });
    expect((await watching.refresh(600)).status).toBe(481);
    expect(notifier.index.size).toBe(0);
    const again = await alice.subscribe(BOB, { expires: 600 });
    expect([again.response.status, (await again.notify()).reason]).toEqual([200, 'probation']);
    failing.unrenderable = false;
    expect((await (await alice.subscribe(BOB, { expires: 600 })).notify()).body).toBe('second');
  });
});
