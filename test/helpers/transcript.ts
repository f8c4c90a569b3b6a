import type { SipMessage } from './sip-message.ts';
import type { ViaTransport } from './sip-socket.ts';

/** One message as it passed a peer's socket. */
export interface Traffic {
  /** Milliseconds since the transcript began. */
  readonly at: number;
  readonly direction: 'sent' | 'received';
  /** The peer's name. */
  readonly peer: string;
  readonly transport: ViaTransport;
  readonly remote: string;
  readonly bytes: Buffer;
  /** Undefined for what could not be read as a message. */
  readonly message: SipMessage | undefined;
}

export type TrafficListener = (traffic: Traffic) => void;

/** Everything that passed a peer's sockets, kept for the moment when something is wrong. */
export class Transcript {
  readonly entries: Traffic[] = [];
  readonly #started = Date.now();
  readonly #listener: TrafficListener | undefined;

  constructor(listener?: TrafficListener) {
    this.#listener = listener;
  }

  add(entry: Omit<Traffic, 'at'>): void {
    const traffic = { at: Date.now() - this.#started, ...entry };
    this.entries.push(traffic);
    this.#listener?.(traffic);
  }

  /** The last messages as text. */
  format(last = 12): string {
    const shown = this.entries.slice(-last);
    const omitted = this.entries.length - shown.length;
    const blocks = shown.map(({ at, direction, transport, remote, bytes }) => {
      const text = bytes.toString('utf8').replace(/\r\n/g, '\n').trimEnd();
      const indented = text.split('\n').map((line) => `    ${line}`);
      return `  +${at} ms ${direction} ${direction === 'sent' ? 'to' : 'from'} ${remote} (${transport})\n${indented.join('\n')}`;
    });
    return [...(omitted > 0 ? [`  (${omitted} earlier messages not shown)`] : []), ...blocks].join('\n');
  }
}

/** What a peer throws: the fault, and the messages around it. */
export class PeerError extends Error {
  constructor(peer: string, text: string, transcript: Transcript) {
    super(`${peer}: ${text}\ntranscript of ${peer}:\n${transcript.format()}`);
    this.name = 'PeerError';
  }
}
