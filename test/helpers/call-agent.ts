import { DigestClient } from './digest-client.ts';
import { answerPort, composeAnswer } from './sip-answer.ts';
import { checkRequest, checkResponse } from './sip-checks.ts';
import { checkForwarded } from './sip-checks-forwarded.ts';
import { parseNameAddress } from './sip-headers.ts';
import { header, headerLines, headerList, parseMessage, type SipMessage, serialise } from './sip-message.ts';
import type { HeaderField } from './sip-peer-options.ts';
import {
  type Frame,
  hostPort,
  openSipSocket,
  type PeerTls,
  type PeerTransport,
  type SipAddress,
  type SipSocket,
  transportParameter,
} from './sip-socket.ts';
import { token } from './token.ts';
import { type TrafficListener, Transcript } from './transcript.ts';

export interface CallAgentOptions {
  readonly user: string;
  readonly domain: string;
  readonly server: SipAddress;
  readonly transport?: PeerTransport;
  /** For `tls` and `wss`. */
  readonly tls?: PeerTls;
  /** Of our Contact; `sip` if not given. */
  readonly scheme?: 'sip' | 'sips';
  /** The address that Via and Contact name, as of an agent behind a NAT; our own if not given. */
  readonly behind?: SipAddress;
  /** Parameters of the Contact URI, such as `;ob`. */
  readonly contactParams?: string;
  readonly password?: string;
  readonly log?: TrafficListener;
}

export interface Sending {
  readonly to?: string;
  readonly from?: string;
  readonly callId?: string;
  readonly cseq?: number;
  readonly headers?: readonly HeaderField[];
  readonly body?: string | Buffer;
  readonly maxForwards?: number;
}

export interface Answering {
  readonly headers?: readonly HeaderField[];
  readonly body?: string | Buffer;
  readonly contact?: boolean;
}

const PATIENCE_MS = 6000;

/** A queue of messages that tests take from in order. */
class Queue<T> {
  readonly left: T[] = [];
  #waiting: ((item: T) => void)[] = [];
  readonly #error: (text: string) => Error;

  constructor(error: (text: string) => Error) {
    this.#error = error;
  }

  put(item: T): void {
    const taker = this.#waiting.shift();
    if (taker) taker(item);
    else this.left.push(item);
  }

  next(what: string, patience = PATIENCE_MS): Promise<T> {
    const ready = this.left.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#error(`no ${what} came`)), patience);
      this.#waiting.push((item) => {
        clearTimeout(timer);
        resolve(item);
      });
    });
  }
}

/** A request that came, and the ways to answer it. */
export class Incoming {
  readonly message: SipMessage;
  readonly #agent: CallAgent;
  readonly #frame: Frame;
  readonly #tag = token(4);
  #last: Buffer | undefined;

  constructor(message: SipMessage, frame: Frame, agent: CallAgent) {
    this.message = message;
    this.#frame = frame;
    this.#agent = agent;
  }

  /** The tag of our side of the dialog. */
  get tag(): string {
    return parseNameAddress(header(this.message, 'to') ?? '').params.get('tag') ?? this.#tag;
  }

  answer(status: number, { headers = [], body, contact = status > 100 && status < 300 }: Answering = {}): void {
    const lines = composeAnswer(status, this.message, this.#frame.remote).toString('latin1').split('\r\n\r\n')[0]?.split('\r\n') ?? [];
    const [startLine = '', ...rest] = lines;
    const fields = rest
      .map((line): HeaderField => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)])
      .filter(([name]) => name !== 'Content-Length')
      .map(
        ([name, value]): HeaderField =>
          name === 'To' ? ['To', value.replace(/;tag=[^;]*$/, status === 100 ? '' : `;tag=${this.tag}`)] : [name, value],
      );
    for (const route of headerLines(this.message, 'record-route')) if (status > 100) fields.push(['Record-Route', route]);
    if (contact) fields.push(['Contact', `<${this.#agent.contact}>`]);
    this.#last = serialise(startLine, [...fields, ...headers], body);
    this.repeat();
  }

  /** Sends the last answer again. */
  repeat(): void {
    if (this.#last) this.#agent.reply(this.#last, this.message, this.#frame);
  }
}

