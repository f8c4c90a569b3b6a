import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { SipRequest, type SipResponse } from '../message/message.ts';
import { parseMessage, SipParseError } from '../message/parse.ts';
import { SipError } from '../message/sip-error.ts';
import type { Destination, Flow, ListeningPoint, Protocol } from './flow.ts';
import { stampVia } from './received.ts';
import { connect, TcpConnection, type TcpLimits, TcpListener } from './tcp.ts';
import type { TimerWheel } from './timer-wheel.ts';
import { UdpFlow, UdpSocket } from './udp.ts';

export type { Destination, Flow, ListeningPoint, Protocol } from './flow.ts';

export interface TransportOptions {
  /** Default 1 MB. */
  readonly maxBodyBytes?: number | undefined;
  /** Bytes a TCP peer may leave unread. Default 4 MB. */
  readonly maxQueuedBytes?: number | undefined;
  /** Default 20 000. */
  readonly maxConnections?: number | undefined;
  /** Default 1000. */
  readonly maxConnectionsPerSource?: number | undefined;
  /** Default 30 s. */
  readonly messageTimeoutMs?: number | undefined;
  /** Default 3900 s: a client may let its registration's hour pass in silence. */
  readonly idleTimeoutMs?: number | undefined;
  /** Host for Via and Contact where the socket is bound to all addresses. */
  readonly advertisedHost?: string | undefined;
  /** Hears of socket errors that concern no single message, and of what goes wrong in reading one that is not the message's fault. */
  readonly onError?: ((error: Error) => void) | undefined;
}

const DEFAULT_PORT = 5060;
const CONNECT_TIMEOUT_MS = 10_000;
const CLOSE_PATIENCE_MS = 300;

/** All sockets of the stack: bytes in, messages out, and the way back (RFC 3261 18). */
export class TransportLayer {
  /** Each message that could be parsed, a request with its Via stamped (RFC 3261 18.2.1). */
  onMessage: ((message: SipRequest | SipResponse, flow: Flow) => void) | undefined;
  /** Each that could not. */
  onMalformed: ((error: SipParseError, flow: Flow) => void) | undefined;
  private readonly wheel: TimerWheel;
  private readonly options: TransportOptions;
  private readonly limits: TcpLimits;
  private readonly udp: UdpSocket[] = [];
  private readonly tcp: TcpListener[] = [];
  /** Open connections by peer, and their number by source. */
  private readonly connections = new Map<string, TcpConnection>();
  private readonly open = new Set<TcpConnection>();
  private readonly perSource = new Map<string, number>();

  constructor(wheel: TimerWheel, options: TransportOptions = {}) {
    this.wheel = wheel;
    this.options = options;
    this.limits = {
      maxBodyBytes: options.maxBodyBytes ?? 1_048_576,
      maxQueuedBytes: options.maxQueuedBytes ?? 4_194_304,
      messageTimeoutMs: options.messageTimeoutMs ?? 30_000,
      idleTimeoutMs: options.idleTimeoutMs ?? 3_900_000,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    };
  }

  /** Opens a listener; port 0 takes any free one. @throws the socket's (or, for a host name, the resolver's) error, e.g. EADDRINUSE */
  async listen(protocol: Protocol, hostname: string, port: number): Promise<ListeningPoint> {
    const host = isIP(hostname) === 0 ? (await lookup(hostname)).address : hostname;
    const onError = this.options.onError ?? (() => {});
    if (protocol === 'UDP') {
      const socket = await UdpSocket.bind(host, port, (bytes, flow) => this.receiveDatagram(bytes, flow), onError);
      this.udp.push(socket);
      return socket;
    }
    const listener = await TcpListener.bind(host, port, (socket) => this.accept(socket), onError);
    this.tcp.push(listener);
    return listener;
  }

  get listeningPoints(): readonly ListeningPoint[] {
    return [...this.udp, ...this.tcp];
  }

  /**
   * A flow to the destination: over UDP from the socket of its address family; over TCP an open connection or a new one, whose
   * messages wait until it is open and whose failure to connect closes it. Undefined when there is no socket for it or no room.
   * @param connectTimeoutMs how long a new connection may take to open
   */
  flowTo(destination: Destination, connectTimeoutMs = CONNECT_TIMEOUT_MS): Flow | undefined {
    const { protocol, address, port } = destination;
    if (protocol === 'UDP') {
      const socket = nearest(this.udp, address);
      return socket === undefined ? undefined : new UdpFlow(socket, address, port);
    }
    const existing = this.connections.get(peerKey(address, port));
    if (existing !== undefined && !existing.closed) return existing;
    if (this.open.size >= (this.options.maxConnections ?? 20_000)) return undefined;
    return this.adopt(connect(address, port), address, port, connectTimeoutMs);
  }

  /**
   * The flow for the responses to a request (RFC 3261 18.2.2, RFC 3581 4): the connection it came over, or one to its sent-by port when
   * that is gone; over UDP the source address with the source port if `rport` was asked for, else the sent-by port. `maddr` is not
   * obeyed: it would let anybody aim our responses at a third party.
   */
  replyFlow(request: SipRequest, flow: Flow): Flow | undefined {
    if (flow.reliable && !flow.closed) return flow;
    const port = request.via.port ?? DEFAULT_PORT;
    if (flow instanceof UdpFlow)
      return request.via.params.has('rport') || port === flow.remotePort ? flow : flow.to(flow.remoteAddress, port);
    return this.flowTo({ protocol: flow.protocol, address: flow.remoteAddress, port });
  }

