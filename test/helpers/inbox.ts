import { bodyText, header, headerList, type SipMessage } from './sip-message.ts';
import type { SipPeer } from './sip-peer.ts';
import type { HeaderField } from './sip-peer-options.ts';

const PATIENCE_MS = 6000;

/** The MESSAGEs that come to a peer, in their order, held to RFC 3428. */
export class Inbox {
  /** What the next ones are answered. */
  status: number | ((request: SipMessage) => number) = 200;
  readonly received: SipMessage[] = [];
  private readonly peer: SipPeer;
  private taken = 0;
  private wake: () => void = () => {};

  constructor(peer: SipPeer) {
    this.peer = peer;
    peer.answers.set('MESSAGE', (request) => {
      this.received.push(request);
      const answer = typeof this.status === 'number' ? this.status : this.status(request);
      this.wake();
      return answer;
    });
  }

  /** The next one; fails when none comes, and for what no MESSAGE has (RFC 3428 4 and 9). */
  async next(): Promise<SipMessage> {
    const deadline = Date.now() + PATIENCE_MS;
    while (this.received.length === this.taken) {
      const left = deadline - Date.now();
      if (left <= 0) throw this.peer.error('no MESSAGE came');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const message = this.received[this.taken++];
    if (message === undefined) throw this.peer.error('no MESSAGE came');
    for (const name of ['Contact', 'Record-Route']) {
      if (header(message, name) !== undefined) throw this.peer.error(`a MESSAGE with ${name}`);
    }
    for (const name of ['Authorization', 'Proxy-Authorization']) {
      if (/realm="example\.com"/.test(header(message, name) ?? '')) throw this.peer.error(`the server's ${name} was passed on`);
    }
    this.peer.assertClean();
    return message;
  }

  /** The bodies of the next `count`. */
  async bodies(count: number): Promise<string[]> {
    const texts: string[] = [];
    while (texts.length < count) texts.push(bodyText(await this.next()));
    return texts;
  }

  /** Number of those that nobody has taken. */
  get left(): number {
    return this.received.length - this.taken;
  }
}

/** Did it come from the server itself and not through it? */
export function isFromServer(message: SipMessage): boolean {
  return headerList(message, 'via').length === 1;
}

export interface MessageOptions {
  readonly type?: string;
  readonly headers?: readonly HeaderField[];
  readonly callId?: string;
  readonly timeout?: number;
  readonly from?: string;
}

/** Sends a MESSAGE in a transaction of its own and gives the final response, held to RFC 3428 7. */
export async function sendMessage(peer: SipPeer, to: string, body: string | Buffer, options: MessageOptions = {}): Promise<SipMessage> {
  const response = await peer.request({
    method: 'MESSAGE',
    uri: to,
    ...(options.callId === undefined ? {} : { callId: options.callId }),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    ...(options.from === undefined ? {} : { from: options.from }),
    headers: [['Content-Type', options.type ?? 'text/plain'], ...(options.headers ?? [])],
    body,
  });
  if (response.status < 300 && (response.body.length > 0 || header(response, 'contact') !== undefined)) {
    throw peer.error('a 2xx to MESSAGE has neither body nor Contact (RFC 3428 7)');
  }
  return response;
}
