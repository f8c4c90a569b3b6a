import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Flow, ListeningPoint } from './flow.ts';

const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024;
/** What fits behind the headers of IPv4 and UDP. */
export const MAX_DATAGRAM_BYTES = 65_507;

/** Datagrams that are sent at once at the latest. */
const MOST_WAITING = 64;

interface Datagram {
  readonly bytes: Buffer;
  readonly address: string;
  readonly port: number;
}

/**
 * A bound UDP socket. What one turn of the event loop has to send leaves at its end, one datagram behind the other: sent one by one
 * between the requests that are answered, each may wake its receiver anew, which has been seen to take longer than all else about it.
 */
export class UdpSocket implements ListeningPoint {
  readonly protocol = 'UDP';
  readonly address: string;
  readonly port: number;
  private readonly socket: Socket;
  private closed = false;
  private waiting: Datagram[] = [];
  private readonly atEnd = (): void => this.flush();

  private constructor(socket: Socket) {
    const { address, port } = socket.address();
    this.address = address;
    this.port = port;
    this.socket = socket;
  }

  /** @param host an IP literal. @throws the socket's error, e.g. EADDRINUSE */
  static async bind(
    host: string,
    port: number,
    onDatagram: (bytes: Buffer, flow: UdpFlow) => void,
    onError: (error: Error) => void,
  ): Promise<UdpSocket> {
    const socket = createSocket({
      type: isIPv6(host) ? 'udp6' : 'udp4',
      ipv6Only: isIPv6(host),
      // Only IP literals are sent to; the default lookup would go through dns for them too.
      lookup: (address, options, callback) => callback(null, address, typeof options === 'object' ? Number(options.family ?? 4) : 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: host, port }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    const udp = new UdpSocket(socket);
    socket.on('error', onError);
    socket.on('message', (bytes, peer) => onDatagram(bytes, new UdpFlow(udp, peer.address, peer.port)));
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // The system's limit is lower; bursts will be lost earlier, nothing else.
    }
    return udp;
  }

  /** Has the bytes sent within this turn; false when they are too many, the port is none or the socket is closed. */
  send(bytes: Buffer, address: string, port: number): boolean {
    if (this.closed || bytes.length > MAX_DATAGRAM_BYTES || !(port > 0 && port <= 65_535)) return false;
    this.waiting.push({ bytes, address, port });
    if (this.waiting.length === 1) setImmediate(this.atEnd);
    else if (this.waiting.length === MOST_WAITING) this.flush();
    return true;
  }

  close(): Promise<void> {
    if (this.closed) return Promise.resolve();
    this.flush();
    this.closed = true;
    return new Promise((resolve) => this.socket.close(() => resolve()));
  }

  /** Sends what waits for the end of the turn. */
  flush(): void {
    const { waiting } = this;
    if (waiting.length === 0) return;
    this.waiting = [];
    for (const { bytes, address, port } of waiting) {
      try {
        this.socket.send(bytes, port, address);
      } catch {
        // Lost, as any datagram may be.
      }
    }
  }
}

const NOBODY: readonly string[] = [];

/** A UDP socket and a peer's address. */
export class UdpFlow implements Flow {
  readonly protocol = 'UDP';
  readonly reliable = false;
  readonly closed = false;
  readonly opened = true;
  readonly peerDomains: readonly string[] = NOBODY;
  readonly remoteAddress: string;
  readonly remotePort: number;
  private readonly socket: UdpSocket;

  constructor(socket: UdpSocket, remoteAddress: string, remotePort: number) {
    this.socket = socket;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  get localAddress(): string {
    return this.socket.address;
  }

  get localPort(): number {
    return this.socket.port;
  }

  get id(): string {
    return `udp ${this.localAddress}:${this.localPort} ${this.remoteAddress}:${this.remotePort}`;
  }

  send(bytes: Buffer): boolean {
    return this.socket.send(bytes, this.remoteAddress, this.remotePort);
  }

  onClose(): void {}

  expectKeepAlives(): void {}

  /** The flow with that id over one of these sockets, if it is the id of such a flow. */
  static of(id: string, sockets: readonly UdpSocket[]): UdpFlow | undefined {
    const [, local, address = '', port] = /^udp (\S+) (\S+):(\d{1,5})$/.exec(id) ?? [];
    const socket = sockets.find((one) => `${one.address}:${one.port}` === local);
    return socket === undefined ? undefined : new UdpFlow(socket, address, Number(port));
  }

  /** The same socket's way to another address. */
  to(remoteAddress: string, remotePort: number): UdpFlow {
    return new UdpFlow(this.socket, remoteAddress, remotePort);
  }
}
