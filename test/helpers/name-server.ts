import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** Type numbers (RFC 1035 3.2.2, 3596 2.1, 2782, 3403 4). */
const TYPES = { A: 1, AAAA: 28, SRV: 33, NAPTR: 35 } as const;
export type Type = keyof typeof TYPES;

interface Answer {
  readonly ttl: number;
  readonly data: Buffer;
}

/** A small name server (RFC 1035) on a loopback port, which answers from the records that the test gave it. */
export class NameServer {
  /** Each question as `TYPE name`, in the order in which they came. */
  readonly questions: string[] = [];
  /** Names that get no answer at all. */
  readonly silent = new Set<string>();
  /** Names that get SERVFAIL. */
  readonly failing = new Set<string>();
  private readonly records = new Map<string, Answer[]>();
  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('message', (bytes, peer) => this.answer(bytes, peer));
  }

  static async open(): Promise<NameServer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new NameServer(socket);
  }

  /** For the setting. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  a(name: string, address: string, ttl = 60): void {
    this.add('A', name, ttl, Buffer.from(address.split('.').map(Number)));
  }

  /** @param address all eight groups, or `::1` */
  aaaa(name: string, address: string, ttl = 60): void {
    const groups = address === '::1' ? [0, 0, 0, 0, 0, 0, 0, 1] : address.split(':').map((group) => Number.parseInt(group, 16));
    this.add('AAAA', name, ttl, Buffer.concat(groups.map(twoBytes)));
  }

  srv(name: string, priority: number, weight: number, port: number, target: string, ttl = 60): void {
    this.add('SRV', name, ttl, Buffer.concat([twoBytes(priority), twoBytes(weight), twoBytes(port), nameBytes(target)]));
  }

  naptr(name: string, order: number, preference: number, flags: string, service: string, replacement: string, regexp = ''): void {
    const texts = [flags, service, regexp].map((text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]));
    this.add('NAPTR', name, 60, Buffer.concat([twoBytes(order), twoBytes(preference), ...texts, nameBytes(replacement)]));
  }

  /** Removes all records of a name. */
  remove(name: string): void {
    for (const key of this.records.keys()) if (key.endsWith(` ${name}`)) this.records.delete(key);
  }

  close(): void {
    this.socket.close();
  }

  private add(type: Type, name: string, ttl: number, data: Buffer): void {
    const key = `${type} ${name}`;
    this.records.set(key, [...(this.records.get(key) ?? []), { ttl, data }]);
  }

  private answer(query: Buffer, peer: RemoteInfo): void {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length).toLowerCase());
      at += 1 + length;
    }
    const end = at + 5;
    const number = query.readUInt16BE(at + 1);
    const type = Object.entries(TYPES).find(([, one]) => one === number)?.[0] ?? String(number);
    const name = labels.join('.');
    this.questions.push(`${type} ${name}`);
    if (this.silent.has(name)) return;
    const found = this.failing.has(name) ? [] : (this.records.get(`${type} ${name}`) ?? []);
    const exists = [...this.records.keys()].some((key) => key.endsWith(` ${name}`));
    const head = Buffer.from(query.subarray(0, 12));
    // A response, authoritative, recursion available; 3: no such name, 2: the server failed.
    head.writeUInt16BE(0x8580 | (this.failing.has(name) ? 2 : exists ? 0 : 3), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(found.length, 6);
    head.writeUInt32BE(0, 8);
    const answers = found.map(({ ttl, data }) => {
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(number, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt32BE(ttl, 6);
      record.writeUInt16BE(data.length, 10);
      return Buffer.concat([record, data]);
    });
    this.socket.send(Buffer.concat([head, query.subarray(12, end), ...answers]), peer.port, peer.address);
  }
}

function twoBytes(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])), Buffer.from([0])]);
}
