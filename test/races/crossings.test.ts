/** RFC 6665 4.2: what happens to a subscription while a NOTIFY of it is under way and not answered yet. */
import { afterEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchersNamed, watchWatchers, writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
afterEach(() => stage.close());

interface Crossing {
  readonly alice: SipPeer;
  readonly bob: SipPeer;
  readonly watching: Subscription;
  /** Not answered yet. */
  readonly held: Notification;
  /** Bob publishes another word. */
  say(im: string): Promise<void>;
}

/** Alice has a subscription to bob's presence, and a NOTIFY that she has not answered. */
async function crossing(expires = 600, handling: 'allow' | 'confirm' = 'allow'): Promise<Crossing> {
  await stage.boot();
  const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
  await writeRules(stage, 'bob', handling, ['alice']);
  let etag: string | undefined;
  const say = async (im: string): Promise<void> => {
    const body = pidf(bob.address, { basic: 'open', im });
    etag = (await bob.publish(body, { expires: 600, ...(etag !== undefined && { etag }) })).etag;
  };
  await say('one');
  const watching = await alice.subscribe(bob.address, { answer: 'silent', expires });
  const held = await watching.notify();
  watching.answer = 200;
  return { alice, bob, watching, held, say };
}

async function answer(peer: SipPeer, { message }: Notification, status = '200 OK'): Promise<void> {
  const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(message, name.toLowerCase())}\r\n`);
  await peer.sendRaw(`SIP/2.0 ${status}\r\n${copied.join('')}Content-Length: 0\r\n\r\n`);
}

const quiet = () => new Promise((resolve) => setTimeout(resolve, 300));
const wordOf = ({ body }: Notification): string | undefined => readPidf(body).tuples[0]?.status.find(({ name }) => name === 'im')?.text;

describe('a NOTIFY that is not answered yet, and', () => {
  it('the expiry: the end is told once that is answered, with the newest state and nothing after it', async () => {
    const { alice, bob, watching, held, say } = await crossing(1);
    const { subscription: watchers } = await watchWatchers(stage, bob);
    await say('two');
    await new Promise((resolve) => setTimeout(resolve, 1300));
    expect(watching.unread).toBe(0);
    // For the server it goes on until it can tell its end, but nobody can refresh it.
    expect((await watching.refresh(600)).status).toBe(481);
    await answer(alice, held);
    const end = await watching.notify();
    expect([end.state, end.reason, wordOf(end)]).toEqual(['terminated', 'timeout', 'two']);
    const told = await watchers.notify(({ body }) => body.includes('terminated'));
    expect(watchersNamed(stage, readWatcherinfo(told.body), 'alice')).toEqual([{ status: 'terminated', event: 'timeout' }]);
    await say('three');
    await quiet();
    expect(watching.unread).toBe(0);
  });

  it('a refresh: it is answered at once, and the whole comes after the answer to the NOTIFY', async () => {
    const { alice, watching, held, say } = await crossing(60);
    await say('two');
    expect((await watching.refresh(300)).status).toBe(200);
    await quiet();
    expect(watching.unread).toBe(0);
    await answer(alice, held);
    const next = await watching.notify();
    expect([next.state, wordOf(next)]).toEqual(['active', 'two']);
    expect(next.expires).toBeGreaterThan(200);
    // One NOTIFY stands for the change and for the refresh.
    await quiet();
    expect(watching.unread).toBe(0);
  });

  it.each(['500 Not Now', '503 Not Now'])('a refresh, and then a %s: the whole comes all the same', async (status) => {
    const { alice, watching, held, say } = await crossing();
    expect((await watching.refresh(600)).status).toBe(200);
    await answer(alice, held, status);
    expect(wordOf(await watching.notify())).toBe('one');
    await say('two');
    expect(wordOf(await watching.notify())).toBe('two');
  });

  it('a refresh, and then a 481: the subscription is gone', async () => {
    const { alice, bob, watching, held, say } = await crossing();
    const { subscription: watchers } = await watchWatchers(stage, bob);
    expect((await watching.refresh(600)).status).toBe(200);
    await answer(alice, held, '481 Gone');
    await watchers.notify(({ body }) => body.includes('terminated'));
    await say('two');
    await quiet();
    expect(watching.unread).toBe(0);
    expect((await watching.refresh(600)).status).toBe(481);
  });

  it('an unsubscribe: one last NOTIFY after its answer, with the newest state', async () => {
    const { alice, watching, held, say } = await crossing();
    await say('two');
    const { status, headers } = await watching.unsubscribe();
    expect([status, headers.length > 0]).toEqual([200, true]);
    expect((await watching.refresh(600)).status).toBe(481);
    await say('three');
    await answer(alice, held);
    const end = await watching.notify();
    expect([end.state, end.reason, wordOf(end)]).toEqual(['terminated', 'timeout', 'three']);
    await say('four');
    await quiet();
    expect(watching.unread).toBe(0);
  });

  it('an unsubscribe, and the watcher has gone: nothing is left of it', async () => {
    const { alice, bob, watching, held } = await crossing();
    const { subscription: watchers } = await watchWatchers(stage, bob);
    expect((await watching.unsubscribe()).status).toBe(200);
    await answer(alice, held, '481 Gone');
    const told = await watchers.notify(({ body }) => body.includes('terminated'));
    expect(watchersNamed(stage, readWatcherinfo(told.body), 'alice')).toEqual([{ status: 'terminated', event: 'timeout' }]);
    await quiet();
    expect(watching.unread).toBe(0);
  });

  it('a block: what was published before it, and after, is not told', async () => {
    const { alice, watching, held, say } = await crossing();
    await say('two');
    await writeRules(stage, 'bob', 'block', ['alice']);
    await say('three');
    await answer(alice, held);
    expect(await watching.notify()).toMatchObject({ state: 'terminated', reason: 'rejected', body: '' });
    await quiet();
    expect(watching.unread).toBe(0);
  });

  it('a block that is taken back: the subscription goes on, and its watcher hears of neither', async () => {
    const { alice, watching, held } = await crossing(600, 'confirm');
    await writeRules(stage, 'bob', 'allow', ['alice']);
    await writeRules(stage, 'bob', 'confirm', ['alice']);
    await writeRules(stage, 'bob', 'allow', ['alice']);
    await answer(alice, held);
    expect([held.state, (await watching.notify()).state]).toEqual(['pending', 'active']);
    await quiet();
    expect(watching.unread).toBe(0);
  });

  it('an approval: the watcher is told the state, which the held NOTIFY had not', async () => {
    const { alice, watching, held } = await crossing(600, 'confirm');
    expect([held.state, held.body]).toEqual(['pending', '']);
    await writeRules(stage, 'bob', 'allow', ['alice']);
    await quiet();
    expect(watching.unread).toBe(0);
    await answer(alice, held);
    const next = await watching.notify();
    expect([next.state, wordOf(next)]).toEqual(['active', 'one']);
  });
});

describe('RFC 3857 4.7.1: a watcher that waits', () => {
  /** Alice's subscription has ended undecided; bob watches his watchers. */
  async function waiting() {
    await stage.boot();
    const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
    const { subscription: watchers } = await watchWatchers(stage, bob);
    const fetch = await alice.subscribe(bob.address, { expires: 0 });
    expect(await fetch.notify()).toMatchObject({ state: 'terminated', reason: 'timeout', body: '' });
    const next = async () => watchersNamed(stage, readWatcherinfo((await watchers.notify()).body), 'alice');
    expect(await next()).toEqual([{ status: 'waiting', event: 'timeout' }]);
    return { alice, bob, next };
  }

  it.each([
    ['allow', 'approved', 200],
    ['polite-block', 'approved', 200],
    ['block', 'rejected', 403],
  ] as const)('%s: it ends as %s, and what it asks next is answered so', async (handling, event, status) => {
    const { alice, bob, next } = await waiting();
    await writeRules(stage, 'bob', handling, ['alice']);
    expect(await next()).toEqual([{ status: 'terminated', event }]);
    const again = await alice.subscribe(bob.address, { expires: 600 });
    expect(again.response.status).toBe(status);
    if (status === 200) expect(await again.notify()).toMatchObject({ state: 'active' });
  });

  it('is decided about once, though it comes back while the rule is written', async () => {
    const { alice, bob, next } = await waiting();
    const [again] = await Promise.all([alice.subscribe(bob.address, { expires: 600 }), writeRules(stage, 'bob', 'allow', ['alice'])]);
    await again.notify(({ state }) => state === 'active');
    const seen: unknown[] = [];
    for (;;) {
      seen.push(...(await next()));
      if (seen.some((each) => (each as { status: string }).status === 'active')) break;
    }
    const ends = seen.filter((each) => (each as { status: string }).status === 'terminated');
    expect(ends).toHaveLength(1);
    expect(['giveup', 'approved']).toContain((ends[0] as { event: string }).event);
  });
});
