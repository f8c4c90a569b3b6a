import { createSocket } from 'node:dgram';
import { openStreamSocket } from './sip-stream-socket.ts';
import { openWebSocket } from './sip-web-socket.ts';

export interface SipAddress {
  readonly address: string;
  readonly port: number;
  /** The domain that the server there names instead of its address, to be looked up without a port. */
  readonly name?: string;
}

/** How a peer speaks, as `transport=` has it; `wss` for secure WebSocket. */
export type PeerTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** As Via names it. */
export type ViaTransport = 'UDP' | 'TCP' | 'TLS' | 'WS' | 'WSS';

/** PEM texts: whom the peer trusts and, if it can prove who it is, its own certificate and key. */
export interface PeerTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  /** The domain that the server's certificate must name; its address if there is none. */
  readonly servername?: string;
  /** Whoever connects must show a certificate that `ca` has signed. */
  readonly demanding?: boolean;
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
  readonly transport: ViaTransport;
  /** Where it listens; a WebSocket client, which does not, has a name that leads nowhere and no port (RFC 7118 8.1). */
  readonly local: SipAddress;
  /** Resolves once the bytes are handed to the system. */
  send(bytes: Buffer, to: SipAddress): Promise<void>;
  /** Ends the connections but goes on listening. */
  disconnect(): void;
  close(): Promise<void>;
}

export type FrameListener = (frame: Frame) => void;
/** Told of bytes that can be no message at all. */
export type FaultListener = (fault: string) => void;

/**
 * A socket on 127.0.0.1, on a port the system chooses. One for streams listens, and opens connections as it needs them.
 * @param tls for `tls` and `wss`
 */
export function openSipSocket(transport: PeerTransport, onFrame: FrameListener, onFault: FaultListener, tls?: PeerTls): Promise<SipSocket> {
  if (transport === 'udp') return openUdp(onFrame);
  if (transport === 'ws' || transport === 'wss') return openWebSocket(transport, onFrame, onFault, tls);
  return openStreamSocket(transport, onFrame, onFault, tls);
}

/** Host and port as Via and URIs have them. */
export function hostPort({ address, port }: SipAddress): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return port === 0 ? host : `${host}:${port}`;
}

/** The parameter that leads to the transport, for a URI. */
export function transportParameter(transport: ViaTransport): string {
  if (transport === 'UDP') return '';
  return `;transport=${transport === 'WSS' ? 'ws' : transport.toLowerCase()}`;
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
