import type { Socket } from 'node:net';
import { connect, createSecureContext, createServer, type SecureContext, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Destination } from './flow.ts';
import { type CertificateNames, speaksFor } from './peer-certificate.ts';
import { SOCKET_QUEUE_BYTES } from './stream-connection.ts';
import type { Acceptor } from './stream-listener.ts';

/** PEM texts. Without a certificate we can open connections but not accept any; without authorities those of the runtime are trusted. */
export interface TlsCredentials {
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
}

/** Where they come from. They may change while the server runs: new connections get the new ones. */
export interface TlsSource {
  readonly pair: TlsCredentials;
  /** What is shown to those who ask for the host name (RFC 6066 3, RFC 5922 7.8), where it is not `pair`. */
  contextFor?(name: string): SecureContext | undefined;
  /** The certificate that who asks for the name, or for none, is shown; undefined without one. */
  shownTo?(name: string | undefined): CertificateNames | undefined;
  add(user: { setSecureContext(pair: TlsCredentials): void }): void;
  remove(user: { setSecureContext(pair: TlsCredentials): void }): void;
}

export const MIN_VERSION = 'TLSv1.2';

type ChoosesByName = Required<Pick<TlsOptions, 'SNICallback'>>;

/** For the options of a server that shows the source's certificates. */
export function chooseByName(source: Pick<TlsSource, 'contextFor'>): ChoosesByName {
  return { SNICallback: (name, done) => done(null, source.contextFor?.(name)) };
}

export interface TlsEvents {
  onConnection(socket: TLSSocket): void;
  onFailure(error: Error, socket: Socket): void;
}

/** Makes TLS connections of accepted sockets. */
export class TlsAcceptor implements Acceptor {
  private readonly server: Server;
  private readonly source: TlsSource;

  constructor(source: TlsSource, handshakeTimeoutMs: number, events: TlsEvents) {
    this.source = source;
    this.server = createServer({
      ...source.pair,
      ...chooseByName(source),
      minVersion: MIN_VERSION,
      handshakeTimeout: handshakeTimeoutMs,
      // RFC 5922 7.4, RFC 5923 9.2: peers are asked who they are; phones, which have no certificate, prove it otherwise. Where no
      // authorities are set, nobody's certificate would be trusted for more than it is worth on the web.
      requestCert: source.pair.ca !== undefined,
      rejectUnauthorized: false,
    });
    this.server.on('secureConnection', (socket) => events.onConnection(socket));
    this.server.on('tlsClientError', (error, socket) => {
      events.onFailure(error, socket);
      // One that came too late has not been closed.
      socket.destroy();
    });
    source.add(this.server);
  }

  accept(socket: Socket): void {
    this.server.emit('connection', socket);
  }

  close(): void {
    this.source.remove(this.server);
  }
}

/** Opens TLS connections. */
export class TlsConnector {
  private readonly source: TlsSource | undefined;
  private known: TlsCredentials | undefined;
  private context: SecureContext | undefined;

  constructor(source: TlsSource | undefined) {
    this.source = source;
  }

  /**
   * Begins to open a connection; give it to a StreamConnection at once. It fails unless the peer's certificate is signed by one of the
   * authorities and speaks for the destination (RFC 5922 7.3).
   */
  connect({ address, port, name, as }: Destination): TLSSocket {
    return connect({
      host: address,
      port,
      // RFC 6066 3: a name is told, an address is not.
      servername: name ?? '',
      secureContext: (as === undefined ? undefined : this.source?.contextFor?.(as)) ?? this.secureContext(),
      checkServerIdentity: (_host, certificate) =>
        speaksFor(certificate, name ?? address) ? undefined : new Error(`its certificate does not speak for ${name ?? address}`),
      ...({ highWaterMark: SOCKET_QUEUE_BYTES } as object),
    });
  }

  /** Made once for each set of credentials: reading the authorities takes time. */
  private secureContext(): SecureContext {
    const pair = this.source?.pair;
    if (this.context === undefined || pair !== this.known) {
      this.context = createSecureContext({ ...pair, minVersion: MIN_VERSION });
      this.known = pair;
    }
    return this.context;
  }
}
