/** Plain sockets that speak SIP as text, so that the tests share no parser with the server. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6, type Socket } from 'node:net';
import { bindToBoth } from '../helpers/udp-port.ts';

const PATIENCE_MS = 5000;

/** Messages as they came, taken in order. */
export class Inbox {
  private readonly messages: string[] = [];
  private waiting: ((message: string) => void)[] = [];

  put(message: string): void {
    const taker = this.waiting.shift();
    if (taker === undefined) this.messages.push(message);
    else taker(message);
  }

  /** The next message; fails when none comes. */
  next(): Promise<string> {
    const ready = this.messages.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no message came')), PATIENCE_MS);
      this.waiting.push((message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
  }

  /** Messages that nobody has taken. */
  get left(): number {
    return this.messages.length;
  }
}

export class UdpPeer {
  readonly inbox = new Inbox();
  readonly port: number;
  private readonly socket: UdpSocket;
  private readonly serverPort: number;
  private readonly serverHost: string;

  private constructor(socket: UdpSocket, serverPort: number, serverHost: string) {
    this.socket = socket;
    this.port = socket.address().port;
    this.serverPort = serverPort;
    this.serverHost = serverHost;
    socket.on('message', (bytes) => this.inbox.put(bytes.toString('latin1')));
  }

  /** @param ownHost where to send from, the server's address by default */
  static async open(serverPort: number, serverHost = '127.0.0.1', ownHost = serverHost): Promise<UdpPeer> {
    const socket = createSocket(isIPv6(serverHost) ? 'udp6' : 'udp4');
    await bindToBoth(socket, ownHost);
    return new UdpPeer(socket, serverPort, serverHost);
  }

  send(message: string | Buffer): void {
    this.socket.send(typeof message === 'string' ? Buffer.from(message, 'latin1') : message, this.serverPort, this.serverHost);
  }

  /** Sends a request and gives the next message. */
  ask(message: string | Buffer): Promise<string> {
    this.send(message);
    return this.inbox.next();
  }

  close(): void {
    this.socket.close();
  }
}

export class TcpPeer {
  /** Messages, and `\r\n` for each keep-alive answer. */
  readonly inbox = new Inbox();
  readonly port: number;
  readonly closed: Promise<void>;
  private readonly socket: Socket;
  private buffered = '';

  private constructor(socket: Socket) {
    this.socket = socket;
    this.port = socket.localPort ?? 0;
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      this.buffered += bytes.toString('latin1');
      this.cut();
    });
  }

  static async open(serverPort: number, serverHost = '127.0.0.1'): Promise<TcpPeer> {
    const socket = connect(serverPort, serverHost);
    await once(socket, 'connect');
    return new TcpPeer(socket);
  }

  send(message: string | Buffer): void {
    this.socket.write(typeof message === 'string' ? Buffer.from(message, 'latin1') : message);
  }

  /** Sends the message and nothing after it: what is still to come is read. */
  end(message: string): void {
    this.socket.end(Buffer.from(message, 'latin1'));
  }

  ask(message: string | Buffer): Promise<string> {
    this.send(message);
    return this.inbox.next();
  }

  close(): void {
    this.socket.destroy();
  }

  private cut(): void {
    for (;;) {
      if (this.buffered.startsWith('\r\n')) {
        this.inbox.put('\r\n');
        this.buffered = this.buffered.slice(2);
        continue;
      }
      const end = this.buffered.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/^Content-Length: (\d+)/m.exec(this.buffered)?.[1] ?? 0);
      if (this.buffered.length < end + 4 + length) return;
      this.inbox.put(this.buffered.slice(0, end + 4 + length));
      this.buffered = this.buffered.slice(end + 4 + length);
    }
  }
}

let counter = 0;

export interface RequestText {
  readonly method?: string;
  readonly uri?: string;
  readonly transport?: string;
  /** Via parameters beside the branch. */
  readonly via?: string;
  readonly sentBy?: string;
  readonly branch?: string;
  readonly from?: string;
  readonly to?: string;
  readonly callId?: string;
  readonly cseq?: string;
  /** Further lines. */
  readonly fields?: readonly string[];
  readonly body?: string;
}

/** A request as text, each time another Call-ID, branch and From tag. */
export function request(parts: RequestText = {}): string {
  const id = `${process.pid}x${++counter}`;
  const { method = 'OPTIONS', body = '' } = parts;
  return [
    `${method} ${parts.uri ?? 'sip:example.com'} SIP/2.0`,
    `Via: SIP/2.0/${parts.transport ?? 'UDP'} ${parts.sentBy ?? '127.0.0.1:9'};branch=${parts.branch ?? `z9hG4bK${id}`}${parts.via ?? ';rport'}`,
    'Max-Forwards: 70',
    `From: ${parts.from ?? `<sip:alice@example.com>;tag=f${id}`}`,
    `To: ${parts.to ?? '<sip:alice@example.com>'}`,
    `Call-ID: ${parts.callId ?? `c${id}`}`,
    `CSeq: ${parts.cseq ?? `1 ${method}`}`,
    ...(parts.fields ?? []),
    `Content-Length: ${Buffer.byteLength(body, 'latin1')}`,
    '',
    body,
  ].join('\r\n');
}

export function statusOf(message: string): number {
  return Number(/^SIP\/2\.0 (\d{3})/.exec(message)?.[1]);
}

export function reasonOf(message: string): string {
  return /^SIP\/2\.0 \d{3} ([^\r]*)/.exec(message)?.[1] ?? '';
}

/** All values of a field, as they stand there. */
export function fieldsOf(message: string, name: string): string[] {
  const head = message.slice(0, message.indexOf('\r\n\r\n'));
  return [...head.matchAll(new RegExp(`^${name.replace(/[.*+?^$()|[\]\\]/g, '\\$&')}: *([^\\r]*)`, 'gim'))].map((match) => match[1] ?? '');
}

export function fieldOf(message: string, name: string): string | undefined {
  return fieldsOf(message, name)[0];
}
