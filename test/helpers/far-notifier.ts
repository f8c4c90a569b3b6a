/** The notifier of another domain (RFC 6665 4.2), played by hand over UDP: it checks every request and response that reaches it. */
import { checkRequest, checkResponse } from './sip-checks.ts';
import { cseqNumber, parseNameAddress, parseUri } from './sip-headers.ts';
import { header, headerLines, parseMessage, type SipMessage, serialise } from './sip-message.ts';
import type { HeaderField } from './sip-peer-options.ts';
import { hostPort, openSipSocket, type SipAddress, type SipSocket } from './sip-socket.ts';
import { token } from './token.ts';

/** A SUBSCRIBE that came, and how to answer it. */
export interface FarSubscribe {
  readonly message: SipMessage;
  readonly from: string;
  /** With a tag in To, so it is in a dialog. */
  readonly isRefresh: boolean;
  readonly expires: number;
  /** Answers, in the dialog that it makes or is in. */
  answer(status: number, fields?: readonly HeaderField[]): void;
}

export interface FarNotify {
  readonly state: string;
  readonly body?: string | Buffer;
  readonly fields?: readonly HeaderField[];
  /** Another CSeq than the next one. */
  readonly cseq?: number;
  /** Another From tag, as of another fork. */
  readonly tag?: string;
}

interface FarDialog {
  readonly tag: string;
  readonly from: string;
  readonly to: string;
  readonly contact: string;
  cseq: number;
}

export class FarNotifier {
  readonly #socket: SipSocket;
  readonly #faults: string[] = [];
  readonly #queue: FarSubscribe[] = [];
  readonly #dialogs = new Map<string, FarDialog>();
  #waiting: ((subscribe: FarSubscribe) => void)[] = [];
  #responses = new Map<string, (response: SipMessage) => void>();
  readonly #sent = new Map<string, SipMessage>();
  /** Branches of the SUBSCRIBEs that came, so that a retransmission is no other. */
  readonly #seen = new Set<string>();

  private constructor(socket: SipSocket) {
    this.#socket = socket;
  }

  static async open(): Promise<FarNotifier> {
    let far: FarNotifier | undefined;
    const socket = await openSipSocket(
      'udp',
      ({ bytes, remote }) => far?.take(bytes, remote),
      (fault) => far?.faults.push(fault),
    );
    far = new FarNotifier(socket);
    return far;
  }

  get address(): SipAddress {
    return this.#socket.local;
  }

  get faults(): string[] {
    return this.#faults;
  }

  /** SUBSCRIBEs that nobody has taken. */
  get unread(): number {
    return this.#queue.length;
  }