  /** Host and port by which peers reach this side of a flow, for Via and Contact: those of a listener where there is one. */
  sentBy(flow: Flow): string {
    const points: readonly ListeningPoint[] = flow.protocol === 'UDP' ? this.udp : this.tcp;
    const point =
      points.find((one) => one.port === flow.localPort && one.address === flow.localAddress) ?? nearest(points, flow.remoteAddress);
    const port = point?.port ?? flow.localPort;
    let host = point?.address ?? flow.localAddress;
    if (isWildcard(host)) host = this.options.advertisedHost ?? ownAddress(flow);
    return `${hasColon(host) ? `[${host}]` : host}:${port}`;
  }

  /** Is this host (and port, 5060 if there is none) one of ours, that is, does a listener answer there? */
  isLocal(host: string, port: number | undefined): boolean {
    const address = host.replace(/^\[|\]$/g, '');
    return this.listeningPoints.some(
      (point) =>
        point.port === (port ?? DEFAULT_PORT) &&
        (point.address === address || address === this.options.advertisedHost || (isWildcard(point.address) && isOwnAddress(address))),
    );
  }

  /** Can a request be sent over the protocol to an address of the family? */
  speaks(protocol: Protocol, family: 4 | 6): boolean {
    const points: readonly ListeningPoint[] = protocol === 'UDP' ? this.udp : this.tcp;
    return points.some(({ address }) => hasColon(address) === (family === 6));
  }

  /** Closes all sockets; connections get a moment to send what is queued. */
  async close(): Promise<void> {
    const listeners = [...this.udp.splice(0), ...this.tcp.splice(0)];
    const connections = [...this.open];
    for (const connection of connections) connection.end();
    const patience = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, CLOSE_PATIENCE_MS);
    await Promise.all(listeners.map((listener) => listener.close()));
    clearTimeout(patience);
  }

  private receiveDatagram(bytes: Buffer, flow: Flow): void {
    const first = bytes[0];
    // Keep-alives: nothing, empty lines, or STUN, whose first two bits are zero (RFC 5626 8) while SIP begins with a letter.
    if (first === undefined || first < 0x20) return;
    try {
      this.receive(parseMessage(bytes), flow);
    } catch (error) {
      if (error instanceof SipParseError) this.malformed(error, flow);
      else this.failed(error);
    }
  }

  /** A bug of ours met with a message; the other messages go on. */
  private failed(error: unknown): void {
    this.options.onError?.(error instanceof Error ? error : new Error(String(error)));
  }

  private receive(message: SipRequest | SipResponse, flow: Flow): void {
    if (message instanceof SipRequest) {
      try {
        stampVia(message, flow);
      } catch (error) {
        if (!(error instanceof SipError)) throw error;
        this.onMalformed?.(new SipParseError(error.reason, message), flow);
        return;
      }
    }
    this.onMessage?.(message, flow);
  }

  private malformed(error: SipParseError, flow: Flow): void {
    if (error.partial instanceof SipRequest) {
      try {
        stampVia(error.partial, flow);
      } catch {
        // Then there is no way to answer, which whoever tries finds out.
      }
    }
    this.onMalformed?.(error, flow);
  }

  private accept(socket: Socket): void {
    const address = socket.remoteAddress;
    const port = socket.remotePort;
    const limit = this.options.maxConnectionsPerSource ?? 1000;
    if (
      address === undefined ||
      port === undefined ||
      this.open.size >= (this.options.maxConnections ?? 20_000) ||
      (this.perSource.get(address) ?? 0) >= limit
    ) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    this.adopt(socket, address, port);
  }

  private adopt(socket: Socket, address: string, port: number, connectTimeoutMs = CONNECT_TIMEOUT_MS): TcpConnection {
    const limits = connectTimeoutMs === CONNECT_TIMEOUT_MS ? this.limits : { ...this.limits, connectTimeoutMs };
    const connection: TcpConnection = new TcpConnection(socket, address, port, this.wheel, limits, {
      onMessage: (message) => this.receive(message, connection),
      onError: (error) => this.malformed(error, connection),
      onFailure: (error) => this.failed(error),
    });
    const key = peerKey(address, port);
    this.connections.set(key, connection);
    this.open.add(connection);
    this.perSource.set(address, (this.perSource.get(address) ?? 0) + 1);
    connection.onClose(() => {
      if (this.connections.get(key) === connection) this.connections.delete(key);
      this.open.delete(connection);
      const left = (this.perSource.get(address) ?? 1) - 1;
      if (left === 0) this.perSource.delete(address);
      else this.perSource.set(address, left);
    });
    return connection;
  }
}

function peerKey(address: string, port: number): string {
  return `${address} ${port}`;
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/** Tells an IPv6 literal from an IPv4 one. */
function hasColon(address: string): boolean {
  return address.includes(':');
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** The socket to reach an address from: of its family, bound to all addresses or, like it, to loopback or not. */
function nearest<T extends ListeningPoint>(points: readonly T[], address: string): T | undefined {
  const [only] = points;
  if (points.length === 1 && only !== undefined && hasColon(only.address) === hasColon(address)) return only;
  const family = points.filter((point) => hasColon(point.address) === hasColon(address));
  return family.find((point) => isWildcard(point.address) || isLoopback(point.address) === isLoopback(address)) ?? family[0];
}

function isOwnAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some((one) => one.address === address));
}

/** An address of this machine that the peer of the flow can reach, for sockets bound to all of them. */
function ownAddress(flow: Flow): string {
  if (flow.localAddress !== '' && !isWildcard(flow.localAddress)) return flow.localAddress;
  const six = hasColon(flow.remoteAddress);
  if (isLoopback(flow.remoteAddress)) return six ? '::1' : '127.0.0.1';
  const family = six ? 'IPv6' : 'IPv4';
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, family: own, internal } of addresses ?? []) {
      if (own === family && !internal && !address.startsWith('fe80:')) return address;
    }
  }
  return six ? '::1' : '127.0.0.1';
}
