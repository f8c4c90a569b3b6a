import type { SipRequest, SipResponse } from '../message/message.ts';
import type { SipParseError } from '../message/parse.ts';
import type { TimerWheel } from './timer-wheel.ts';

export type Protocol = 'UDP' | 'TCP';

/** Where a message goes: an IP literal (IPv6 without brackets), never a name. */
export interface Destination {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

/** A way to one peer: an open connection, or a UDP socket together with the peer's address (RFC 5626 2). */
export interface Flow {
  readonly protocol: Protocol;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly reliable: boolean;
  /** Same peer over the same socket, same id. */
  readonly id: string;
  /** Hands bytes to the operating system (or to the connection's bounded queue). False when they were refused. */
  send(bytes: Buffer): boolean;
  readonly closed: boolean;
  /** Called once when the connection ends; never for UDP. */
  onClose(listener: () => void): void;
}

export interface ListeningPoint {
  readonly protocol: Protocol;
  readonly address: string;
  readonly port: number;
}

export interface TransportOptions {
  readonly maxBodyBytes?: number;
}

export declare class TransportLayer {
  onMessage: ((message: SipRequest | SipResponse, flow: Flow) => void) | undefined;
  onMalformed: ((error: SipParseError, flow: Flow) => void) | undefined;
  constructor(wheel: TimerWheel, options?: TransportOptions);
  /** Opens a listener; port 0 takes any free one. @throws the socket's error, e.g. EADDRINUSE. */
  listen(protocol: Protocol, host: string, port: number): Promise<ListeningPoint>;
  /** An open connection to the destination, or a new one; its messages wait until it is open, a failed connect closes the flow. */
  flowTo(destination: Destination): Flow;
  readonly listeningPoints: readonly ListeningPoint[];
  close(): Promise<void>;
}