  /** The next SUBSCRIBE. */
  subscribe(timeout = 5000): Promise<FarSubscribe> {
    const next = this.#queue.shift();
    if (next) return Promise.resolve(next);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no SUBSCRIBE within ${timeout} ms`)), timeout);
      this.#waiting.push((subscribe) => {
        clearTimeout(timer);
        resolve(subscribe);
      });
    });
  }

  /** Sends a NOTIFY in the dialog of the SUBSCRIBE; gives the status of the response. */
  notify({ message }: FarSubscribe, { state, body, fields = [], cseq, tag }: FarNotify): Promise<number> {
    const callId = header(message, 'call-id') ?? '';
    const dialog = this.#dialogs.get(callId) ?? this.#dialogOf(message);
    const branch = `z9hG4bK${token()}`;
    const head: HeaderField[] = [
      ['Via', `SIP/2.0/UDP ${hostPort(this.address)};branch=${branch}`],
      ['Max-Forwards', '70'],
      ['From', tag === undefined ? dialog.to : dialog.to.replace(/;tag=.*$/, `;tag=${tag}`)],
      ['To', dialog.from],
      ['Call-ID', callId],
      ['CSeq', `${cseq ?? ++dialog.cseq} NOTIFY`],
      ['Contact', `<sip:far@${hostPort(this.address)}>`],
      ['Event', 'presence'],
      ['Subscription-State', state],
      ...(body === undefined ? [] : ([['Content-Type', 'application/pidf+xml']] as const)),
    ];
    const named = new Set(fields.map(([name]) => name.toLowerCase()));
    const all = [...head.filter(([name]) => !named.has(name.toLowerCase())), ...fields.filter(([, value]) => value !== '')];
    const bytes = serialise(`NOTIFY ${dialog.contact} SIP/2.0`, all, body ?? '');
    const request = parseMessage(bytes).message;
    if (request) this.#sent.set(branch, request);
    const { host, port } = parseUri(dialog.contact);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no response to a NOTIFY')), 5000);
      this.#responses.set(branch, ({ status }) => {
        clearTimeout(timer);
        resolve(status);
      });
      void this.#socket.send(bytes, { address: host, port: port ?? 5060 });
    });
  }

  async close(): Promise<void> {
    await this.#socket.close();
    if (this.#faults.length > 0) throw new Error(`the far notifier found faults:\n${this.#faults.join('\n')}`);
  }

  private take(bytes: Buffer, remote: SipAddress): void {
    const { message, faults } = parseMessage(bytes);
    this.#faults.push(...faults);
    if (!message) return;
    if (message.kind === 'response') {
      const branch = /branch=([^;,\s]+)/.exec(header(message, 'via') ?? '')?.[1] ?? '';
      const request = this.#sent.get(branch);
      if (request) this.#faults.push(...checkResponse(request, message));
      this.#responses.get(branch)?.(message);
      return;
    }
    this.#faults.push(...checkRequest(message, 'UDP', remote));
    if (message.method !== 'SUBSCRIBE') {
      this.#faults.push(`a ${message.method}`);
      return;
    }
    const branch = /branch=([^;,\s]+)/.exec(header(message, 'via') ?? '')?.[1] ?? '';
    if (this.#seen.has(branch)) return;
    this.#seen.add(branch);
    const subscribe = this.#read(message, remote);
    const waiter = this.#waiting.shift();
    if (waiter) waiter(subscribe);
    else this.#queue.push(subscribe);
  }

  #read(message: SipMessage, remote: SipAddress): FarSubscribe {
    const from = parseNameAddress(header(message, 'from') ?? '');
    const to = parseNameAddress(header(message, 'to') ?? '');
    for (const name of ['Event', 'Expires', 'Contact', 'Accept']) {
      if (headerLines(message, name).length !== 1) this.#faults.push(`${headerLines(message, name).length} ${name} in SUBSCRIBE`);
    }
    const isRefresh = to.params.has('tag');
    const dialog = this.#dialogs.get(header(message, 'call-id') ?? '');
    if (isRefresh && dialog && to.params.get('tag') !== parseNameAddress(dialog.to).params.get('tag')) this.#faults.push('another To tag');
    if (isRefresh && header(message, 'from') !== dialog?.from) this.#faults.push('another From in the dialog');
    if (!isRefresh && cseqNumber(header(message, 'cseq')) < 1) this.#faults.push('CSeq below 1');
    return {
      message,
      from: from.uri,
      isRefresh,
      expires: Number(header(message, 'expires')),
      answer: (status, fields = []) => {
        const made = status < 300 ? (this.#dialogs.get(header(message, 'call-id') ?? '') ?? this.#dialogOf(message)) : undefined;
        const via = (header(message, 'via') ?? '').replace(/;rport(?=;|$)/, `;rport=${remote.port};received=${remote.address}`);
        const head: HeaderField[] = [
          ['Via', via],
          ['From', header(message, 'from') ?? ''],
          ['To', made?.to ?? (isRefresh ? (header(message, 'to') ?? '') : `${header(message, 'to')};tag=${token()}`)],
          ['Call-ID', header(message, 'call-id') ?? ''],
          ['CSeq', header(message, 'cseq') ?? ''],
          ...(made ? ([['Contact', `<sip:far@${hostPort(this.address)}>`]] as const) : []),
        ];
        const expires: HeaderField[] =
          made && !fields.some(([name]) => name === 'Expires') ? [['Expires', header(message, 'expires') ?? '']] : [];
        void this.#socket.send(serialise(`SIP/2.0 ${status} Answer`, [...head, ...expires, ...fields]), remote);
      },
    };
  }

  #dialogOf(message: SipMessage): FarDialog {
    const tag = token();
    const contact = parseNameAddress(header(message, 'contact') ?? '').uri;
    const dialog = { tag, from: header(message, 'from') ?? '', to: `${header(message, 'to')};tag=${tag}`, contact, cseq: 0 };
    this.#dialogs.set(header(message, 'call-id') ?? '', dialog);
    return dialog;
  }
}
