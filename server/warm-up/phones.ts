import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { Credentials } from './credentials.ts';

/** What an agent keeps of a subscription of its own. */
export interface PhoneDialog {
  readonly callId: string;
  readonly watcher: string;
  readonly presentity: string;
  /** The server's tag and Contact. */
  readonly tag: string;
  readonly target: string;
  cseq: number;
}

interface PhoneRequest {
  readonly method: string;
  readonly to: string;
  readonly from: string;
  /** Header fields besides those that every request has, each with its line end. */
  readonly head: string;
  readonly body?: string;
  readonly dialog?: PhoneDialog;
}

interface PhoneAnswer {
  readonly callId: string;
  readonly text: string;
}

const PRESENCE_NAMESPACES =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid"';
const LIST_FIELDS = 'Supported: eventlist\r\nAccept: application/pidf+xml, application/rlmi+xml, multipart/related\r\n';

/** Any number of agents on one UDP socket, by template: all that they are sent is answered with 200 at once. Checks nothing. */
export class Phones {
  private readonly socket: Socket;
  private readonly serverPort: number;
  private readonly domain: string;
  private readonly port: number;
  private readonly passwordOf: (user: string) => string;
  private readonly pending = new Map<string, (text: string) => void>();
  private readonly credentials = new Map<string, Credentials>();
  private next = 0;
  /** Told of every NOTIFY, by the Call-ID of its dialog. */
  onNotify: (callId: string, text: string) => void = () => {};

  private constructor(socket: Socket, serverPort: number, domain: string, passwordOf: (user: string) => string) {
    this.socket = socket;
    this.serverPort = serverPort;
    this.domain = domain;
    this.passwordOf = passwordOf;
    this.port = socket.address().port;
    socket.on('message', (bytes) => this.receive(bytes.toString('latin1')));
  }

