import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { ListeningPoint, Protocol } from './flow.ts';
import { SOCKET_QUEUE_BYTES } from './stream-connection.ts';

/** What makes connections of accepted sockets. */
export interface Acceptor {
  /** The socket has passed the limits. */
  accept(socket: Socket): void;
  close(): void;
}

/** A listening TCP socket, whatever is spoken over its connections. */
export class StreamListener implements ListeningPoint {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
  private readonly server: Server;
  private readonly acceptor: Acceptor;

  private constructor(protocol: Protocol, server: Server, address: string, port: number, acceptor: Acceptor) {
    this.protocol = protocol;
    this.server = server;
    this.address = address;
    this.port = port;
    this.acceptor = acceptor;
  }

  /**
   * @param host an IP literal
   * @param admit says whether there is room for one more; it closes the socket if not
   * @throws the socket's error, e.g. EADDRINUSE
   */
  static async bind(
    protocol: Protocol,
    host: string,
    port: number,
    acceptor: Acceptor,
    admit: (socket: Socket) => boolean,
    onError: (error: Error) => void,
  ): Promise<StreamListener> {
    const server = createServer({ highWaterMark: SOCKET_QUEUE_BYTES }, (socket) => {
      if (admit(socket)) acceptor.accept(socket);
    });
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
    return new StreamListener(protocol, server, bound.address, bound.port, acceptor);
  }

  /** Stops accepting; open connections are not its business. */
  close(): Promise<void> {
    this.acceptor.close();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
