import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { addressHost, canonicalAddress } from '../../schemas/address.ts';
import { SipRequest, type SipResponse } from '../message/message.ts';
import { parseMessage, SipParseError } from '../message/parse.ts';
import { SipError } from '../message/sip-error.ts';
import { certifiedHost } from './certified-host.ts';
import { Connection } from './connection.ts';
import { Connections } from './connections.ts';
import { type Destination, type Flow, isWebSocket, type ListeningPoint, type Protocol } from './flow.ts';
import { hasColon, isOwnAddress, isWildcard, nearest, ownAddress } from './listening-points.ts';
import { hostNames } from './peer-certificate.ts';
import { stampVia } from './received.ts';
import { ShutOutLog } from './shut-out-log.ts';
import { connectTcp, StreamConnection } from './stream-connection.ts';
import { type Acceptor, StreamListener } from './stream-listener.ts';
import { answerStun } from './stun.ts';
import type { TimerWheel } from './timer-wheel.ts';
import { TlsAcceptor, TlsConnector, type TlsSource } from './tls.ts';
import { UdpFlow, UdpSocket } from './udp.ts';
import { WebSocketConnection } from './web-socket.ts';
import { WebSocketAcceptor } from './web-socket-acceptor.ts';

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
  /** Time for a TLS handshake, or for the opening handshake of a WebSocket. Default 10 s. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Default 3900 s: a client may let its registration's hour pass in silence. */
  readonly idleTimeoutMs?: number | undefined;
  /** Host for Via and Contact where the socket is bound to all addresses. */
  readonly advertisedHost?: string | undefined;
  /** Bytes of incomplete messages of all connections together. Default 64 MB. */
  readonly maxIncompleteBytes?: number | undefined;
  /** Bytes that peers have left unread, of all connections together. Default 256 MB. */
  readonly maxQueuedBytesInAll?: number | undefined;
  /** Certificate, key and authorities for TLS. */
  readonly tls?: TlsSource | undefined;
  /** Is the host a domain whose users are served here? */
  readonly servesDomain?: ((host: string) => boolean) | undefined;
  /** Hears of socket errors that concern no single message, and of what goes wrong in reading one that is not the message's fault. */
  readonly onError?: ((error: Error) => void) | undefined;
  /** Hears of connections that are refused, fail or are closed for what they do, a line for the log each; floods are thinned out. */
  readonly onShutOut?: ((fields: Record<string, unknown>, message: string) => void) | undefined;
}

const DEFAULT_PORT = 5060;
const DEFAULT_TLS_PORT = 5061;
const CONNECT_TIMEOUT_MS = 10_000;
const CLOSE_PATIENCE_MS = 300;

/** All sockets of the stack: bytes in, messages out, and the way back (RFC 3261 18). */
export class TransportLayer {
  /** Each message that could be parsed, a request with its Via stamped (RFC 3261 18.2.1). */
  onMessage: ((message: SipRequest | SipResponse, flow: Flow) => void) | undefined;
  /** Each that could not. */
  onMalformed: ((error: SipParseError, flow: Flow) => void) | undefined;
  private readonly options: TransportOptions;
  private readonly udp: UdpSocket[] = [];
  private readonly listeners: StreamListener[] = [];
  private readonly connections: Connections;
  private readonly shutOuts: ShutOutLog;
  private readonly tls: TlsConnector;
  private readonly handshakeTimeoutMs: number;

