import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { MAX_HEAD_BYTES } from '../message/parse.ts';
import type { Acceptor } from './stream-listener.ts';
import type { Timer, TimerWheel } from './timer-wheel.ts';
import { chooseByName, type TlsSource } from './tls.ts';

export interface WebSocketEvents {
  /** @param socket the one beneath */
  onConnection(webSocket: WebSocket, socket: Socket): void;
  /** The TLS handshake failed. */
  onFailure(error: Error, socket: Socket): void;
  /** The opening handshake (RFC 6455 4.2.1) was not complete in time. */
  onLate(socket: Socket): void;
}

export interface WebSocketLimits {
  readonly maxBodyBytes: number;
  /** From the connection's first moment to the end of the WebSocket's opening handshake. */
  readonly handshakeTimeoutMs: number;
}

const SUBPROTOCOL = 'sip';
const HEAD_LIMIT = 16_384;
/** Fragments of one message. Each keeps the memory alive that it was read into, with all else that was in it. */
const MAX_FRAGMENTS = 256;

/** Makes WebSockets of accepted sockets, with TLS or without (RFC 7118 4.1). */
export class WebSocketAcceptor implements Acceptor {
  private readonly http: Server | SecureServer;
  private readonly webSockets: WebSocketServer;
  private readonly wheel: TimerWheel;
  private readonly limits: WebSocketLimits;
  private readonly events: WebSocketEvents;
  private readonly tls: TlsSource | undefined;
  /** Those whose handshake is under way, by the peer's address, which the TCP socket and the TLS one on top of it share. */
  private readonly waiting = new Map<string, { readonly socket: Socket; readonly timer: Timer }>();

  /** @param tls for secure ones */
  constructor(wheel: TimerWheel, limits: WebSocketLimits, events: WebSocketEvents, tls: TlsSource | undefined) {
    this.wheel = wheel;
    this.limits = limits;
    this.events = events;
    this.tls = tls;
    const settings = { maxHeaderSize: HEAD_LIMIT, insecureHTTPParser: false };
    this.http =
      tls === undefined
        ? createServer(settings, refuse)
        : createSecureServer(
            { ...settings, ...tls.pair, ...chooseByName(tls), ca: undefined, handshakeTimeout: limits.handshakeTimeoutMs },
            refuse,
          );
    if (tls !== undefined && 'setSecureContext' in this.http) tls.add(this.http);
    this.webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      autoPong: false,
      skipUTF8Validation: true,
      maxPayload: limits.maxBodyBytes + MAX_HEAD_BYTES,
      maxFragments: MAX_FRAGMENTS,
      handleProtocols: () => SUBPROTOCOL,
    });
    this.http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => this.upgrade(request, socket as Socket, head));
    this.http.on('clientError', (_error, socket) => void socket.destroy());
    this.http.on('tlsClientError', (error: Error, socket: Socket) => events.onFailure(error, socket));
  }

  accept(socket: Socket): void {
    const key = peerOf(socket);
    this.waiting.set(key, { socket, timer: this.wheel.schedule(this.limits.handshakeTimeoutMs, this.giveUp, key) });
    socket.once('close', () => this.arrived(key));
    this.http.emit('connection', socket);
  }

  close(): void {
    if (this.tls !== undefined && 'setSecureContext' in this.http) this.tls.remove(this.http);
    for (const { socket } of this.waiting.values()) socket.destroy();
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim().toLowerCase());
    socket.on('error', () => {});
    if (!offered.includes(SUBPROTOCOL)) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.arrived(peerOf(socket));
      this.events.onConnection(webSocket, socket);
    });
  }

  private readonly giveUp = (key: string): void => {
    const late = this.waiting.get(key);
    if (late === undefined) return;
    this.events.onLate(late.socket);
    late.socket.destroy();
  };

  private arrived(key: string): void {
    const arrived = this.waiting.get(key);
    if (arrived === undefined) return;
    this.wheel.cancel(arrived.timer);
    this.waiting.delete(key);
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** RFC 9110 15.5.22: here is nothing but WebSocket. */
function refuse(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { Upgrade: 'websocket', Connection: 'close', 'Content-Length': 0 }).end();
}
