/** As little SIP as load takes: one UDP socket, requests by template, every NOTIFY answered at once. Checks nothing but counts. */
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

export class SipLoad {
  private readonly socket: Socket;
  private readonly serverPort: number;
  private readonly domain: string;
  private readonly port: number;
  private readonly pending = new Map<string, (text: string) => void>();
  private next = 0;
  /** Told of every NOTIFY, by the Call-ID of its dialog. */
  onNotify: (callId: string, text: string) => void = () => {};

  private constructor(socket: Socket, serverPort: number, domain: string) {
    this.socket = socket;
    this.serverPort = serverPort;
    this.domain = domain;
    this.port = socket.address().port;
    socket.on('message', (bytes) => this.receive(bytes.toString('latin1')));
  }

  static async open(serverPort: number, domain: string): Promise<SipLoad> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20, lookup: (host, _options, done) => done(null, host, 4) });
    // With a lookup that answers at once, the event may come before bind returns.
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    return new SipLoad(socket, serverPort, domain);
  }

  close(): void {
    this.socket.close();
  }

  /** Subscribes one user to another; resolves with the Call-ID once answered. */
  async subscribe(watcher: string, presentity: string, list = false): Promise<string> {
    const extra = list ? 'Supported: eventlist\r\nAccept: application/pidf+xml, application/rlmi+xml, multipart/related\r\n' : '';
    const head = `Event: presence\r\nExpires: 3600\r\nContact: <sip:${watcher}@127.0.0.1:${this.port}>\r\n${extra}`;
    const { callId } = await this.request('SUBSCRIBE', presentity, watcher, head, '');
    return callId;
  }

  /** Publishes a state; resolves with its entity-tag. */
  async publish(user: string, note: string, etag?: string): Promise<string> {
    const body = `<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:${user}@${this.domain}"><tuple id="t"><status><basic>open</basic></status><contact>sip:${user}@192.0.2.1</contact><note>${note}</note></tuple></presence>`;
    const head = `Event: presence\r\nExpires: 3600\r\n${etag ? `SIP-If-Match: ${etag}\r\n` : ''}Content-Type: application/pidf+xml\r\n`;
    const { text } = await this.request('PUBLISH', user, user, head, body);
    return /^SIP-ETag: (\S+)/im.exec(text)?.[1] ?? '';
  }

  /** Binds the user to this socket, which answers 200 to everything. */
  async register(user: string): Promise<void> {
    await this.request('REGISTER', user, user, `Contact: <sip:${user}@127.0.0.1:${this.port}>\r\nExpires: 3600\r\n`, '');
  }

  /** The same for a user whose password is the name, with digest: a challenge and its answer. */
  async registerWithDigest(user: string): Promise<void> {
    const head = `Contact: <sip:${user}@127.0.0.1:${this.port}>\r\nExpires: 3600\r\n`;
    const challenged = await this.exchange('REGISTER', user, user, head, '');
    const nonce = /nonce="([^"]*)"[^\r]*algorithm=MD5/.exec(challenged.text)?.[1] ?? '';
    const uri = `sip:${user}@${this.domain}`;
    const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
    const response = md5(`${md5(`${user}:${this.domain}:${user}`)}:${nonce}:00000001:c:auth:${md5(`REGISTER:${uri}`)}`);
    const credentials = `username="${user}", realm="${this.domain}", nonce="${nonce}", uri="${uri}", response="${response}", algorithm=MD5, cnonce="c", qop=auth, nc=00000001`;
    await this.request('REGISTER', user, user, `Authorization: Digest ${credentials}\r\n${head}`, '');
  }

  /** Sends a text; resolves once it has been answered by its recipient, or kept. */
  async message(from: string, to: string, text: string): Promise<void> {
    await this.request('MESSAGE', to, from, 'Content-Type: text/plain\r\n', text);
  }

  private async request(method: string, to: string, from: string, head: string, body: string): Promise<{ callId: string; text: string }> {
    const answer = await this.exchange(method, to, from, head, body);
    if (answer.text.startsWith('SIP/2.0 2')) return answer;
    throw new Error(`${method}: ${answer.text.slice(0, answer.text.indexOf('\r\n'))}`);
  }

  /** Sends a request and gives its response, whatever it is. */
  private exchange(method: string, to: string, from: string, head: string, body: string): Promise<{ callId: string; text: string }> {
    const id = `b${++this.next}`;
    const text = `${method} sip:${to}@${this.domain} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${this.port};branch=z9hG4bK${id}\r\nMax-Forwards: 70\r\nFrom: <sip:${from}@${this.domain}>;tag=${id}\r\nTo: <sip:${to}@${this.domain}>\r\nCall-ID: ${id}\r\nCSeq: 1 ${method}\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    return new Promise((resolve) => {
      this.pending.set(id, (response) => resolve({ callId: id, text: response }));
      this.socket.send(text, this.serverPort, '127.0.0.1');
    });
  }

  private receive(text: string): void {
    const callId = /^Call-ID: (\S+)/im.exec(text)?.[1] ?? '';
    if (text.startsWith('SIP/2.0')) {
      this.pending.get(callId)?.(text);
      this.pending.delete(callId);
      return;
    }
    const copied = text.match(/^(?:Via|From|To|Call-ID|CSeq): .*\r\n/gim)?.join('') ?? '';
    this.socket.send(`SIP/2.0 200 OK\r\n${copied}Content-Length: 0\r\n\r\n`, this.serverPort, '127.0.0.1');
    this.onNotify(callId, text);
  }
}
