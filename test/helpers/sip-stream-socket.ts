import { createConnection, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { FaultListener, FrameListener, PeerTls, SipAddress, SipSocket } from './sip-socket.ts';

/** A peer's TCP or TLS socket: it listens, and opens connections as it needs them. Without a certificate nobody can connect by TLS. */
export function openStreamSocket(
  transport: 'tcp' | 'tls',
  onFrame: FrameListener,
  onFault: FaultListener,
  tls: PeerTls = { ca: '' },
): Promise<SipSocket> {
  const all = new Set<Socket>();
  const outgoing = new Map<string, Promise<Socket>>();
  const adopt = (socket: Socket, ours: boolean): void => {
    all.add(socket);
    socket.setNoDelay(true);
    const frames = new StreamFrames(onFault);
    const remote = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    const reply = (bytes: Buffer): void => void socket.write(bytes);
    socket.on('data', (chunk) => {
      for (const bytes of frames.push(chunk)) onFrame({ bytes, remote, ours, reply });
    });
    socket.on('error', () => {});
    socket.on('close', () => all.delete(socket));
  };
  const connect = (to: SipAddress): Promise<Socket> => {
    const key = `${to.address}:${to.port}`;
    const known = outgoing.get(key);
    if (known) return known;
    const opening = new Promise<Socket>((resolve, reject) => {
      const socket =
        transport === 'tcp'
          ? createConnection(to.port, to.address)
          : connectTls({ ...tls, host: to.address, port: to.port, servername: tls.servername ?? '' });
      socket.once('error', (error) => {
        outgoing.delete(key);
        reject(error);
      });
      socket.once('close', () => outgoing.delete(key));
      socket.once(transport === 'tcp' ? 'connect' : 'secureConnect', () => {
        adopt(socket, true);
        resolve(socket);
      });
    });
    outgoing.set(key, opening);
    return opening;
  };
  const disconnect = (): void => {
    for (const socket of all) socket.destroy();
    outgoing.clear();
  };
  const server =
    transport === 'tcp'
      ? createServer((socket) => adopt(socket, false))
      : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: tls.demanding === true }, (socket) => adopt(socket, false));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      if (bound === null || typeof bound === 'string') return reject(new Error('no address'));
      resolve({
        transport: transport === 'tcp' ? 'TCP' : 'TLS',
        local: { address: bound.address, port: bound.port },
        send: async (bytes, to) => {
          const socket = await connect(to);
          await new Promise<void>((done, failed) => socket.write(bytes, (error) => (error ? failed(error) : done())));
        },
        disconnect,
        close: () => {
          disconnect();
          return new Promise((done) => server.close(() => done()));
        },
      });
    });
  });
}

/** Cuts a stream into messages by Content-Length (RFC 3261 18.3). */
class StreamFrames {
  #pending = Buffer.alloc(0);
  readonly #onFault: FaultListener;

  constructor(onFault: FaultListener) {
    this.#onFault = onFault;
  }

  push(chunk: Buffer): Buffer[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const frames: Buffer[] = [];
    for (;;) {
      // CRLF between messages is a keep-alive (RFC 3261 7.5, RFC 5626 3.5.1).
      let start = 0;
      while (this.#pending[start] === 13 && this.#pending[start + 1] === 10) start += 2;
      if (start > 0) this.#pending = this.#pending.subarray(start);
      const end = this.#pending.indexOf('\r\n\r\n');
      if (end < 0) return frames;
      const length = /(?:^|\r\n)Content-Length[ \t]*:[ \t]*(\d+)[ \t]*(?:\r\n|$)/i.exec(this.#pending.subarray(0, end).toString('latin1'));
      if (!length) this.#onFault('a message over TCP has no Content-Length: the stream cannot be followed any more');
      const total = end + 4 + Number(length?.[1] ?? 0);
      if (this.#pending.length < total) return frames;
      frames.push(Buffer.from(this.#pending.subarray(0, total)));
      this.#pending = this.#pending.subarray(total);
    }
  }
}