  constructor(wheel: TimerWheel, options: TransportOptions = {}) {
    this.options = options;
    this.shutOuts = new ShutOutLog(options.onShutOut ?? (() => {}));
    this.tls = new TlsConnector(options.tls);
    this.handshakeTimeoutMs = options.handshakeTimeoutMs ?? 10_000;
    this.connections = new Connections({
      wheel,
      limits: {
        maxBodyBytes: options.maxBodyBytes ?? 1_048_576,
        maxQueuedBytes: options.maxQueuedBytes ?? 4_194_304,
        messageTimeoutMs: options.messageTimeoutMs ?? 30_000,
        idleTimeoutMs: options.idleTimeoutMs ?? 3_900_000,
      },
      maxConnections: options.maxConnections ?? 20_000,
      maxConnectionsPerSource: options.maxConnectionsPerSource ?? 1000,
      maxIncompleteBytes: options.maxIncompleteBytes ?? 67_108_864,
      maxQueuedBytesInAll: options.maxQueuedBytesInAll ?? 268_435_456,
      log: this.shutOuts,
      onMessage: (message, connection) => this.receive(message, connection),
      onMalformed: (error, connection) => this.malformed(error, connection),
      onFailure: (error) => this.failed(error),
    });
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
    const listener = await StreamListener.bind(protocol, host, port, this.acceptor(protocol), this.connections.admit, onError);
    this.listeners.push(listener);
    return listener;
  }

  get listeningPoints(): readonly ListeningPoint[] {
    return [...this.udp, ...this.listeners];
  }

  /** The flow with that id: an open connection, or a way over UDP. */
  flow(id: string): Flow | undefined {
    return this.connections.get(id) ?? UdpFlow.of(id, this.udp);
  }

  /** Sends at once what is to leave over UDP by the end of this turn of the event loop. */
  flush(): void {
    for (const socket of this.udp) socket.flush();
  }

  /** Number of connections, and what they hold. */
  get counts(): Connections['counts'] {
    return this.connections.counts;
  }

  /**
   * A flow to the destination: over UDP from the socket of its address family; over TCP and TLS an open connection or a new one, whose
   * messages wait until it is open and whose failure to connect closes it. Undefined when there is no socket for it or no room, and for
   * WebSocket clients, which only connect to us (RFC 7118 5).
   * @param connectTimeoutMs how long a new connection may take to open
   */
  flowTo(destination: Destination, connectTimeoutMs = CONNECT_TIMEOUT_MS): Flow | undefined {
    const { protocol, address, port } = destination;
    if (protocol === 'UDP') {
      const socket = nearest(this.udp, address);
      return socket === undefined ? undefined : new UdpFlow(socket, address, port);
    }
    const existing = this.connections.find(destination);
    if (existing !== undefined || isWebSocket(protocol) || !this.connections.hasRoom) return existing;
    return protocol === 'TLS' ? this.connectTls(destination, connectTimeoutMs) : this.connectTcp(destination, connectTimeoutMs);
  }

  /**
   * The flow for the responses to a request (RFC 3261 18.2.2, RFC 3581 4): the connection it came over, or one to its sent-by port when
   * that is gone (but none to a WebSocket client); over UDP the source address with the source port if `rport` was asked for, else the
   * sent-by port. `maddr` is not obeyed: it would let anybody aim our responses at a third party. For the same reason
   * the name in sent-by is not looked up where that fails (RFC 3263 5): the address that the request came from is all that is known of
   * its sender.
   */
  replyFlow(request: SipRequest, flow: Flow): Flow | undefined {
    if (flow.reliable && !flow.closed) return flow;
    const { via } = request;
    const port = via.port ?? (flow.protocol === 'TLS' ? DEFAULT_TLS_PORT : DEFAULT_PORT);
    if (flow instanceof UdpFlow) return via.params.has('rport') || port === flow.remotePort ? flow : flow.to(flow.remoteAddress, port);
    const name = isIP(via.host.replace(/^\[|\]$/g, '')) === 0 ? via.host : undefined;
    return this.flowTo({ protocol: flow.protocol, address: flow.remoteAddress, port, name });
  }

  /** Host and perhaps port by which the peer of a flow reaches us, for Contact and Record-Route. */
  reachedAt(flow: Flow): string {
    const { tls, servesDomain = () => false } = this.options;
    if (flow.protocol !== 'TLS' || tls === undefined || !(flow instanceof StreamConnection)) return this.sentBy(flow);
    const { isOurs, askedFor, shownAs } = flow;
    const asked = askedFor ?? shownAs;
    const { host, port } = this.pointOf(flow);
    return certifiedHost(tls, { asked, isOurs, address: host, port }, servesDomain) ?? this.sentBy(flow);
  }