/** A request of ours that is under way. */
export class Outgoing {
  readonly message: SipMessage;
  /** 1xx in order; `final` is apart from them. */
  readonly provisional: Queue<SipMessage>;
  /** Each final response: more than one only for 2xx to an INVITE. */
  readonly finals: Queue<SipMessage>;
  #final: SipMessage | undefined;

  constructor(message: SipMessage, error: (text: string) => Error) {
    this.message = message;
    this.provisional = new Queue(error);
    this.finals = new Queue(error);
  }

  get done(): boolean {
    return this.#final !== undefined;
  }

  /** Takes a response; gives what is wrong with its coming. */
  receive(response: SipMessage): string[] {
    if (response.status < 200) {
      if (this.#final) return [`${response.status} after the final response`];
      this.provisional.put(response);
      return [];
    }
    if (this.#final && !(this.message.method === 'INVITE' && this.#final.status < 300 && response.status < 300)) {
      return this.#final.raw.equals(response.raw) ? [] : [`${response.status} after ${this.#final.status}`];
    }
    this.#final ??= response;
    this.finals.put(response);
    return [];
  }

  final(patience?: number): Promise<SipMessage> {
    return this.finals.next(`final response to ${this.message.method}`, patience);
  }
}

/**
 * A telephone for tests of the proxy: sends and answers as it is told, ACK and CANCEL included, and checks each message it gets. From the
 * first fault on `close` rejects.
 */
export class CallAgent {
  readonly options: CallAgentOptions;
  readonly address: string;
  readonly transcript: Transcript;
  readonly faults: string[] = [];
  /** Hears nothing, as if it were switched off. */
  deaf = false;
  readonly digest: DigestClient;
  readonly #requests: Queue<Incoming>;
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #incoming = new Map<string, Incoming>();
  #socket: SipSocket | undefined;
  #cseq = 0;

  private constructor(options: CallAgentOptions) {
    this.options = options;
    this.transcript = new Transcript(options.log);
    this.address = `sip:${options.user}@${options.domain}`;
    this.digest = new DigestClient(options.user, options.password ?? '', undefined);
    this.#requests = new Queue((text) => this.error(text));
  }

  static async open(options: CallAgentOptions): Promise<CallAgent> {
    const agent = new CallAgent(options);
    agent.#socket = await openSipSocket(
      options.transport ?? 'udp',
      (frame) => agent.#receive(frame),
      (fault) => agent.faults.push(fault),
      options.tls,
    );
    return agent;
  }

