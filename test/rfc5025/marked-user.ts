/** A user who says random things about itself and about watchers, and what each watcher may see of that at any time, by the second judge. */
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import type { Random } from '../rfc4825/random-xml.ts';
import { rulesPath } from '../scenarios/documents.ts';
import { type Grant, type JudgedCondition, type JudgedRule, type Judgement, judge, rulesXml } from './judged-rules.ts';
import { markedHardState, markedPlace } from './marked-hard-state.ts';
import { type MarkedPresence, markedPresence } from './marked-presence.ts';
import { randomRules } from './random-rules.ts';

/** What the user has said to whom, at one time. */
export interface Said {
  readonly rules: readonly (readonly JudgedRule[])[];
  readonly published: readonly (MarkedPresence | undefined)[];
  readonly hardState: MarkedPresence | undefined;
  readonly friends: readonly string[];
}

export interface MarkedUserOptions {
  readonly random: Random;
  readonly user: string;
  readonly peer: SipPeer;
  readonly xcap: XcapClient;
  /** Addresses. */
  readonly watchers: readonly string[];
  /** URI of the XCAP root. */
  readonly root: string;
}

/** Milliseconds between the moments at which rules begin and cease to hold. */
export const STEP = 300;

export class MarkedUser {
  private current: Said = { rules: [[], []], published: [undefined, undefined, undefined], hardState: undefined, friends: [] };
  /** What had been said before each change. */
  readonly past: Said[] = [];
  private readonly options: MarkedUserOptions;
  private readonly etags: (string | undefined)[] = [undefined, undefined, undefined];

  constructor(options: MarkedUserOptions) {
    this.options = options;
  }

  get said(): Said {
    return this.current;
  }

  private set said(said: Said) {
    this.past.push(this.current);
    this.current = said;
  }

  /** Publishes something else from one of two devices. Resolves when the server has taken it. */
  publish(device: 0 | 1, expires = 900): Promise<void> {
    const { random, peer } = this.options;
    return this.say(device, expires > 0 ? markedPresence(random, peer.address, { prefix: `d${device}`, overlapping: true }) : undefined);
  }

  /** Goes to another place, as a third device tells. */
  move(sphere: string | undefined): Promise<void> {
    return this.say(2, sphere === undefined ? undefined : markedPlace(this.options.peer.address, sphere));
  }

  /** Says much, but nothing of where it is; and nothing to watchers. */
  async settle(): Promise<void> {
    const silent = ({ sphere }: MarkedPresence): boolean => sphere === undefined;
    await this.publish(1, 0);
    do await this.publish(0);
    while (!this.said.published.slice(0, 2).every((one) => !one || silent(one)));
    do await this.keep();
    while (!this.said.hardState || !silent(this.said.hardState));
    await this.forbid();
  }

  /** Says nothing to watchers. */
  async forbid(): Promise<void> {
    for (const document of [0, 1] as const) await this.store(document, []);
  }

  private async say(device: number, presence: MarkedPresence | undefined): Promise<void> {
    const { peer } = this.options;
    const etag = this.etags[device];
    if (!presence && etag === undefined) return;
    const expires = presence ? 900 : 0;
    const result = await peer.publish(presence?.text, { expires, ...(etag === undefined ? {} : { etag }) });
    expectOneOf(result.status, 200);
    this.etags[device] = presence && result.etag;
    this.said = { ...this.said, published: this.said.published.with(device, presence) };
  }

  /** Keeps something else as hard state, or nothing. */
  async keep(): Promise<void> {
    const { random, user, peer, xcap } = this.options;
    const path = `/pidf-manipulation/users/${user}/index`;
    const hardState = this.said.hardState && random(3) === 0 ? undefined : markedHardState(random, peer.address, 'h');
    const { status, body } = await (hardState ? xcap.put(path, hardState.text) : xcap.delete(path));
    expectOneOf(status, 200, 201, body);
    this.said = { ...this.said, hardState };
  }