  /**
   * @param serverPort of 127.0.0.1
   * @param passwordOf the password of each user, where the server asks for one
   */
  static async open(serverPort: number, domain: string, passwordOf: (user: string) => string = (user) => user): Promise<Phones> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, lookup: (host, _options, done) => done(null, host, 4) });
    // With a lookup that answers at once, the event may come before bind returns.
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    return new Phones(socket, serverPort, domain, passwordOf);
  }

  close(): void {
    this.socket.close();
  }

  /** Subscribes one user to another; resolves once answered. */
  async subscribe(watcher: string, presentity: string, list = false): Promise<PhoneDialog> {
    const head = `Event: presence\r\nExpires: 3600\r\n${this.contact(watcher)}${list ? LIST_FIELDS : ''}`;
    const { callId, text } = await this.request({ method: 'SUBSCRIBE', to: presentity, from: watcher, head });
    const tag = /^To:.*;tag=([^;\s]+)/im.exec(text)?.[1] ?? '';
    const target = /^Contact: *<([^>]+)>/im.exec(text)?.[1] ?? '';
    return { callId, watcher, presentity, tag, target, cseq: 1 };
  }

  /** Refreshes a subscription, or with no seconds ends it. */
  async resubscribe(dialog: PhoneDialog, seconds: number): Promise<void> {
    const { watcher, presentity } = dialog;
    dialog.cseq++;
    const head = `Event: presence\r\nExpires: ${seconds}\r\n${this.contact(watcher)}`;
    await this.request({ method: 'SUBSCRIBE', to: presentity, from: watcher, head, dialog });
  }

  /**
   * Publishes a state; resolves with its entity-tag.
   * @param note what is published anew; without one, what is published is refreshed
   */
  async publish(user: string, note: string | undefined, etag?: string): Promise<string> {
    const body =
      note === undefined
        ? ''
        : `<?xml version="1.0" encoding="UTF-8"?>\n<presence ${PRESENCE_NAMESPACES} entity="sip:${user}@${this.domain}"><tuple id="t"><status><basic>open</basic></status><contact priority="0.8">sip:${user}@192.0.2.1</contact><note>${note}</note></tuple><dm:person id="p"><rpid:activities><rpid:away/></rpid:activities></dm:person></presence>\n`;
    const type = note === undefined ? '' : 'Content-Type: application/pidf+xml\r\n';
    const head = `Event: presence\r\nExpires: 3600\r\n${etag ? `SIP-If-Match: ${etag}\r\n` : ''}${type}`;
    const { text } = await this.request({ method: 'PUBLISH', to: user, from: user, head, body });
    return /^SIP-ETag: (\S+)/im.exec(text)?.[1] ?? '';
  }

  /** Binds the user to this socket. */
  async register(user: string): Promise<void> {
    await this.request({ method: 'REGISTER', to: user, from: user, head: `${this.contact(user)}Expires: 3600\r\n` });
  }

  /** The same by an agent that knows no nonce yet: a challenge and its answer. */
  async registerAnew(user: string): Promise<void> {
    this.credentials.delete(user);
    await this.register(user);
  }

  /** Sends a text; resolves once it has been answered by its recipient, or kept. */
  async message(from: string, to: string, text: string): Promise<void> {
    await this.request({ method: 'MESSAGE', to, from, head: 'Content-Type: text/plain\r\n', body: text });
  }

  private contact(user: string): string {
    return `Contact: <sip:${user}@127.0.0.1:${this.port}>\r\n`;
  }

  /** Sends a request, logging in where that is asked for; rejects when it is answered with anything but 2xx. */
  private async request(request: PhoneRequest): Promise<PhoneAnswer> {
    const { from } = request;
    let answer = await this.exchange(request);
    if (answer.text.startsWith('SIP/2.0 401') || answer.text.startsWith('SIP/2.0 407')) {
      const credentials = this.credentials.get(from) ?? new Credentials(from, this.passwordOf(from));
      credentials.challenged(/^(?:WWW|Proxy)-Authenticate:.*algorithm=MD5.*$/im.exec(answer.text)?.[0] ?? '');
      this.credentials.set(from, credentials);
      answer = await this.exchange(request);
    }
    if (answer.text.startsWith('SIP/2.0 2')) return answer;
    throw new Error(`${request.method}: ${answer.text.slice(0, answer.text.indexOf('\r\n'))}`);
  }

  /** Sends a request and gives its response, whatever it is. */
  private exchange({ method, to, from, head, body = '', dialog }: PhoneRequest): Promise<PhoneAnswer> {
    const branch = `b${++this.next}`;
    const callId = dialog?.callId ?? branch;
    const { domain } = this;
    const uri = dialog?.target ?? `sip:${to}@${domain}`;
    const tag = dialog ? `;tag=${dialog.tag}` : '';
    const login = this.credentials.get(from)?.answer(method, uri);
    // What goes through the server to another agent is asked for as by a proxy (RFC 3261 22.3).
    const authorization = login === undefined ? '' : `${method === 'MESSAGE' ? 'Proxy-' : ''}Authorization: ${login}\r\n`;
    const text = `${method} ${uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${this.port};rport;branch=z9hG4bK${branch}\r\nMax-Forwards: 70\r\nFrom: <sip:${from}@${domain}>;tag=${callId}\r\nTo: <sip:${to}@${domain}>${tag}\r\nCall-ID: ${callId}\r\nCSeq: ${dialog?.cseq ?? 1} ${method}\r\n${authorization}${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    return new Promise((resolve) => {
      this.pending.set(branch, (response) => resolve({ callId, text: response }));
      this.socket.send(text, this.serverPort, '127.0.0.1');
    });
  }

  private receive(text: string): void {
    if (text.startsWith('SIP/2.0')) {
      const branch = /^Via:.*;branch=z9hG4bK(\w+)/im.exec(text)?.[1] ?? '';
      this.pending.get(branch)?.(text);
      this.pending.delete(branch);
      return;
    }
    const copied = text.match(/^(?:Via|From|To|Call-ID|CSeq): .*\r\n/gim)?.join('') ?? '';
    this.socket.send(`SIP/2.0 200 OK\r\n${copied}Content-Length: 0\r\n\r\n`, this.serverPort, '127.0.0.1');
    this.onNotify(/^Call-ID: (\S+)/im.exec(text)?.[1] ?? '', text);
  }
}