  get socket(): SipSocket {
    if (!this.#socket) throw new Error('the agent is not open');
    return this.#socket;
  }

  get contact(): string {
    const { transport } = this.socket;
    const { scheme = 'sip', user, contactParams = '' } = this.options;
    const parameter = scheme === 'sips' && transport === 'TLS' ? '' : transportParameter(transport);
    return `${scheme}:${user}@${hostPort(this.named)}${parameter}${contactParams}`;
  }

  /** Where we say we are. */
  private get named(): SipAddress {
    return this.options.behind ?? this.socket.local;
  }

  error(text: string): Error {
    const faults = this.faults.length > 0 ? `\n  - ${this.faults.join('\n  - ')}` : '';
    return new Error(`${this.options.user}: ${text}${faults}\n${this.transcript.format(12)}`);
  }

  /** Binds our contact. */
  async register(params = '', contact = this.contact, headers: readonly HeaderField[] = []): Promise<SipMessage> {
    const response = await this.request('REGISTER', `sip:${this.options.domain}`, {
      to: `<${this.address}>`,
      from: `<${this.address}>;tag=${token(4)}`,
      headers: [['Contact', `<${contact}>${params}`], ['Expires', '600'], ...headers],
    });
    if (response.status !== 200) throw this.error(`REGISTER is answered ${response.status}`);
    return response;
  }

  /** Sends a request, with credentials if they are asked for, and gives its final response. */
  async request(method: string, uri: string, sending: Sending = {}): Promise<SipMessage> {
    const first = await this.send(method, uri, sending).final();
    const byProxy = first.status === 407;
    if ((!byProxy && first.status !== 401) || this.options.password === undefined) return first;
    return this.send(method, uri, this.authorized(method, uri, first, sending)).final();
  }

  /** What to send in answer to a challenge. */
  authorized(method: string, uri: string, challenge: SipMessage, sending: Sending): Sending {
    const byProxy = challenge.status === 407;
    if (!this.digest.accept(headerLines(challenge, byProxy ? 'proxy-authenticate' : 'www-authenticate')))
      throw this.error('no challenge to answer');
    const credentials: HeaderField = [byProxy ? 'Proxy-Authorization' : 'Authorization', this.digest.authorize(method, uri) ?? ''];
    return { ...sending, headers: [...(sending.headers ?? []), credentials] };
  }

  /** An INVITE whose challenge, if any, is answered. */
  async invite(uri: string, sending: Sending = {}): Promise<Outgoing> {
    const full: Sending = { ...sending, headers: [['Contact', `<${this.contact}>`], ...(sending.headers ?? [])] };
    if (this.options.password === undefined) return this.send('INVITE', uri, full);
    const first = await this.send('INVITE', uri, full).final();
    return this.send('INVITE', uri, this.authorized('INVITE', uri, first, full));
  }

  /** Sends a request and leaves it to the caller to wait for its responses. */
  send(method: string, uri: string, sending: Sending = {}): Outgoing {
    const { transport } = this.socket;
    const branch = `z9hG4bK${token()}`;
    const bytes = serialise(
      `${method} ${uri} SIP/2.0`,
      [
        ['Via', `SIP/2.0/${transport} ${hostPort(this.named)};branch=${branch}${transport === 'UDP' ? ';rport' : ''}`],
        ['Max-Forwards', String(sending.maxForwards ?? 70)],
        ['From', sending.from ?? `<${this.address}>;tag=${token(4)}`],
        ['To', sending.to ?? `<${uri}>`],
        ['Call-ID', sending.callId ?? token()],
        ['CSeq', `${sending.cseq ?? ++this.#cseq} ${method}`],
        ...(sending.headers ?? []),
      ],
      sending.body,
    );
    return this.sendBytes(bytes);
  }

  /** Sends the bytes of a request as they are. */
  sendBytes(bytes: Buffer): Outgoing {
    const { message } = parseMessage(bytes);
    if (!message) throw new Error('not a request');
    const outgoing = new Outgoing(message, (text) => this.error(text));
    if (message.method !== 'ACK') this.#outgoing.set(`${branchOf(message)} ${message.method}`, outgoing);
    this.#write(bytes);
    return outgoing;
  }

  /** CANCEL for a request of ours (RFC 3261 9.1). */
  cancel({ message }: Outgoing): Promise<SipMessage> {
    const copied = (name: string): HeaderField => [name, header(message, name) ?? ''];
    const cseq = header(message, 'cseq')?.replace(/ .*/, ' CANCEL') ?? '';
    const fields = [copied('Via'), copied('Max-Forwards'), copied('From'), copied('To'), copied('Call-ID'), ['CSeq', cseq] as const];
    return this.sendBytes(serialise(`CANCEL ${message.requestUri} SIP/2.0`, fields)).final();
  }

  /** A request in the dialog that a 2xx to our INVITE has made; also its ACK. */
  inDialog(method: string, invite: SipMessage, response: SipMessage, sending: Sending = {}): Outgoing {
    const routes = headerList(response, 'record-route').reverse();
    const target = parseNameAddress(headerLines(response, 'contact')[0] ?? '').uri;
    return this.send(method, target, {
      from: header(invite, 'from') ?? '',
      to: header(response, 'to') ?? '',
      callId: header(invite, 'call-id') ?? '',
      ...(method === 'ACK' ? { cseq: Number.parseInt(header(invite, 'cseq') ?? '', 10) } : {}),
      ...sending,
      headers: [...routes.map((route): HeaderField => ['Route', route]), ...(sending.headers ?? [])],
    });
  }

  /** A request in the dialog of an INVITE that came to us. */
  backwards(method: string, { message, tag }: Incoming, sending: Sending = {}): Outgoing {
    const routes = headerList(message, 'record-route');
    const to = header(message, 'to') ?? '';
    return this.send(method, parseNameAddress(headerLines(message, 'contact')[0] ?? '').uri, {
      from: /;tag=/.test(to) ? to : `${to};tag=${tag}`,
      to: header(message, 'from') ?? '',
      callId: header(message, 'call-id') ?? '',
      ...sending,
      headers: [...routes.map((route): HeaderField => ['Route', route]), ...(sending.headers ?? [])],
    });
  }

  /** The next request that comes to us and is no copy; it has to be of that method. */
  async take(method: string, patience?: number): Promise<Incoming> {
    const incoming = await this.#requests.next(method, patience);
    if (incoming.message.method !== method) throw this.error(`wanted ${method}, ${incoming.message.method} came`);
    return incoming;
  }

  /** Requests that came and that nobody took. */
  get untaken(): readonly string[] {
    return this.#requests.left.map(({ message }) => message.method);
  }

  reply(bytes: Buffer, request: SipMessage, frame: Frame): void {
    const port = answerPort(request, frame.remote.port);
    this.#log('sent', bytes, frame.remote);
    frame.reply(bytes, port);
  }

  async close(): Promise<void> {
    await this.socket.close();
    if (this.faults.length > 0) throw this.error('received what must not be sent');
  }

  #write(bytes: Buffer): void {
    this.#log('sent', bytes, this.options.server);
    void this.socket.send(bytes, this.options.server).catch((error: unknown) => this.faults.push(`could not send: ${String(error)}`));
  }

