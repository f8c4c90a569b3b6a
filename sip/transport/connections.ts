import type { Socket } from 'node:net';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { SipParseError } from '../message/parse.ts';
import { ByteBudget } from './byte-budget.ts';
import type { Connection, ConnectionHost, ConnectionLimits, ShutOut } from './connection.ts';
import type { Destination, Protocol } from './flow.ts';
import { namesDomain } from './peer-certificate.ts';
import type { ShutOutLog } from './shut-out-log.ts';
import type { TimerWheel } from './timer-wheel.ts';

export interface ConnectionsOptions {
  readonly wheel: TimerWheel;
  readonly limits: ConnectionLimits;
  readonly maxConnections: number;
  readonly maxConnectionsPerSource: number;
  /** Bytes of incomplete messages, of all connections together. */
  readonly maxIncompleteBytes: number;
  /** Bytes that wait for peers to read, of all connections together. */
  readonly maxQueuedBytesInAll: number;
  readonly log: ShutOutLog;
  onMessage(message: SipRequest | SipResponse, connection: Connection): void;
  onMalformed(error: SipParseError, connection: Connection): void;
  onFailure(error: unknown): void;
}

/** All connections: how many there may be, what they may hold, and which one leads to a peer. */
export class Connections implements ConnectionHost {
  readonly wheel: TimerWheel;
  readonly limits: ConnectionLimits;
  readonly incomplete: ByteBudget<Connection>;
  readonly queued: ByteBudget<Connection>;
  private readonly options: ConnectionsOptions;
  private readonly byId = new Map<string, Connection>();
  /** By protocol, address and port of the peer's end; over TLS also by the port at which it takes connections (RFC 5923). */
  private readonly byPeer = new Map<string, Connection[]>();
  private readonly aliased = new WeakSet<Connection>();
  /** Sockets, also those that are no connection yet. */
  private sockets = 0;
  private readonly perSource = new Map<string, number>();

  constructor(options: ConnectionsOptions) {
    this.options = options;
    this.wheel = options.wheel;
    this.limits = options.limits;
    this.incomplete = new ByteBudget(options.maxIncompleteBytes, (oldest) => oldest.shutOut('too many bytes of incomplete messages'));
    this.queued = new ByteBudget(options.maxQueuedBytesInAll, (oldest) => oldest.shutOut('too much unread by peers'));
  }

  /** Takes an accepted socket into the count, or closes it when there are too many. */
  readonly admit = (socket: Socket): boolean => {
    const source = socket.remoteAddress;
    if (source === undefined) {
      socket.destroy();
      return false;
    }
    const full = this.sockets >= this.options.maxConnections;
    if (full || (this.perSource.get(source) ?? 0) >= this.options.maxConnectionsPerSource) {
      this.options.log.tell(full ? 'too many connections' : 'too many connections from one address', source);
      socket.on('error', () => {});
      socket.destroy();
      return false;
    }
    this.count(socket, source);
    return true;
  };

  /** Is there room for one that we open? */
  get hasRoom(): boolean {
    return this.sockets < this.options.maxConnections;
  }

  /** Takes a socket into the count until it is closed. */
  count(socket: Socket, source: string): void {
    this.sockets++;
    this.perSource.set(source, (this.perSource.get(source) ?? 0) + 1);
    socket.once('close', () => {
      this.sockets--;
      const left = (this.perSource.get(source) ?? 1) - 1;
      if (left === 0) this.perSource.delete(source);
      else this.perSource.set(source, left);
    });
  }

  /** From now on the connection is found by its id and its peer. */
  add(connection: Connection): void {
    this.byId.set(connection.id, connection);
    connection.onClose(() => this.byId.delete(connection.id));
    this.lead(connection, connection.remoteAddress, connection.remotePort);
  }

  /**
   * A peer that has proved who it is lets us send requests over its connection as to the port at which it listens (RFC 5923 8.2). The
   * first port that it names counts.
   */
  alias(connection: Connection, port: number): void {
    if (connection.peerDomains.length === 0 || this.aliased.has(connection)) return;
    this.aliased.add(connection);
    this.lead(connection, connection.remoteAddress, port);
  }

  private lead(connection: Connection, address: string, port: number): void {
    const key = peerKey(connection.protocol, address, port);
    const there = this.byPeer.get(key);
    if (there?.includes(connection)) return;
    if (there === undefined) this.byPeer.set(key, [connection]);
    else there.push(connection);
    connection.onClose(() => {
      const left = this.byPeer.get(key)?.filter((one) => one !== connection) ?? [];
      if (left.length === 0) this.byPeer.delete(key);
      else this.byPeer.set(key, left);
    });
  }

  /**
   * One that leads to the destination; over TLS, to the domain that was asked for (RFC 5923 8.1, 8.2), and from the one that asks. One that
   * the peer has opened proves nothing over TCP (RFC 5923 9.3): it is for whom it was given to, by a registration or a dialog, and whoever
   * writes its address into a Request-URI shall not get past what its user says about callers.
   */
  find({ protocol, address, port, name, as }: Destination): Connection | undefined {
    const leadsThere = ({ shownAs, openedTo, peerDomains }: Connection): boolean =>
      shownAs === as && (openedTo === (name ?? address) || (name !== undefined && namesDomain(peerDomains, name)));
    return this.byPeer.get(peerKey(protocol, address, port))?.findLast((one) => (protocol === 'TLS' ? leadsThere(one) : one.isOurs));
  }

  get(id: string): Connection | undefined {
    return this.byId.get(id);
  }

  get all(): readonly Connection[] {
    return [...this.byId.values()];
  }

  /** Number of open ones, and the bytes that they hold, for metrics and tests. */
  get counts(): Readonly<Record<'sockets' | 'connections' | 'incompleteBytes' | 'queuedBytes', number>> {
    const { sockets, incomplete, queued } = this;
    return { sockets, connections: this.byId.size, incompleteBytes: incomplete.bytes, queuedBytes: queued.bytes };
  }

  onMessage(message: SipRequest | SipResponse, connection: Connection): void {
    this.options.onMessage(message, connection);
  }

  onMalformed(error: SipParseError, connection: Connection): void {
    this.options.onMalformed(error, connection);
  }

  onFailure(error: unknown): void {
    this.options.onFailure(error);
  }

  onShutOut(reason: ShutOut, { protocol, remoteAddress, remotePort }: Connection): void {
    this.options.log.tell(reason, remoteAddress, { port: remotePort, protocol });
  }
}

function peerKey(protocol: Protocol, address: string, port: number): string {
  return `${protocol} ${address} ${port}`;
}
