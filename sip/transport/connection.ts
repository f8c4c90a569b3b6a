import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { SipParseError } from '../message/parse.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { Flow, Protocol } from './flow.ts';
import type { Timer, TimerWheel } from './timer-wheel.ts';

export interface ConnectionLimits {
  readonly maxBodyBytes: number;
  /** Bytes a peer may leave unread before its connection is given up. */
  readonly maxQueuedBytes: number;
  /** Time a message may take from its first byte to its last. */
  readonly messageTimeoutMs: number;
  /** Time without any byte after which a connection is closed. */
  readonly idleTimeoutMs: number;
}

/** Why a connection was shut out; the words for the log. */
export type ShutOut =
  | 'too many connections'
  | 'too many connections from one address'
  | 'message too large'
  | 'message not complete in time'
  | 'handshake not complete in time'
  | 'peer does not read'
  | 'too much unread by peers'
  | 'too many bytes of incomplete messages';

/** What connections need of the layer they live in. */
export interface ConnectionHost {
  readonly wheel: TimerWheel;
  readonly limits: ConnectionLimits;
  /** Bytes of messages that have begun, of all connections. */
  readonly incomplete: ByteBudget<Connection>;
  /** Bytes that wait for peers to read, of all connections with more than a few. */
  readonly queued: ByteBudget<Connection>;
  onMessage(message: SipRequest | SipResponse, connection: Connection): void;
  /** A message that cannot be processed. */
  onMalformed(error: SipParseError, connection: Connection): void;
  /** Reading failed, and it was not the peer's fault. */
  onFailure(error: unknown): void;
  onShutOut(reason: ShutOut, connection: Connection): void;
}

/** Tells the connections of this run from those of others. */
const RUN = randomBytes(6).toString('base64url');
let connections = 0;
/** RFC 5626 4.4: beyond the interval that was agreed on, the server waits for what is delayed. */
const KEEP_ALIVE_GRACE = 1.5;

/** A connection, accepted or opened; a flow from the start, also while it is connecting. */
export abstract class Connection implements Flow {
  readonly reliable = true;
  readonly id = `${RUN}-${++connections}`;
  readonly protocol: Protocol;
  readonly remoteAddress: string;
  readonly remotePort: number;
  peerDomains: readonly string[] = [];
  /** Of a TLS connection that we open: the domain or address that its peer's certificate must name. */
  openedTo: string | undefined = undefined;
  /** Of a TLS connection: the domain whose own certificate the peer was shown, in lower case; undefined for that of the server. */
  shownAs: string | undefined = undefined;
  /** Have we opened it? */
  readonly isOurs: boolean;
  protected readonly host: ConnectionHost;
  protected readonly socket: Socket;
  private closeListeners: (() => void)[] = [];
  private readonly timer: Timer;
  private lastActivity = performance.now();
  private idleTimeoutMs: number;
  private waitingForRest = false;
  private holding = 0;
  private connecting: boolean;
  private ended = false;

  /**
   * @param socket the TCP or TLS socket
   * @param connectTimeoutMs undefined for one that is open
   */
  protected constructor(
    protocol: Protocol,
    socket: Socket,
    peer: { readonly address: string; readonly port: number },
    host: ConnectionHost,
    connectTimeoutMs: number | undefined,
  ) {
    const { wheel, limits } = host;
    this.protocol = protocol;
    this.socket = socket;
    this.remoteAddress = peer.address;
    this.remotePort = peer.port;
    this.host = host;
    this.connecting = connectTimeoutMs !== undefined;
    this.isOurs = this.connecting;
    this.idleTimeoutMs = limits.idleTimeoutMs;
    this.timer = wheel.schedule(connectTimeoutMs ?? limits.messageTimeoutMs, expire, this);
    socket.setNoDelay(true);
    // An error is always followed by close.
    socket.on('error', () => {});
    socket.on('close', () => this.finish());
    socket.on('drain', () => host.queued.set(this, 0));
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
    return !this.connecting;
  }

  send(bytes: Buffer): boolean {
    if (this.ended) return false;
    if (this.socket.writableLength + bytes.length > this.host.limits.maxQueuedBytes) {
      this.shutOut('peer does not read');
      return false;
    }
    this.lastActivity = performance.now();
    this.write(bytes);
    if (this.socket.writableNeedDrain) this.host.queued.set(this, this.socket.writableLength);
    return !this.ended;
  }

  onClose(listener: () => void): void {
    if (this.ended) listener();
    else this.closeListeners.push(listener);
  }

  expectKeepAlives(seconds: number): void {
    if (this.ended) return;
    this.idleTimeoutMs = seconds * 1000 * KEEP_ALIVE_GRACE;
    if (!this.waitingForRest) this.host.wheel.reschedule(this.timer, this.idleTimeoutMs);
  }

  /** Sends what is queued and closes. */
  end(): void {
    if (this.ended) return;
    this.finishWriting();
    this.host.wheel.reschedule(this.timer, this.host.limits.messageTimeoutMs);
    this.finish(false);
  }

  destroy(): void {
    this.socket.destroy();
    this.finish();
  }

  /** Closes and tells why. */
  shutOut(reason: ShutOut): void {
    if (!this.ended) this.host.onShutOut(reason, this);
    this.destroy();
  }

  /** Closes when nothing has come for too long, in a message or at all. */
  checkIdle(): void {
    const idle = performance.now() - this.lastActivity;
    if (!this.ended && this.waitingForRest) this.shutOut('message not complete in time');
    else if (this.ended || this.connecting || idle >= this.idleTimeoutMs) this.destroy();
    else this.host.wheel.reschedule(this.timer, this.idleTimeoutMs - idle);
  }

  /** Gives a whole message, or several of a stream, to the socket. */
  protected abstract write(bytes: Buffer): void;
  /** Ends the writing side once what is queued has gone. */
  protected abstract finishWriting(): void;
  /** Takes the next bytes that came. @throws what is no fault of the peer */
  protected abstract read(bytes: Buffer): void;
  /** Has a message begun and not ended? */
  protected abstract readonly inMessage: boolean;
  /** Bytes kept of it. */
  protected abstract readonly incompleteBytes: number;
  /** Nothing more will be read: forget what has been. */
  protected abstract finishReading(): void;

  protected open(): void {
    this.connecting = false;
    this.host.wheel.reschedule(this.timer, this.idleTimeoutMs);
  }

  protected receive(bytes: Buffer): void {
    if (this.ended) return;
    this.lastActivity = performance.now();
    try {
      this.read(bytes);
    } catch (error) {
      // Where the next message begins is unknown now.
      this.host.onFailure(error);
      this.destroy();
      return;
    }
    if (this.ended) return;
    const holding = this.incompleteBytes;
    if (holding !== this.holding) {
      this.holding = holding;
      this.host.incomplete.set(this, holding);
    }
    const waiting = this.inMessage;
    if (waiting === this.waitingForRest || this.ended) return;
    this.waitingForRest = waiting;
    this.host.wheel.reschedule(this.timer, waiting ? this.host.limits.messageTimeoutMs : this.idleTimeoutMs);
  }

  private finish(stopTimer = true): void {
    if (stopTimer) this.host.wheel.cancel(this.timer);
    if (this.ended) return;
    this.ended = true;
    this.finishReading();
    this.host.incomplete.set(this, 0);
    this.host.queued.set(this, 0);
    const listeners = this.closeListeners;
    this.closeListeners = [];
    for (const listener of listeners) listener();
  }
}

function expire(connection: Connection): void {
  connection.checkIdle();
}
