import { createSocket } from 'node:dgram';
import { createConnection, createServer, type Socket } from 'node:net';

export interface SipAddress {
  readonly address: string;
  readonly port: number;
}

/** One message off the wire, and the way back along which it came. */
export interface Frame {
  readonly bytes: Buffer;
  readonly remote: SipAddress;
  /** Of a stream: the frame came over a connection that we opened. */
  readonly ours: boolean;
  /** Sends back where this came from. */
  readonly reply: (bytes: Buffer, port?: number) => void;
}

export interface SipSocket {
  readonly transport: 'UDP' | 'TCP';
  readonly local: SipAddress;
  /** Resolves once the bytes are handed to the system. */
  send(bytes: Buffer, to: SipAddress): Promise<void>;
  /** Ends the connections but goes on listening. */
  disconnect(): void;
  close(): Promise<void>;
}

type FrameListener = (frame: Frame) => void;
/** Told of bytes that can be no message at all. */
type FaultListener = (fault: string) => void;

/** A UDP or TCP socket on 127.0.0.1, on a port the system chooses. A TCP one listens, and opens connections as it needs them. */
export function openSipSocket(transport: 'udp' | 'tcp', onFrame: FrameListener, onFault: FaultListener): Promise<SipSocket> {
  return transport === 'udp' ? openUdp(onFrame) : openTcp(onFrame, onFault);
}

function openUdp(onFrame: FrameListener): Promise<SipSocket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  const send = (bytes: Buffer, to: SipAddress): Promise<void> =>
    new Promise((resolve, reject) => socket.send(bytes, to.port, to.address, (error) => (error ? reject(error) : resolve())));
  socket.on('message', (bytes, { address, port }) => {
    onFrame({
      bytes,
      remote: { address, port },
      ours: false,
      reply: (response, to = port) => void send(response, { address, port: to }).catch(() => {}),
    });
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { address, port } = socket.address();
      resolve({
        transport: 'UDP',
        local: { address, port },
        send,
        disconnect: () => {},
        close: () => new Promise((done) => socket.close(done)),
      });
    });
  });
}

function openTcp(onFrame: FrameListener, onFault: FaultListener): Promise<SipSocket> {
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
      const socket = createConnection(to.port, to.address);
      socket.once('error', (error) => {
        outgoing.delete(key);
        reject(error);
      });
      socket.once('close', () => outgoing.delete(key));
      socket.once('connect', () => {
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
  const server = createServer((socket) => adopt(socket, false));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      if (bound === null || typeof bound === 'string') return reject(new Error('no address'));
      resolve({
        transport: 'TCP',
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
