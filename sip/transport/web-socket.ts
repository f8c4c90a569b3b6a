import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { parseMessage, SipParseError } from '../message/parse.ts';
import { Connection, type ConnectionHost } from './connection.ts';
import { FrameCounter } from './web-socket-frames.ts';

const PING = Buffer.from('\r\n\r\n');
const PONG = Buffer.from('\r\n');
/** RFC 6455 7.4.1: we go away. */
const GOING_AWAY = 1001;

/** A WebSocket client's connection; each of its messages is one SIP message (RFC 7118 5). */
export class WebSocketConnection extends Connection {
  private readonly webSocket: WebSocket;
  private readonly frames = new FrameCounter();
  /** What the latest ping that is not answered yet says. */
  private ping: Buffer | undefined;

  /** @param socket the one beneath */
  constructor(
    protocol: 'WS' | 'WSS',
    webSocket: WebSocket,
    socket: Socket,
    peer: { readonly address: string; readonly port: number },
    host: ConnectionHost,
  ) {
    super(protocol, socket, peer, host, undefined);
    this.webSocket = webSocket;
    this.ping = undefined;
    webSocket.on('message', (data: Buffer) => this.take(data));
    webSocket.on('ping', (data: Buffer) => this.pinged(data));
    webSocket.on('error', (error: Error & { code?: string }) => {
      if (error.code !== undefined && TOO_LARGE.has(error.code)) this.shutOut('message too large');
      else this.destroy();
    });
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
  }

  protected write(bytes: Buffer): void {
    // RFC 7118 4.2: browsers want text, and what is no UTF-8 must be binary.
    this.webSocket.send(bytes, { binary: !isUtf8(bytes) });
  }

  protected finishWriting(): void {
    this.webSocket.close(GOING_AWAY);
  }

  /** The library reads the messages; here it is watched how long and large they get. */
  protected read(bytes: Buffer): void {
    this.frames.push(bytes);
  }

  protected get inMessage(): boolean {
    return this.frames.held > 0;
  }

  protected get incompleteBytes(): number {
    return this.frames.held;
  }

  protected finishReading(): void {
    this.webSocket.removeAllListeners('message');
  }

  private take(data: Buffer): void {
    if (this.closed) return;
    try {
      // RFC 7118 6: keep-alives in messages of their own.
      if (data.equals(PING)) this.send(PONG);
      else if (!data.equals(PONG)) this.host.onMessage(parseMessage(data), this);
    } catch (error) {
      if (error instanceof SipParseError) this.host.onMalformed(error, this);
      else this.host.onFailure(error);
    }
  }

  /** RFC 6455 5.5.3: of pings that come together the latest alone has to be answered. */
  private pinged(data: Buffer): void {
    if (this.ping === undefined) queueMicrotask(() => this.pong());
    this.ping = data;
  }

  /** RFC 6455 5.5.2; not left to the library, which would answer a client that reads nothing without end. */
  private pong(): void {
    const data = this.ping;
    this.ping = undefined;
    if (this.closed) return;
    if (this.socket.writableLength > this.host.limits.maxQueuedBytes) this.shutOut('peer does not read');
    else this.webSocket.pong(data);
  }
}

/** Too many bytes, or too many fragments. */
const TOO_LARGE: ReadonlySet<string> = new Set(['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 'WS_ERR_TOO_MANY_BUFFERED_PARTS']);
