import { Headers } from './headers.ts';
import { type NameAddr, parseNameAddr } from './name-addr.ts';
import { indexOutsideQuotes, type Params, parseParams } from './params.ts';
import { SipError } from './sip-error.ts';
import { reasonPhrase } from './status.ts';
import { encodeText } from './text.ts';
import { printable } from './uri.ts';
import { parseVia, type Via } from './via.ts';

export interface CSeq {
  readonly sequence: number;
  readonly method: string;
}

export interface ContentType {
  /** Lower case, `a/b`. */
  readonly type: string;
  /** Values as written. */
  readonly params: Params;
}

const NO_BODY = Buffer.alloc(0);

/** A request or a response. The getters parse when first asked and throw SipError 400 with a reason an admin understands. */
export abstract class SipMessage {
  readonly headers: Headers;
  body: Buffer;
  private fromValue: NameAddr | undefined;
  private toValue: NameAddr | undefined;
  private cseqValue: CSeq | undefined;
  private viaValue: Via | undefined;

  constructor(headers: Headers = new Headers(), body: Buffer = NO_BODY) {
    this.headers = headers;
    this.body = body;
  }

  /** @throws SipError 400 when the field is missing or empty. */
  get callId(): string {
    return this.mandatory('Call-ID');
  }

  /** The first Via value. @throws SipError 400 when missing or malformed. */
  get via(): Via {
    if (this.viaValue === undefined) {
      const field = this.mandatory('Via');
      const comma = indexOutsideQuotes(field, ',');
      this.viaValue = parseVia(comma < 0 ? field : field.slice(0, comma).trim());
    }
    return this.viaValue;
  }

  /** @throws SipError 400 when missing or malformed. `1SUBSCRIBE`, without the space, is accepted. */
  get cseq(): CSeq {
    if (this.cseqValue === undefined) {
      const field = this.mandatory('CSeq');
      // More digits than any number has would be tried in all ways to divide them from a method that may begin with digits.
      const match = /^(\d{1,20})\s*([A-Za-z0-9.!%*_+`'~-]+)$/.exec(field);
      if (match === null) throw new SipError(400, `Malformed CSeq ${printable(field)}`);
      const sequence = Number(match[1]);
      // RFC 3261 8.1.1.5: less than 2^31; RFC 4475 3.1.2.4 wants a larger one refused.
      if (sequence >= 2 ** 31) throw new SipError(400, 'CSeq number is too large');
      this.cseqValue = { sequence, method: match[2] ?? '' };
    }
    return this.cseqValue;
  }

  /** @throws SipError 400 when missing or malformed. */
  get from(): NameAddr {
    return (this.fromValue ??= this.address('From'));
  }

  /** @throws SipError 400 when missing or malformed. */
  get to(): NameAddr {
    return (this.toValue ??= this.address('To'));
  }

  /** Seconds of the Expires field, at most 2^32-1; undefined without one. @throws SipError 400 when it is no number. */
  get expires(): number | undefined {
    const field = this.headers.get('Expires');
    if (field === undefined) return undefined;
    if (!/^\d+$/.test(field)) throw new SipError(400, `Malformed Expires ${printable(field)}`);
    return Math.min(Number(field), 2 ** 32 - 1);
  }

  /** undefined without a Content-Type. @throws SipError 400 when malformed. */
  get contentType(): ContentType | undefined {
    const field = this.headers.get('Content-Type');
    if (field === undefined) return undefined;
    const match = /^([A-Za-z0-9.!%*_+`'~-]+)\s*\/\s*([A-Za-z0-9.!%*_+`'~-]+)\s*(;|$)/.exec(field);
    if (match === null) throw new SipError(400, `Malformed Content-Type ${printable(field)}`);
    return {
      type: `${match[1]}/${match[2]}`.toLowerCase(),
      params: parseParams(field, match[0].length - (match[3]?.length ?? 0)),
    };
  }

  /** The message as it goes on the wire, with the right Content-Length. */
  toBuffer(): Buffer {
    return joinMessage(`${this.startLine()}\r\n${this.headers.format()}`, this.body);
  }

  protected abstract startLine(): string;

  private mandatory(name: string): string {
    const value = this.headers.get(name);
    if (value === undefined || value === '') throw new SipError(400, `Missing ${name} header field`);
    return value;
  }

  private address(name: string): NameAddr {
    const field = this.mandatory(name);
    try {
      return parseNameAddr(field);
    } catch {
      throw new SipError(400, `Malformed ${name} ${printable(field)}`);
    }
  }
}

/** The bytes of a message: the start line and fields (each ended by CRLF, latin1), Content-Length, and the body. */
export function joinMessage(head: string, body: Buffer): Buffer {
  const text = `${head}Content-Length: ${body.length}\r\n\r\n`;
  const bytes = Buffer.allocUnsafe(text.length + body.length);
  bytes.write(text, 0, text.length, 'latin1');
  if (body.length > 0) body.copy(bytes, text.length);
  return bytes;
}

export class SipRequest extends SipMessage {
  readonly method: string;
  uri: string;
  /** `SIP/2.0`, or what a received request says instead. */
  readonly version: string;
  /** URI of the element it goes to, where its maker knows it; otherwise Route and Request-URI say (RFC 3261 8.1.2). */
  nextHop: string | undefined;
  /** What the branch of our Via shall end with (RFC 5393 4.2.1). */
  branchSuffix: string | undefined;
  /** The branch of our next Via, where this is a copy of what may have arrived: whoever has it absorbs the copy (RFC 3261 17.2.3). */
  branch: string | undefined;

  constructor(method: string, uri: string, headers?: Headers, body?: Buffer, version = 'SIP/2.0') {
    super(headers, body);
    this.method = method;
    this.uri = uri;
    this.version = version;
    this.nextHop = undefined;
    this.branchSuffix = undefined;
    this.branch = undefined;
  }

  /** The same request to another Request-URI, with a list of header fields of its own. */
  copy(uri: string): SipRequest {
    return new SipRequest(this.method, uri, this.headers.copy(), this.body);
  }

  protected override startLine(): string {
    return `${this.method} ${this.uri} SIP/2.0`;
  }
}

export class SipResponse extends SipMessage {
  readonly status: number;
  /** Decoded text. */
  readonly reason: string;

  constructor(status: number, reason: string = reasonPhrase(status), headers?: Headers, body?: Buffer) {
    super(headers, body);
    this.status = status;
    this.reason = reason;
  }

  protected override startLine(): string {
    return `SIP/2.0 ${this.status} ${encodeText(this.reason.replace(/[\r\n]+/g, ' '))}`;
  }
}
