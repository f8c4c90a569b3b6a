/**
 * What the server costs: CPU (user and system time of its process) per operation, and how long an edit takes to reach a watcher.
 * `npm run bench` runs all; `npm run bench -- NAME...` the named ones.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Phones } from '../../server/warm-up/phones.ts';
import { holdConnections } from './held-connections.ts';
import { startTarget, type Target } from './target.ts';

interface Measure {
  readonly operation: string;
  readonly operations: number;
  /** Microseconds of server CPU per operation. */
  readonly cpu?: number;
  /** Milliseconds. */
  readonly median?: number;
  readonly p99?: number;
}

type Bench = (target: Target) => Promise<Measure[]>;

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

function http(target: Target, method: string, path: string, type?: string, body = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = type === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
    const outgoing = request(
      { host: '127.0.0.1', port: target.httpPort, method, path: `/xcap-root${path}`, headers, agent },
      (incoming) => {
        incoming.resume().on('end', () => resolve(incoming.statusCode ?? 0));
      },
    );
    outgoing.on('error', reject).end(body);
  });
}

const NAMESPACES = 'xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"';
const SHOW_ALL = '<cr:transformations><provide-services><all-services/></provide-services><provide-all-attributes/></cr:transformations>';
const rules = (handling: string) =>
  `<cr:ruleset ${NAMESPACES}><cr:rule id="all"><cr:conditions><cr:identity><cr:many/></cr:identity></cr:conditions><cr:actions><sub-handling>${handling}</sub-handling></cr:actions>${SHOW_ALL}</cr:rule></cr:ruleset>`;

async function decide(target: Target, user: string, handling: string): Promise<void> {
  const status = await http(
    target,
    'PUT',
    `/pres-rules/users/sip:${user}@${target.domain}/index`,
    'application/auth-policy+xml',
    rules(handling),
  );
  if (status >= 300) throw new Error(`the rules were answered ${status}`);
}

/** Runs `operations` with `inFlight` of them at a time, and gives the server's CPU for one. */
async function measured(
  target: Target,
  operation: string,
  operations: number,
  inFlight: number,
  one: (i: number) => Promise<void>,
): Promise<Measure> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < operations) await one(next++);
  };
  const before = target.cpu();
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { operation, operations, cpu: (target.cpu() - before) / operations };
}

/** Resolves when the NOTIFYs of each Call-ID have come as often as expected. */
class NotifyCounter {
  private readonly seen = new Map<string, number>();
  private readonly waiting = new Map<string, () => void>();

  constructor(load: Phones) {
    load.onNotify = (callId) => {
      this.seen.set(callId, (this.seen.get(callId) ?? 0) + 1);
      this.waiting.get(callId)?.();
    };
  }

  async reached(callId: string, count: number): Promise<void> {
    while ((this.seen.get(callId) ?? 0) < count) await new Promise<void>((resolve) => this.waiting.set(callId, resolve));
  }
}

const BUDDIES = 50;
const LISTS = 20;

/** Lists of the same buddies, one for each owner; gives the entity-tags of the buddies' publications. */
async function writeLists(target: Target, load: Phones): Promise<string[]> {
  const etags: string[] = [];
  for (let b = 0; b < BUDDIES; b++) {
    await decide(target, `buddy${b}`, 'allow');
    etags.push(await load.publish(`buddy${b}`, 'first'));
  }
  const entries = Array.from({ length: BUDDIES }, (_, b) => `<rl:entry uri="sip:buddy${b}@${target.domain}"/>`).join('');
  const namespaces = 'xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"';
  for (let owner = 0; owner < LISTS; owner++) {
    const service = `<service uri="sip:list${owner}@${target.domain}"><list>${entries}</list></service>`;
    const path = `/rls-services/users/sip:owner${owner}@${target.domain}/index`;
    const status = await http(target, 'PUT', path, 'application/rls-services+xml', `<rls-services ${namespaces}>${service}</rls-services>`);
    if (status >= 300) throw new Error(`the services were answered ${status}`);
  }
  return etags;
}

/** Who have passwords in the benches that ask for them. */
const REGISTRANTS = 500;
const WITH_DIGEST: ReadonlySet<string> = new Set(['register']);
/** Of memory: the garbage of a rehearsal would hide what is taken. */
const COLD: ReadonlySet<string> = new Set(['memory', 'bindings', 'connections']);
/** Longer than responses are kept (RFC 3261 Timer J), in milliseconds. */
const LINGER = 36_000;