  /** Says something else to watchers; what the schema does not take is thought over. */
  async rule(document: 0 | 1): Promise<void> {
    const { random, watchers } = this.options;
    const told = documentsOf(this.said);
    const presence = { components: told.flatMap(({ components }) => components), unknown: told.flatMap(({ unknown }) => unknown) };
    const subject = { watchers, domains: ['example.com', 'example.org'], lists: [this.friendsUri], presence, step: STEP, restless: true };
    while (!(await this.store(document, randomRules(random, { ...subject, now: Date.now() }, 6))));
  }

  /** Lets everybody see much while the user is at home, or for a short time, or everything for good. */
  async lend(when: 'at home' | 'now' | 'for good'): Promise<void> {
    const now = Date.now();
    const conditions: Record<typeof when, JudgedCondition[]> = {
      'at home': [{ sphere: ['home'] }],
      now: [{ validity: [[now - STEP, now + STEP]] }],
      'for good': [],
    };
    const grants: Grant[] = (['services', 'persons', 'devices'] as const).map((set) => ({ set, members: 'all' }));
    if (when === 'for good' || this.options.random(2) === 0) grants.push('all-attributes');
    await this.store(0, [{ id: 'lent', conditions: conditions[when], handling: 'allow', grants }]);
  }

  /** False where the schema does not take them. */
  private async store(document: 0 | 1, rules: readonly JudgedRule[]): Promise<boolean> {
    const { user, xcap } = this.options;
    const path = document === 0 ? rulesPath(user) : `/org.openmobilealliance.pres-rules/users/${user}/pres-rules`;
    const { status, body } = await xcap.put(path, rulesXml(rules));
    if (status === 409) return false;
    expectOneOf(status, 200, 201, body);
    this.said = { ...this.said, rules: this.said.rules.with(document, rules) };
    return true;
  }

  async befriend(): Promise<void> {
    const { random, user, watchers, xcap } = this.options;
    const friends = watchers.filter(() => random(2) === 0);
    const entries = friends.map((uri) => `<entry uri="${uri}"/>`).join('');
    const text = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends">${entries}</list></resource-lists>`;
    const { status, body } = await xcap.put(`/resource-lists/users/${user}/index`, text);
    expectOneOf(status, 200, 201, body);
    this.said = { ...this.said, friends };
  }

  private get friendsUri(): string {
    return `${this.options.root}/resource-lists/users/${this.options.user}/index/~~/resource-lists/list%5B@name=%22friends%22%5D`;
  }

  /** What the rules of that time say about a watcher at a moment. */
  judge(watcher: string, said: Said, now: number): Judgement {
    const lists = new Map([[this.friendsUri, said.friends]]);
    return judge(said.rules.flat(), { watcher, sphere: sphereOf(said), now, lists }, 'confirm');
  }

  /** Marks that the watcher may see at some time from one moment to another, both in milliseconds since the epoch. */
  allowed(watcher: string, said: Said, from: number, until: number): Set<string> {
    const marks = documentsOf(said).flatMap((document) => [...document.marks]);
    const seen = new Set<string>();
    for (const moment of [from, ...turningPoints(said).filter((time) => from < time && time <= until)]) {
      const { handling, grants } = this.judge(watcher, said, moment);
      if (handling === 'allow') for (const [mark, reveals] of marks) if (reveals(grants)) seen.add(mark);
    }
    return seen;
  }
}

const documentsOf = ({ published, hardState }: Said): MarkedPresence[] => [...published, hardState].filter((one) => one !== undefined);

/** RFC 5025 3.1.2: that on which all agree who say one. */
export function sphereOf(said: Said): string | undefined {
  const spheres = new Set(
    documentsOf(said)
      .map(({ sphere }) => sphere)
      .filter((sphere) => sphere !== undefined),
  );
  return spheres.size === 1 ? [...spheres][0] : undefined;
}

/** When some rule begins or ceases to hold. */
export function turningPoints({ rules }: Said): number[] {
  const conditions = rules.flat().flatMap((rule) => rule.conditions);
  return conditions.flatMap((condition) => (typeof condition === 'object' && 'validity' in condition ? condition.validity.flat() : []));
}

function expectOneOf(status: number, ...expected: readonly (number | string)[]): void {
  if (!expected.includes(status)) throw new Error(`answered ${status}, not ${expected.join(' or ')}`);
}