  /**
   * The destinations of a request. Those by TLS are shown the certificate of the domain that it is from, where that has one of its own: a
   * server takes nobody else's word for who the domain's users are (RFC 5922 7.4).
   */
  onBehalfOf(sender: { readonly from: { readonly uri: string } }, destinations: readonly Destination[]): readonly Destination[] {
    const { tls, servesDomain } = this.options;
    if (tls?.contextFor === undefined || !destinations.some(({ protocol }) => protocol === 'TLS')) return destinations;
    const as = addressHost(canonicalAddress(sender.from.uri));
    if (as === undefined || !servesDomain?.(as) || tls.contextFor(as) === undefined) return destinations;
    return destinations.map((one) => (one.protocol === 'TLS' ? { ...one, as } : one));
  }

  /** The UDP flow to a peer, over the socket of another flow where that is one of UDP too. @param address a textual IP address */
  flowBeside(flow: Flow, address: string, port: number): Flow | undefined {
    return flow instanceof UdpFlow ? flow.to(address, port) : this.flowTo({ protocol: 'UDP', address, port });
  }

  /** Host and port by which peers reach this side of a flow, for Via: those of a listener where there is one. */
  sentBy(flow: Flow): string {
    const { host, port } = this.pointOf(flow);
    return `${hasColon(host) ? `[${host}]` : host}:${port}`;
  }

  private pointOf(flow: Flow): { host: string; port: number } {
    const points = this.points(flow.protocol);
    const point =
      points.find((one) => one.port === flow.localPort && one.address === flow.localAddress) ?? nearest(points, flow.remoteAddress);
    const port = point?.port ?? flow.localPort;
    let host = point?.address ?? flow.localAddress;
    if (isWildcard(host)) host = this.options.advertisedHost ?? ownAddress(flow);
    return { host, port };
  }

  /** What Via says besides host, port and branch, for a request of ours over the flow. */
  viaParameters(flow: Flow): string {
    if (!flow.reliable) return ';rport';
    // RFC 5923 8.1: who knows us by our certificate may send over the same connection what goes to our port.
    const offersAlias = flow.protocol === 'TLS' && this.options.tls?.pair.cert !== undefined && this.points('TLS').length > 0;
    return offersAlias ? ';alias' : '';
  }

  /** Is this host (and port, 5060 if there is none) one of ours, that is, does a listener answer there? */
  isLocal(host: string, port: number | undefined): boolean {
    const address = host.replace(/^\[|\]$/g, '');
    return this.listeningPoints.some(
      (point) =>
        point.port === (port ?? DEFAULT_PORT) &&
        (point.address === address ||
          address === this.options.advertisedHost ||
          (isWildcard(point.address) && isOwnAddress(address)) ||
          (point.protocol === 'TLS' && this.isCertified(address))),
    );
  }

  /** Does a certificate that we show name the host? `reachedAt` may have given it. */
  private isCertified(host: string): boolean {
    if (isIP(host) !== 0) return false;
    const shown = this.options.tls?.shownTo?.(host);
    return shown !== undefined && hostNames(shown).includes(host);
  }

  /** Can a request be sent over the protocol to an address of the family? */
  speaks(protocol: Protocol, family: 4 | 6): boolean {
    if (isWebSocket(protocol)) return false;
    // Without a listener for TLS we still connect from the addresses that we listen at.
    const points = protocol === 'TLS' ? this.listeningPoints : this.points(protocol);
    return points.some(({ address }) => hasColon(address) === (family === 6));
  }