const benches: Readonly<Record<string, Bench>> = {
  async subscribe(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    for (let p = 0; p < 100; p++) await decide(target, `p${p}`, 'allow');
    const counter = new NotifyCounter(load);
    const one = async (i: number): Promise<void> => counter.reached((await load.subscribe(`w${i % 1000}`, `p${i % 100}`)).callId, 1);
    await measured(target, 'warm-up', 3000, 16, one);
    const measure = await measured(target, 'SUBSCRIBE, 200, NOTIFY, 200 with rules', 20_000, 16, one);
    load.close();
    return [measure];
  },

  async memory(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    for (let p = 0; p < 1000; p++) await decide(target, `p${p}`, 'allow');
    for (let p = 0; p < 1000; p++) await load.publish(`p${p}`, 'first');
    const counter = new NotifyCounter(load);
    const one = async (i: number): Promise<void> => counter.reached((await load.subscribe(`w${i % 2000}`, `p${i % 1000}`)).callId, 1);
    const before = target.memory();
    const measure = await measured(target, 'SUBSCRIBE, 200, NOTIFY, 200 of 50,000', 50_000, 16, one);
    const each = (): number => Math.round((target.memory() - before) / 50_000);
    console.log(`memory: ${each()} bytes resident per subscription at 50,000, transactions included`);
    await sleep(LINGER);
    console.log(`memory: ${each()} bytes resident per subscription at 50,000, transactions gone`);
    load.close();
    return [measure];
  },

  async 'fan-out'(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    await decide(target, 'p', 'allow');
    const counter = new NotifyCounter(load);
    const dialogs: string[] = [];
    for (let w = 0; w < 100; w++) dialogs.push((await load.subscribe(`w${w}`, 'p')).callId);
    let etag = await load.publish('p', 'first');
    let round = 1;
    await Promise.all(dialogs.map((dialog) => counter.reached(dialog, round + 1)));
    const one = async (): Promise<void> => {
      etag = await load.publish('p', `state ${++round}`, etag);
      await Promise.all(dialogs.map((dialog) => counter.reached(dialog, round + 1)));
    };
    await measured(target, 'warm-up', 50, 1, one);
    const { operations, cpu = 0 } = await measured(target, '', 300, 1, one);
    load.close();
    return [{ operation: 'NOTIFY of a PUBLISH to 100 watchers', operations: operations * 100, cpu: cpu / 100 }];
  },

  async list(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    await writeLists(target, load);
    const counter = new NotifyCounter(load);
    const one = async (i: number): Promise<void> => {
      const { callId } = await load.subscribe(`owner${i % LISTS}`, `list${i % LISTS}`, true);
      await counter.reached(callId, 1);
    };
    await measured(target, 'warm-up', 1000, 8, one);
    const subscribed = await measured(target, `SUBSCRIBE to a list of ${BUDDIES}, 200, NOTIFY, 200`, 1000, 8, one);
    load.close();
    return [subscribed];
  },

  async 'list-change'(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    const etags = await writeLists(target, load);
    const counter = new NotifyCounter(load);
    const dialogs: string[] = [];
    for (let i = 0; i < LISTS; i++) dialogs.push((await load.subscribe(`owner${i}`, `list${i}`, true)).callId);
    await Promise.all(dialogs.map((dialog) => counter.reached(dialog, 1)));
    let round = 0;
    const change = async (): Promise<void> => {
      const b = ++round % BUDDIES;
      etags[b] = await load.publish(`buddy${b}`, `state ${round}`, etags[b]);
      await Promise.all(dialogs.map((dialog) => counter.reached(dialog, round + 1)));
    };
    await measured(target, 'warm-up', 300, 1, change);
    const { operations, cpu = 0 } = await measured(target, '', 1000, 1, change);
    load.close();
    return [{ operation: `a buddy's change told to one of ${LISTS} lists`, operations: operations * LISTS, cpu: cpu / LISTS }];
  },

  async xcap(target) {
    const entries = Array.from(
      { length: 50 },
      (_, i) => `<entry uri="sip:buddy${i}@${target.domain}"><display-name>Buddy ${i}</display-name></entry>\n`,
    );
    const list = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="l">${entries.join('')}</list></resource-lists>`;
    const documentOf = (i: number): string => `/resource-lists/users/sip:x${i % 16}@${target.domain}/index`;
    for (let i = 0; i < 16; i++) await http(target, 'PUT', documentOf(i), 'application/resource-lists+xml', list);
    const entryOf = (i: number): string =>
      `${documentOf(i)}/~~/resource-lists/list%5B@name=%22l%22%5D/entry%5B@uri=%22sip:buddy${i % 50}@${target.domain}%22%5D`;
    const expect = async (wanted: number, answer: Promise<number>): Promise<void> => {
      const status = await answer;
      if (status !== wanted) throw new Error(`answered ${status}`);
    };
    const get = (i: number): Promise<void> => expect(200, http(target, 'GET', documentOf(i)));
    const getElement = (i: number): Promise<void> => expect(200, http(target, 'GET', entryOf(i)));
    const put = (i: number): Promise<void> => {
      const entry = `<entry uri="sip:buddy${i % 50}@${target.domain}"><display-name>Edit ${i}</display-name></entry>`;
      return expect(200, http(target, 'PUT', entryOf(i), 'application/xcap-el+xml', entry));
    };
    const out: Measure[] = [];
    for (const [name, one] of [
      ['GET of a 4 KB document', get],
      ['GET of an element in it', getElement],
      ['PUT of an element in it', put],
    ] as const) {
      await measured(target, 'warm-up', 4000, 16, one);
      out.push(await measured(target, name, 20_000, 16, one));
    }
    return out;
  },

  async connections(target) {
    await holdConnections(target);
    return [];
  },

  async register(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    const one = (i: number): Promise<void> => load.registerAnew(`u${i % REGISTRANTS}`);
    await measured(target, 'warm-up', 40_000, 16, one);
    const measure = await measured(target, 'REGISTER, 401, REGISTER with digest, 200', 60_000, 16, one);
    load.close();
    return [measure];
  },

  async bindings(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    const bind = (operation: string, prefix: string, users: number): Promise<Measure> =>
      measured(target, operation, 50_000, 32, (i) => load.register(`${prefix}${i % users}`));
    // As many transactions as afterwards, so that what these take for a while is there already.
    await bind('warm-up', 'warm', 2000);
    await sleep(LINGER);
    const before = target.memory();
    const measure = await bind('REGISTER of a new contact', 'b', 50_000);
    await sleep(LINGER);
    console.log(`memory: ${Math.round((target.memory() - before) / 50_000)} bytes resident per binding, transactions gone`);
    load.close();
    return [measure];
  },

  async message(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    const text = 'The quick brown fox jumps over the lazy dog. '.repeat(3);
    for (let i = 0; i < 1000; i++) await load.register(`r${i}`);
    const relay = (i: number): Promise<void> => load.message(`s${i % 500}`, `r${i % 1000}`, text);
    const keep = (i: number): Promise<void> => load.message(`s${i % 500}`, `away${i % 1000}`, text);
    await measured(target, 'warm-up', 10_000, 16, relay);
    const relayed = await measured(target, 'MESSAGE relayed to a binding and answered', 40_000, 16, relay);
    await measured(target, 'warm-up', 2000, 16, keep);
    const kept = await measured(target, 'MESSAGE kept for a user who is away', 20_000, 16, keep);
    load.close();
    return [relayed, kept];
  },

  async 'edit-to-notify'(target) {
    const load = await Phones.open(target.sipPort, target.domain);
    await decide(target, 'p', 'confirm');
    let told: (at: number) => void = () => {};
    load.onNotify = () => told(performance.now());
    const first = new Promise<number>((resolve) => {
      told = resolve;
    });
    await load.subscribe('w', 'p');
    await first;
    const times: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const notified = new Promise<number>((resolve) => {
        told = resolve;
      });
      const started = performance.now();
      const answered = decide(target, 'p', i % 2 === 0 ? 'allow' : 'confirm');
      times.push((await notified) - started);
      await answered;
    }
    load.close();
    times.sort((a, b) => a - b);
    return [{ operation: 'PUT of a rule to the NOTIFY it makes', operations: times.length, median: times[500] ?? 0, p99: times[990] ?? 0 }];
  },
};

const wanted = process.argv.slice(2);
for (const [name, bench] of Object.entries(benches)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const target = await startTarget(WITH_DIGEST.has(name) ? REGISTRANTS : 0, !COLD.has(name));
  try {
    for (const { operation, operations, cpu, median, p99 } of await bench(target)) {
      const figures =
        cpu === undefined ? `median ${median?.toFixed(2)} ms, 99th percentile ${p99?.toFixed(2)} ms` : `${cpu.toFixed(1)} us of server CPU`;
      console.log(`${name.padEnd(16)}${operation.padEnd(44)}${String(operations).padStart(7)} operations  ${figures}`);
    }
  } finally {
    await target.stop();
  }
}
agent.destroy();
