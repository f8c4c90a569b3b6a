import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { Inbox } from '../rfc3261/peer.ts';

/** Another SIP server, as far as a test needs one: listens by TLS, connects by TLS, and answers each request 200. */
export class TlsPeer {
  /** Requests that came, over whatever connection. */
  readonly inbox = new Inbox();
  /** Accepted connections. */
  readonly accepted: TLSSocket[] = [];
  private readonly server: Server;
  private readonly all: TLSSocket[] = [];

  private constructor(server: Server) {
    this.server = server;
    server.on('secureConnection', (socket) => {
      this.accepted.push(socket);
      this.adopt(socket);
    });
    server.on('tlsClientError', () => {});
  }

  /** @param identity PEM texts; `ca` is asked of those who connect */
  static async listen(identity: { cert: string; key: string; ca: string }): Promise<TlsPeer> {
    const server = createServer({ ...identity, requestCert: true, rejectUnauthorized: false });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TlsPeer(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async connect(
    port: number,
    identity: { cert?: string; key?: string; ca: string },
    host = '127.0.0.1',
    name = 'us.example',
  ): Promise<TLSSocket> {
    const servername = host === '127.0.0.1' ? name : '';
    const socket = connect({ ...identity, host, port, servername });
    await once(socket, 'secureConnect');
    this.adopt(socket);
    return socket;
  }

  /** Ends the connections that this peer opened. */
  closeOpened(): void {
    for (const socket of this.all) if (!this.accepted.includes(socket)) socket.destroy();
  }

  close(): void {
    for (const socket of this.all) socket.destroy();
    this.server.close();
  }

  private adopt(socket: TLSSocket): void {
    this.all.push(socket);
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const message = text.slice(0, end + 4);
        text = text.slice(end + 4);
        this.inbox.put(message);
        if (!message.startsWith('SIP/2.0')) socket.write(`SIP/2.0 200 OK\r\n${echoed(message)}\r\nContent-Length: 0\r\n\r\n`);
      }
    });
  }
}

function echoed(request: string): string {
  return request
    .split('\r\n')
    .filter((line) => /^(via|from|to|call-id|cseq):/i.test(line))
    .map((line) => (/^to:/i.test(line) && !/;tag=/.test(line) ? `${line};tag=peer` : line))
    .join('\r\n');
}
