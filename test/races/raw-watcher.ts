import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { token } from '../helpers/token.ts';

/** What a watcher that keeps no rules sends over UDP and gets back, for servers without authentication. */
export class RawWatcher {
  /** NOTIFYs so far, copies of one included. */
  readonly notifications: string[] = [];
  readonly responses: string[] = [];
  /** The lines between start line and Via of the answer to a NOTIFY; undefined: no answer. */
  answer: (notification: string) => string | undefined = () => 'SIP/2.0 200 OK';
  readonly #socket: Socket;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket, server: { readonly address: string; readonly port: number }) {
    this.#socket = socket;
    this.#server = server;
    socket.on('message', (bytes) => this.#receive(bytes.toString('utf8')));
  }

  static async open(server: { readonly address: string; readonly port: number }, host = '127.0.0.1'): Promise<RawWatcher> {
    const socket = createSocket('udp4').bind(0, host);
    await once(socket, 'listening');
    return new RawWatcher(socket, server);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Sends a SUBSCRIBE; fields given by name replace the usual ones. */
  async subscribe(user: string, resource: string, fields: Readonly<Record<string, string>> = {}): Promise<void> {
    const lines = Object.entries({
      Via: `SIP/2.0/UDP 127.0.0.1:${this.port};branch=z9hG4bK${token()};rport`,
      'Max-Forwards': '70',
      From: `<sip:${user}@example.com>;tag=${token(4)}`,
      To: `<${resource}>`,
      'Call-ID': token(),
      CSeq: '1 SUBSCRIBE',
      Contact: `<sip:${user}@127.0.0.1:${this.port}>`,
      Event: 'presence',
      Expires: '600',
      'Content-Length': '0',
      ...fields,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    await this.send(`SUBSCRIBE ${resource} SIP/2.0\r\n${lines.join('')}\r\n`);
  }

  async send(text: string): Promise<void> {
    await new Promise((resolve) => this.#socket.send(text, this.#server.port, this.#server.address, resolve));
  }

  /** Resolves once the condition holds; it is asked after each message. */
  async until(condition: () => boolean, timeout = 3000): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const ask = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(ask);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(ask);
        reject(new Error(`not within ${timeout} ms; responses:\n${this.responses.join('\n')}\nNOTIFYs:\n${this.notifications.join('\n')}`));
      }, timeout);
      this.#waiting.add(ask);
    });
  }

  close(): void {
    this.#socket.close();
  }

  #receive(text: string): void {
    if (text.startsWith('SIP/2.0 ')) this.responses.push(text);
    else {
      this.notifications.push(text);
      const start = this.answer(text);
      if (start !== undefined) {
        const copied = text.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
        void this.send(`${start}\r\n${copied.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`);
      }
    }
    for (const ask of [...this.#waiting]) ask();
  }
}