  #receive(frame: Frame): void {
    if (this.deaf) return;
    const { message, faults } = parseMessage(frame.bytes);
    this.#log('received', frame.bytes, frame.remote);
    this.faults.push(...faults);
    if (!message) return;
    if (message.kind === 'response') this.#receiveResponse(message);
    else this.#receiveRequest(message, frame);
  }

  #receiveResponse(response: SipMessage): void {
    const outgoing = this.#outgoing.get(`${branchOf(response)} ${response.method}`);
    if (!outgoing) return void this.faults.push(`a response to no request of ours: ${response.status} to ${response.method}`);
    this.faults.push(...checkResponse(outgoing.message, response), ...outgoing.receive(response));
    if (response.method === 'INVITE' && response.status >= 300) this.#acknowledge(outgoing.message, response);
  }

  /** RFC 3261 17.1.1.3. */
  #acknowledge(invite: SipMessage, response: SipMessage): void {
    const copied = (name: string): HeaderField => [name, header(invite, name) ?? ''];
    const cseq = header(invite, 'cseq')?.replace(/ .*/, ' ACK') ?? '';
    const fields: HeaderField[] = [
      copied('Via'),
      copied('Max-Forwards'),
      ...headerLines(invite, 'route').map((route): HeaderField => ['Route', route]),
      copied('From'),
      ['To', header(response, 'to') ?? ''],
      copied('Call-ID'),
      ['CSeq', cseq],
    ];
    this.#write(serialise(`ACK ${invite.requestUri} SIP/2.0`, fields));
  }

  #receiveRequest(request: SipMessage, frame: Frame): void {
    const key = `${branchOf(request)} ${request.method}`;
    const known = this.#incoming.get(key);
    if (known) {
      if (!known.message.raw.equals(request.raw)) this.faults.push(`one branch for two ${request.method} requests`);
      if (this.socket.transport !== 'UDP') this.faults.push(`${request.method} was sent again over TCP`);
      return void known.repeat();
    }
    this.faults.push(...checkRequest(request, this.socket.transport, frame.remote));
    const hops = headerList(request, 'via').length;
    if (hops > 1) this.faults.push(...checkForwarded(request));
    // ACK to a failure and CANCEL are the proxy's own, in the transaction of its INVITE.
    const invite = this.#incoming.get(`${branchOf(request)} INVITE`);
    if (request.method === 'CANCEL' && !invite) this.faults.push('CANCEL without an INVITE of its branch');
    if (invite && hops > 1) this.faults.push(`${request.method} of the proxy itself with ${hops} Vias`);
    if (invite && invite.message.requestUri !== request.requestUri) this.faults.push(`${request.method} to another URI than its INVITE`);
    const incoming = new Incoming(request, frame, this);
    this.#incoming.set(key, incoming);
    if (request.method === 'CANCEL') incoming.answer(200, { contact: false });
    this.#requests.put(incoming);
  }

  #log(direction: 'sent' | 'received', bytes: Buffer, remote: SipAddress): void {
    this.transcript.add({
      direction,
      peer: this.options.user,
      transport: this.socket.transport,
      remote: `${remote.address}:${remote.port}`,
      bytes,
      message: parseMessage(bytes).message,
    });
  }
}

function branchOf(message: SipMessage): string {
  return /;\s*branch=([^;,\s]+)/.exec(headerLines(message, 'via')[0] ?? '')?.[1] ?? '';
}
