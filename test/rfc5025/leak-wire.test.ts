import { afterEach, describe, expect, test } from 'vitest';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { pick, type Random, randomNumbers } from '../rfc4825/random-xml.ts';
import { rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { LIST_SUBSCRIPTION, writeBuddyList } from '../scenarios/steps.ts';
import { type JudgedRule, type Judgement, judge, rulesXml } from './judged-rules.ts';
import { MARK, type MarkedPresence, markedPresence } from './marked-presence.ts';
import { randomRules } from './random-rules.ts';

/** Every way on which a body leaves the server, with one that dies and comes back under way. */
const stage = new Stage();
afterEach(() => stage.close());

const ROUNDS = 60;
const SEED = 20_260_601;
const WATCHERS = ['alice', 'carol', 'dan'];
const OMA_RULES = '/org.openmobilealliance.pres-rules/users/bob/pres-rules';
const FRIENDS = '/resource-lists/users/bob/index';
const FRIENDS_LIST = `${FRIENDS}/~~/resource-lists/list%5B@name=%22friends%22%5D`;

/** One subscription to bob's presence, begun anew when it has ended. */
class Watching {
  readonly user: string;
  private readonly begin: () => Promise<Subscription>;
  private subscription: Subscription | undefined;
  /** Notifications that have been judged. */
  private judged = 0;

  constructor(user: string, begin: () => Promise<Subscription>) {
    this.user = user;
    this.begin = begin;
  }

  /** All that has come since the last time, and last of it what the watcher is told now. */
  async news(): Promise<readonly Notification[]> {
    if (!this.subscription || this.subscription.terminated) {
      const before = this.subscription?.notifications.slice(this.judged) ?? [];
      this.subscription = await this.begin();
      this.judged = 0;
      if (this.subscription.response.status !== 200) {
        expect(this.subscription.response.status).toBe(403);
        this.subscription = undefined;
        return before;
      }
      await this.subscription.notify();
      return [...before, ...this.take()];
    }
    const { status } = await this.subscription.refresh(900);
    // Whatever is sent from now on tells what holds now.
    const known = this.subscription.notifications.at(-1)?.cseq ?? 0;
    if (status === 200) await this.subscription.notify(({ cseq }) => cseq > known);
    else await this.subscription.notify(({ state }) => state === 'terminated');
    return this.take();
  }

  restarted(): void {
    this.subscription?.serverRestarted();
  }

  private take(): readonly Notification[] {
    const fresh = this.subscription?.notifications.slice(this.judged) ?? [];
    this.judged += fresh.length;
    return fresh;
  }
}

/** What bob has said to whom, at one time. */
interface Said {
  readonly rules: readonly (readonly JudgedRule[])[];
  readonly published: readonly (MarkedPresence | undefined)[];
  readonly friends: readonly string[];
}

class Bob {
  private readonly random: Random;
  private readonly peer: SipPeer;
  private readonly xcap: XcapClient;
  private readonly etags: (string | undefined)[] = [undefined, undefined];
  readonly listUri = `${stage.root}${FRIENDS_LIST}`;
  said: Said = { rules: [[], []], published: [undefined, undefined], friends: [] };

  constructor(random: Random, peer: SipPeer, xcap: XcapClient) {
    this.random = random;
    this.peer = peer;
    this.xcap = xcap;
  }

  /** Resolves when the server has taken it. */
  async publish(device: number, expires = 900): Promise<void> {
    const etag = this.etags[device];
    const presence = expires === 0 ? undefined : markedPresence(this.random, this.peer.address, { prefix: `d${device}` });
    const result = await this.peer.publish(presence?.text, { expires, ...(etag === undefined ? {} : { etag }) });
    expect(result.status).toBe(200);
    this.etags[device] = expires === 0 ? undefined : result.etag;
    this.said = { ...this.said, published: this.said.published.with(device, presence) };
  }

  /** Says something else to watchers; what the schema does not take is thought over. */
  async rule(document: number): Promise<void> {
    const presence = {
      components: this.said.published.flatMap((one) => one?.components ?? []),
      unknown: this.said.published.flatMap((one) => one?.unknown ?? []),
    };
    const watchers = WATCHERS.map((user) => stage.address(user));
    const subject = { watchers, domains: ['example.com', 'example.org'], lists: [this.listUri], presence, now: Date.now() };
    for (;;) {
      const rules = randomRules(this.random, subject, 6);
      const { status } = await this.xcap.put(document === 0 ? rulesPath('bob') : OMA_RULES, rulesXml(rules));
      if (status === 409) continue;
      expect([200, 201]).toContain(status);
      this.said = { ...this.said, rules: this.said.rules.with(document, rules) };
      return;
    }
  }

  async befriend(): Promise<void> {
    const friends = WATCHERS.filter(() => this.random(2) === 0).map((user) => stage.address(user));
    const entries = friends.map((uri) => `<entry uri="${uri}"/>`).join('');
    const text = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends">${entries}</list></resource-lists>`;
    expect([200, 201]).toContain((await this.xcap.put(FRIENDS, text)).status);
    this.said = { ...this.said, friends };
  }

  judge(watcher: string, { rules, published, friends }: Said): Judgement {
    const spheres = new Set(published.map((one) => one?.sphere).filter((sphere) => sphere !== undefined));
    const moment = {
      watcher: stage.address(watcher),
      sphere: spheres.size === 1 ? [...spheres][0] : undefined,
      now: Date.now(),
      lists: new Map([[this.listUri, friends]]),
    };
    return judge(rules.flat(), moment, 'confirm');
  }

  /** Marks that the watcher may see. */
  allowed(watcher: string, said: Said): Set<string> {
    const { handling, grants } = this.judge(watcher, said);
    const marks = said.published.flatMap((one) => [...(one?.marks ?? [])]);
    return new Set(handling === 'allow' ? marks.filter(([, reveals]) => reveals(grants)).map(([mark]) => mark) : []);
  }
}

describe('RFC 5025 3.3: no permission, no data, on the wire', () => {
  test('first, changed, refreshed, fetched, listed, partial and restored bodies have nothing that is denied', {
    timeout: 180_000,
  }, async () => {
    const random = randomNumbers(SEED);
    const server: ServerProcess = await startServerProcess();
    await stage.use(server);
    for (const user of WATCHERS) await stage.user(user);
    const bob = new Bob(random, await stage.peer('bob', { transport: 'tcp' }), await stage.xcap('bob'));
    const watchings: Watching[] = [];
    const address = stage.address('bob');
    for (const user of WATCHERS) {
      const peer = await stage.peer(user);
      watchings.push(new Watching(user, () => peer.subscribe(address, { expires: 900 })));
      watchings.push(new Watching(user, () => peer.subscribe(address, { expires: 0 })));
      const partial = ['application/pidf-diff+xml', 'application/pidf+xml;q=0.5'];
      watchings.push(new Watching(user, () => peer.subscribe(address, { expires: 900, accept: partial })));
    }
    const lister = await stage.peer('alice');
    const list = await writeBuddyList(stage, 'alice', ['bob', 'carol']);
    watchings.push(new Watching('alice', () => lister.subscribe(list, LIST_SUBSCRIPTION)));

    const seen = { bodies: 0, marks: 0, kinds: new Set<string>() };
    for (let round = 0; round < ROUNDS; round++) {
      const before = bob.said;
      const step = round < 3 ? round : random(8);
      if (step === 0 || step === 3) await bob.publish(0);
      else if (step === 1) await bob.rule(0);
      else if (step === 2) await bob.rule(1);
      else if (step === 4) await bob.publish(1, bob.said.published[1] && random(2) === 0 ? 0 : 900);
      else if (step === 5) await bob.befriend();
      else await bob.rule(pick(random, [0, 1]));
      if (round === ROUNDS / 2) {
        await server.kill();
        for (const watching of watchings) watching.restarted();
        await server.start();
      }
      for (const watching of watchings) {
        const { user } = watching;
        const now = bob.allowed(user, bob.said);
        const either = new Set([...now, ...bob.allowed(user, before)]);
        const news = await watching.news();
        for (const [i, { body, state, type }] of news.entries()) {
          const isLast = i === news.length - 1 && state === 'active';
          const found = new Set(body.match(MARK));
          const denied = [...found].filter((mark) => !(isLast ? now : either).has(mark));
          expect(denied, `round ${round}, ${user}, ${state}\n${JSON.stringify(bob.said.rules)}\n${body}`).toEqual([]);
          if (body !== '') seen.kinds.add(`${type} ${/<(?:\w+:)?(pidf-\w+|presence|list)\b/.exec(body)?.[1]}`);
          seen.bodies++;
          seen.marks += found.size;
        }
      }
    }
    expect(seen.bodies).toBeGreaterThan(ROUNDS * 4);
    expect(seen.marks).toBeGreaterThan(ROUNDS * 20);
    expect([...seen.kinds].sort()).toEqual([
      'application/pidf+xml presence',
      'application/pidf-diff+xml pidf-diff',
      'application/pidf-diff+xml pidf-full',
      'multipart/related list',
    ]);
  });
});
