import { createServer, isIPv6, type Server, Socket } from 'node:net';
import { type StreamEvents, StreamParser } from '../message/stream-parser.ts';
import type { Flow, ListeningPoint } from './flow.ts';
import type { Timer, TimerWheel } from './timer-wheel.ts';

export interface TcpLimits {
  readonly maxBodyBytes: number;
  /** Bytes a peer may leave unread before its connection is given up. */
  readonly maxQueuedBytes: number;
  /** Time a message may take from its first byte to its last. */
  readonly messageTimeoutMs: number;
  /** Time without any byte after which a connection is closed. */
  readonly idleTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

export interface ConnectionEvents extends Omit<StreamEvents, 'onPing'> {
  /** Reading failed, and it was not the peer's fault. */
  onFailure(error: unknown): void;
}

const PONG = Buffer.from('\r\n');
let connections = 0;

/** One connection, accepted or opened; a flow from the start, also while it is connecting. */
export class TcpConnection implements Flow {
  readonly protocol = 'TCP';
  readonly reliable = true;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly id = `tcp ${++connections}`;
  private readonly socket: Socket;
  private readonly wheel: TimerWheel;
  private readonly limits: TcpLimits;
  private readonly parser: StreamParser;
  private readonly events: ConnectionEvents;
  private readonly closeListeners: (() => void)[] = [];
  private timer: Timer;
  private lastActivity = performance.now();
  private waitingForRest = false;
  private ended = false;
  private established: boolean;

  constructor(socket: Socket, remoteAddress: string, remotePort: number, wheel: TimerWheel, limits: TcpLimits, events: ConnectionEvents) {
    this.socket = socket;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.wheel = wheel;
    this.limits = limits;
    this.events = events;
    this.parser = new StreamParser(limits.maxBodyBytes, {
      onMessage: (message) => events.onMessage(message),
      onPing: () => this.send(PONG),
      onError: (error, fatal) => {
        events.onError(error, fatal);
        // After the answer has gone out nothing the peer sends can be understood.
        if (fatal) this.end();
      },
    });
    this.timer = wheel.schedule(socket.connecting ? limits.connectTimeoutMs : limits.messageTimeoutMs, expire, this);
    this.established = !socket.connecting;
    socket.setNoDelay(true);
    socket.on('connect', () => {
      this.established = true;
      wheel.reschedule(this.timer, limits.idleTimeoutMs);
    });
    socket.on('data', (bytes) => this.receive(bytes));
    // An error is always followed by close.
    socket.on('error', () => {});
    socket.on('close', () => this.finish());
  }

  get localAddress(): string {
    return this.socket.localAddress ?? '';
  }

  get localPort(): number {
    return this.socket.localPort ?? 0;
  }

  get closed(): boolean {
    return this.ended;
  }

  get opened(): boolean {
    return this.established;
  }

  send(bytes: Buffer): boolean {
    if (this.ended) return false;
    if (this.socket.writableLength + bytes.length > this.limits.maxQueuedBytes) {
      this.destroy();
      return false;
    }
    this.lastActivity = performance.now();
    this.socket.write(bytes);
    return true;
  }

  onClose(listener: () => void): void {
    if (this.ended) listener();
    else this.closeListeners.push(listener);
  }

  /** Sends what is queued and closes. */
  end(): void {
    if (this.ended) return;
    this.socket.end();
    this.wheel.reschedule(this.timer, this.limits.messageTimeoutMs);
    this.finish(false);
  }

  destroy(): void {
    this.socket.destroy();
    this.finish();
  }

  /** Closes when nothing has come for too long, in a message or at all. */
  checkIdle(): void {
    const idle = performance.now() - this.lastActivity;
    if (this.ended || this.waitingForRest || this.socket.connecting || idle >= this.limits.idleTimeoutMs) this.destroy();
    else this.wheel.reschedule(this.timer, this.limits.idleTimeoutMs - idle);
  }

  private receive(bytes: Buffer): void {
    if (this.ended) return;
    this.lastActivity = performance.now();
    try {
      this.parser.push(bytes);
    } catch (error) {
      // Where the next message begins is unknown now.
      this.events.onFailure(error);
      this.destroy();
      return;
    }
    const waiting = this.parser.inMessage;
    if (waiting === this.waitingForRest || this.ended) return;
    this.waitingForRest = waiting;
    this.wheel.reschedule(this.timer, waiting ? this.limits.messageTimeoutMs : this.limits.idleTimeoutMs);
  }

  private finish(stopTimer = true): void {
    if (stopTimer) this.wheel.cancel(this.timer);
    if (this.ended) return;
    this.ended = true;
    this.parser.end();
    for (const listener of this.closeListeners.splice(0)) listener();
  }
}

function expire(connection: TcpConnection): void {
  connection.checkIdle();
}

/** Begins to open a connection; give it to a TcpConnection at once. */
export function connect(address: string, port: number): Socket {
  const socket = new Socket();
  socket.connect({ host: address, port, lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4) });
  return socket;
}

/** A listening TCP socket. */
export class TcpListener implements ListeningPoint {
  readonly protocol = 'TCP';
  readonly address: string;
  readonly port: number;
  private readonly server: Server;

  private constructor(server: Server, address: string, port: number) {
    this.server = server;
    this.address = address;
    this.port = port;
  }

  /** @throws the socket's error, e.g. EADDRINUSE */
  static async bind(
    host: string,
    port: number,
    onConnection: (socket: Socket) => void,
    onError: (error: Error) => void,
  ): Promise<TcpListener> {
    const server = createServer(onConnection);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port, ipv6Only: isIPv6(host), backlog: 1024 }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', onError);
    const bound = server.address();
    if (bound === null || typeof bound === 'string') throw new Error('not an IP socket');
    return new TcpListener(server, bound.address, bound.port);
  }

  /** Stops accepting; open connections are not its business. */
  close(): Promise<void> {
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
