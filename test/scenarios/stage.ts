import type { Config } from '../../server/config.ts';
import { CallAgent, type CallAgentOptions } from '../helpers/call-agent.ts';
import { type InProcessServer, startServer, TEST_DOMAIN, type TestServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { SipPeerOptions } from '../helpers/sip-peer-options.ts';
import type { Traffic } from '../helpers/transcript.ts';
import { XcapClient, type XcapExchange } from '../helpers/xcap-client.ts';
import { describeExchange, describeTraffic } from './describe.ts';

/** What happens on a stage, in order, for those who want to print it. */
export type StageEvent =
  | { readonly kind: 'message'; readonly from: string; readonly to: string; readonly what: string; readonly meaning: string }
  | { readonly kind: 'expectation'; readonly held: boolean; readonly text: string }
  | { readonly kind: 'note'; readonly text: string };

export interface Scenario {
  readonly number: number;
  readonly title: string;
  play(stage: Stage): Promise<void>;
}

/** An expectation that did not hold, with the messages around it. */
export class ExpectationError extends Error {
  override readonly name = 'ExpectationError';
}

const password = (user: string): string => `secret of ${user}`;

/** Where a scenario is played: a server of its own, its users, and their agents. */
export class Stage {
  readonly #listener: ((event: StageEvent) => void) | undefined;
  readonly #peers: SipPeer[] = [];
  readonly #phones: CallAgent[] = [];
  readonly #users = new Set<string>();
  readonly #log: string[] = [];
  #server: TestServer | undefined;
  #muted = false;

  constructor(listener?: (event: StageEvent) => void) {
    this.#listener = listener;
  }

  get server(): TestServer {
    if (!this.#server) throw new Error('no server is running');
    return this.#server;
  }

  /** Starts a server with these settings; the agents and users of one that ran before are gone. */
  async boot(settings: Partial<Config> = {}): Promise<InProcessServer> {
    await this.close();
    const server = await startServer(settings);
    this.#server = server;
    const { sip, http } = server;
    this.note(`a server: SIP on ${sip.address}:${sip.port} (UDP and TCP), XCAP on http://${http.address}:${http.port}${server.root}`);
    return server;
  }

  /** Plays on a server that was started otherwise, and stops it at the end. */
  async use(server: TestServer): Promise<void> {
    await this.close();
    this.#server = server;
  }

  /** Closes the agents and stops the server; rejects when an agent received what must not be sent. */
  async close(): Promise<void> {
    const dismissed = await Promise.allSettled([this.dismiss()]);
    const server = this.#server;
    this.#server = undefined;
    this.#users.clear();
    await server?.stop();
    for (const result of dismissed) if (result.status === 'rejected') throw result.reason;
  }

  /** Closes the agents; rejects when one received what must not be sent. */
  async dismiss(): Promise<void> {
    const agents = [...this.#peers.splice(0), ...this.#phones.splice(0)];
    const results = await Promise.allSettled(agents.map((agent) => agent.close()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  address(user: string): string {
    return `sip:${user}@${this.#server?.domain ?? TEST_DOMAIN}`;
  }

  /** The absolute URI of the XCAP root. */
  get root(): string {
    const { http, root } = this.server;
    return `http://${http.address}:${http.port}${root}`;
  }

  /** Makes the account unless it exists. */
  async user(name: string): Promise<void> {
    if (this.#users.has(name)) return;
    await this.server.addUser(name, password(name));
    this.#users.add(name);
  }

  /** A SIP agent of an admin. */
  async admin(name = 'boss'): Promise<SipPeer> {
    if (!this.#users.has(name)) await this.server.addAdmin?.(name, password(name));
    this.#users.add(name);
    return this.peer(name);
  }

  /** A SIP agent of a user, over UDP unless told otherwise. */
  async peer(user: string, options: Partial<SipPeerOptions> = {}): Promise<SipPeer> {
    await this.user(user);
    const { domain, sip } = this.server;
    const peer = await SipPeer.create({
      user,
      password: password(user),
      domain,
      server: sip,
      transport: 'udp',
      log: (traffic) => this.#heard(traffic),
      ...options,
    });
    this.#peers.push(peer);
    return peer;
  }

  /** A telephone of a user, over UDP unless told otherwise. It rings and answers only as it is told. */
  async phone(user: string, options: Partial<CallAgentOptions> = {}): Promise<CallAgent> {
    await this.user(user);
    const { domain, sip } = this.server;
    const log = (traffic: Traffic): void => this.#heard(traffic);
    const phone = await CallAgent.open({ user, password: password(user), domain, server: sip, log, ...options });
    this.#phones.push(phone);
    return phone;
  }

  /** An XCAP client of a user. */
  async xcap(user: string): Promise<XcapClient> {
    await this.user(user);
    const { http, root } = this.server;
    const log = (exchange: XcapExchange): void => this.#exchanged(exchange);
    return new XcapClient({ host: http.address, port: http.port, root, user, password: password(user), auth: 'digest', log });
  }

  /** Tells of one message. */
  say(from: string, to: string, what: string, meaning: string): void {
    this.#log.push(`${from} -> ${to}  ${what}  ${meaning}`);
    this.#tell({ kind: 'message', from, to, what, meaning });
  }

  note(text: string): void {
    this.#tell({ kind: 'note', text });
  }

  /** What the scenario takes for granted: played like the rest, told in one line. */
  async given(text: string, work: () => Promise<void>): Promise<void> {
    this.note(`given: ${text}`);
    this.#muted = true;
    try {
      await work();
    } finally {
      this.#muted = false;
    }
  }

  expect(condition: boolean, text: string): void {
    this.#tell({ kind: 'expectation', held: condition, text });
    if (!condition) throw this.failure(text);
  }

  /** The error for an expectation that did not hold. */
  failure(text: string): ExpectationError {
    return new ExpectationError(`expected: ${text}\n${this.#around()}`);
  }

  /** Expects two values to be the same, as their JSON tells them. */
  equal(actual: unknown, expected: unknown, text: string): void {
    const held = JSON.stringify(actual) === JSON.stringify(expected);
    this.#tell({ kind: 'expectation', held, text });
    if (held) return;
    throw this.failure(`${text}\n  wanted ${JSON.stringify(expected)}\n  got    ${JSON.stringify(actual)}`);
  }

  #around(): string {
    const agents = [
      ...this.#peers.map(({ name, transcript }) => ({ name, transcript })),
      ...this.#phones.map(({ options, transcript }) => ({ name: options.user, transcript })),
    ].filter(({ transcript }) => transcript.entries.length > 0);
    const transcripts = agents.map(({ name, transcript }) => `last messages of ${name}:\n${transcript.format(4)}`);
    return ['the messages before it:', ...this.#log.slice(-12).map((line) => `  ${line}`), ...transcripts].join('\n');
  }

  #tell(event: StageEvent): void {
    if (!this.#muted) this.#listener?.(event);
  }

  #heard(traffic: Traffic): void {
    const { what, meaning } = describeTraffic(traffic);
    if (traffic.direction === 'sent') this.say(traffic.peer, 'server', what, meaning);
    else this.say('server', traffic.peer, what, meaning);
  }

  #exchanged(exchange: XcapExchange): void {
    const { request, response } = describeExchange(exchange);
    this.say(exchange.user, 'server', request.what, request.meaning);
    this.say('server', exchange.user, response.what, response.meaning);
  }
}
