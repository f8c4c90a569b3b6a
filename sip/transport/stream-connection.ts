import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { SipParseError } from '../message/parse.ts';
import { StreamParser } from '../message/stream-parser.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import { type CertificateNames, sipDomains } from './peer-certificate.ts';

const PONG = Buffer.from('\r\n');
/** Bytes that are read at once, and milliseconds after which others have their turn: one request may become many. */
const PIECE = 4096;
const TURN = 8;

/** A connection over TCP or TLS, messages cut from its stream by Content-Length (RFC 3261 18.3). */
export class StreamConnection extends Connection {
  /** Of a TLS connection that was opened to us: the host name that its peer asked for (RFC 6066 3), in lower case. */
  askedFor: string | undefined;
  private readonly parser: StreamParser;
  /** Pings among the bytes that are being read. */
  private pings = 0;

  constructor(
    protocol: 'TCP' | 'TLS',
    socket: Socket | TLSSocket,
    peer: { readonly address: string; readonly port: number },
    host: ConnectionHost,
    connectTimeoutMs?: number,
  ) {
    super(protocol, socket, peer, host, connectTimeoutMs);
    this.askedFor = undefined;
    this.parser = new StreamParser(host.limits.maxBodyBytes, this);
    if (protocol === 'TLS') this.secure(socket as TLSSocket, connectTimeoutMs !== undefined);
    else socket.once('connect', () => this.open());
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
  }

  /** For the parser. */
  onMessage(message: SipRequest | SipResponse): void {
    this.host.onMessage(message, this);
  }

  /** For the parser. */
  onPing(): void {
    this.pings++;
  }

  /** For the parser. */
  onError(error: SipParseError, fatal: boolean): void {
    if (error.status === 413 || error.status === 513) this.host.onShutOut('message too large', this);
    this.host.onMalformed(error, this);
    // After the answer has gone out nothing the peer sends can be understood.
    if (fatal) this.end();
  }

  private secure(socket: TLSSocket, connecting: boolean): void {
    const identify = (): void => {
      // Who goes on with an earlier session of TLS 1.3 counts as authorized, certificate or not.
      const certificate = socket.authorized ? shownBy(socket) : undefined;
      if (certificate !== undefined) this.peerDomains = sipDomains(certificate);
    };
    if (!connecting) {
      identify();
      if (typeof socket.servername === 'string') this.askedFor = socket.servername.toLowerCase();
      return;
    }
    // Nothing leaves before it is known who is there.
    socket.cork();
    socket.once('secureConnect', () => {
      identify();
      this.open();
      socket.uncork();
    });
  }

  protected write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  protected finishWriting(): void {
    this.socket.end();
  }

  protected read(bytes: Buffer): void {
    if (bytes.length <= PIECE) this.parser.push(bytes);
    else this.readInTurns(bytes);
    if (this.pings > 0) this.pong();
  }

  private readInTurns(bytes: Buffer): void {
    const { socket } = this;
    const begun = performance.now();
    for (let position = 0; position < bytes.length && !this.closed; position += PIECE) {
      if (position > 0 && performance.now() - begun > TURN) {
        // Back into the socket, which comes to no end before that is read: the peer may have ended the connection behind it.
        socket.pause();
        socket.unshift(bytes.subarray(position));
        setImmediate(() => socket.resume());
        return;
      }
      this.parser.push(bytes.subarray(position, position + PIECE));
    }
  }

  /** RFC 5626 4.4.1: a ping gets its pong. Thousands of them at once are not worth a call of the system each. */
  private pong(): void {
    const { pings } = this;
    this.pings = 0;
    this.send(pings === 1 ? PONG : Buffer.alloc(pings * PONG.length, PONG));
  }

  protected get inMessage(): boolean {
    return this.parser.inMessage;
  }

  protected get incompleteBytes(): number {
    return this.parser.heldBytes + this.socket.readableLength;
  }

  protected finishReading(): void {
    this.parser.end();
  }
}

/** The peer's certificate; node:tls has an empty object for none. */
function shownBy(socket: TLSSocket): CertificateNames | undefined {
  const certificate: Partial<CertificateNames> = socket.getPeerCertificate();
  const { subject, subjectaltname } = certificate;
  return subject === undefined ? undefined : { subject, subjectaltname };
}

/** What a socket holds back before writing to it counts as waiting. */
export const SOCKET_QUEUE_BYTES = 16_384;

/** Begins to open a TCP connection to an IP literal; give it to a StreamConnection at once. */
export function connectTcp(address: string, port: number): Socket {
  const socket = new Socket({ highWaterMark: SOCKET_QUEUE_BYTES } as object);
  socket.connect({ host: address, port });
  return socket;
}
