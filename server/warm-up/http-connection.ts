import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Credentials } from './credentials.ts';

export interface HttpAnswer {
  readonly status: number;
  /** The status line and the header fields. */
  readonly head: string;
}

/** One connection that is kept, with one request at a time on it. Checks nothing but lengths. */
export class HttpConnection {
  private readonly socket: Socket;
  private readonly credentials: Credentials;
  private received = '';
  private waiting: ((answer: HttpAnswer) => void) | undefined;

  private constructor(socket: Socket, credentials: Credentials) {
    this.socket = socket;
    this.credentials = credentials;
    socket.setNoDelay(true);
    // Every character is one octet.
    socket.setEncoding('latin1').on('data', (text: string) => this.receive(text));
  }

  /** @param port of 127.0.0.1 */
  static async open(port: number, credentials: Credentials): Promise<HttpConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new HttpConnection(socket, credentials);
  }

  close(): void {
    this.socket.destroy();
  }

  /**
   * Sends a request, logging in where that is asked for.
   * @param fields header fields besides Host and Content-Length, each with its line end
   */
  async request(method: string, path: string, fields = '', body = ''): Promise<HttpAnswer> {
    const answer = await this.exchange(method, path, fields, body);
    if (answer.status !== 401) return answer;
    this.credentials.challenged(/^www-authenticate: digest .*algorithm=MD5.*$/im.exec(answer.head)?.[0] ?? '');
    return this.exchange(method, path, fields, body);
  }

  private exchange(method: string, path: string, fields: string, body: string): Promise<HttpAnswer> {
    const answer = this.credentials.answer(method, path);
    const login = answer === undefined ? '' : `Authorization: ${answer}\r\n`;
    const length = body === '' ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    this.socket.write(`${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${login}${fields}${length}\r\n${body}`);
    return new Promise((resolve, reject) => {
      this.waiting = resolve;
      this.socket.once('close', () => reject(new Error(`${method} ${path}: the connection was closed`)));
    });
  }

  private receive(text: string): void {
    this.received += text;
    const end = this.received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.received.slice(0, end);
    const whole = end + 4 + Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    if (this.received.length < whole) return;
    this.received = this.received.slice(whole);
    this.socket.removeAllListeners('close');
    const answered = this.waiting;
    this.waiting = undefined;
    answered?.({ status: Number(head.slice(9, 12)), head });
  }
}