  /** Closes all sockets; connections get a moment to send what is queued. */
  async close(): Promise<void> {
    const listeners = [...this.udp.splice(0), ...this.listeners.splice(0)];
    const connections = this.connections.all;
    for (const connection of connections) connection.end();
    const patience = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, CLOSE_PATIENCE_MS);
    await Promise.all(listeners.map((listener) => listener.close()));
    clearTimeout(patience);
  }

  private receiveDatagram(bytes: Buffer, flow: Flow): void {
    const first = bytes[0];
    // Keep-alives: nothing, empty lines, or STUN, which begins with 0 or 1 (RFC 5626 8) while SIP begins with a letter.
    if (first === undefined || first < 0x20) {
      const answer = first === 0 ? answerStun(bytes, flow.remoteAddress, flow.remotePort) : undefined;
      if (answer !== undefined) flow.send(answer);
      return;
    }
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
        // RFC 5923 9.3: an alias is for TLS alone.
        if (flow.protocol === 'TLS' && flow instanceof Connection && message.via.params.has('alias'))
          this.connections.alias(flow, message.via.port ?? DEFAULT_TLS_PORT);
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

  private points(protocol: Protocol): readonly ListeningPoint[] {
    return protocol === 'UDP' ? this.udp : this.listeners.filter((listener) => listener.protocol === protocol);
  }

  /** @throws Error for TLS without a certificate */
  private acceptor(protocol: Exclude<Protocol, 'UDP'>): Acceptor {
    const { connections } = this;
    const adopt = (socket: Socket, wrap: (peer: { address: string; port: number }) => Connection): void => {
      const { remoteAddress: address, remotePort: port } = socket;
      if (address === undefined || port === undefined) return void socket.destroy();
      try {
        connections.add(wrap({ address, port }));
      } catch (error) {
        socket.destroy();
        this.failed(error);
      }
    };
    const onStream = (kind: 'TCP' | 'TLS') => (socket: Socket) =>
      adopt(socket, (peer) => {
        const connection = new StreamConnection(kind, socket, peer, connections);
        const asked = connection.askedFor;
        if (asked !== undefined && this.options.tls?.contextFor?.(asked) !== undefined) connection.shownAs = asked;
        return connection;
      });
    if (protocol === 'TCP') return { accept: onStream('TCP'), close() {} };
    const secure = protocol === 'WS' ? undefined : this.options.tls;
    const onFailure = (error: Error, { remoteAddress }: Socket): void =>
      this.shutOuts.tell('TLS handshake failed', remoteAddress ?? '', { protocol, reason: error.message });
    if (isWebSocket(protocol)) {
      if (protocol === 'WSS' && secure === undefined) throw new Error('no certificate for WSS');
      const limits = { maxBodyBytes: connections.limits.maxBodyBytes, handshakeTimeoutMs: this.handshakeTimeoutMs };
      const onConnection = (webSocket: WebSocket, socket: Socket): void =>
        adopt(socket, (peer) => new WebSocketConnection(protocol, webSocket, socket, peer, connections));
      const onLate = ({ remoteAddress }: Socket): void =>
        this.shutOuts.tell('handshake not complete in time', remoteAddress ?? '', { protocol });
      return new WebSocketAcceptor(connections.wheel, limits, { onConnection, onFailure, onLate }, secure);
    }
    if (secure === undefined) throw new Error('no certificate for TLS');
    return new TlsAcceptor(secure, this.handshakeTimeoutMs, { onConnection: onStream('TLS'), onFailure });
  }

  private connectTcp({ address, port }: Destination, timeoutMs: number): Flow {
    const socket = connectTcp(address, port);
    this.connections.count(socket, address);
    const connection = new StreamConnection('TCP', socket, { address, port }, this.connections, timeoutMs);
    this.connections.add(connection);
    return connection;
  }

  private connectTls(destination: Destination, timeoutMs: number): Flow {
    const { address, port, name } = destination;
    const socket = this.tls.connect(destination);
    this.connections.count(socket, address);
    const connection = new StreamConnection('TLS', socket, { address, port }, this.connections, timeoutMs);
    connection.openedTo = name ?? address;
    connection.shownAs = destination.as;
    socket.once('error', (error) => {
      const fields = { port, name, reason: error.message };
      if (!connection.opened) this.shutOuts.tell('TLS connection could not be opened', address, fields);
    });
    this.connections.add(connection);
    return connection;
  }
}
