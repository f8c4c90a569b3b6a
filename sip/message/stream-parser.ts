import { SipRequest, type SipResponse } from './message.ts';
import { contentLength, MAX_HEAD_BYTES, parseHead, SipParseError } from './parse.ts';

/** What a byte stream turned out to hold. */
export interface StreamEvents {
  onMessage(message: SipRequest | SipResponse): void;
  /** RFC 5626 4.4.1: the peer asks for a sign of life, a CRLF. */
  onPing(): void;
  /** A message that cannot be processed. After a fatal one the stream's framing is lost and nothing more is read from it. */
  onError(error: SipParseError, fatal: boolean): void;
}

const CR = 0x0d;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);
const HEAD_END = Buffer.from('\r\n\r\n');

/** Cuts a byte stream into messages by Content-Length (RFC 3261 18.3). Holds at most one header block and one body. */
export class StreamParser {
  private readonly maxBodyBytes: number;
  private readonly events: StreamEvents;
  /** Bytes not yet cut into messages stand in `stored[0, length)`. */
  private stored: Buffer = NOTHING;
  private length = 0;
  /** Up to here the stored bytes hold no end of a header block. */
  private searched = 0;
  /** The length of the message that has begun, once its header block is known. */
  private needed = 0;
  private dead = false;

  constructor(maxBodyBytes: number, events: StreamEvents) {
    this.maxBodyBytes = maxBodyBytes;
    this.events = events;
  }

  /** Has a message begun and not ended? */
  get inMessage(): boolean {
    return this.length > 0 && this.stored[0] !== CR && this.stored[0] !== LF;
  }

  /** Memory taken for what has come of messages that are not complete. */
  get heldBytes(): number {
    return this.stored.length;
  }

  /** The stream has ended: nothing is kept of it, though whoever holds its connection may live on. */
  end(): void {
    this.dead = true;
    this.stored = NOTHING;
    this.length = 0;
  }

  /** Takes the next bytes of the stream. */
  push(chunk: Buffer): void {
    if (this.dead) return;
    if (this.length === 0) {
      // The usual case: messages end with the chunk, nothing is copied.
      const used = this.consume(chunk, false);
      if (used < chunk.length && !this.dead) this.store(chunk.subarray(used));
      return;
    }
    this.store(chunk);
    if (this.length < this.needed) return;
    const used = this.consume(this.stored.subarray(0, this.length), true);
    if (used === 0 || this.dead) return;
    this.stored.copyWithin(0, used, this.length);
    this.length -= used;
    this.searched = 0;
    // Thousands of connections are silent most of the time.
    if (this.length === 0) this.stored = NOTHING;
  }

  private store(bytes: Buffer): void {
    const needed = this.length + bytes.length;
    if (needed > this.stored.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.stored.length * 2, 1024));
      this.stored.copy(larger, 0, 0, this.length);
      this.stored = larger;
    }
    bytes.copy(this.stored, this.length);
    this.length = needed;
  }

  /** Reads messages from the front of `bytes`; gives the number of bytes that are done with. */
  private consume(bytes: Buffer, stored: boolean): number {
    let position = 0;
    while (position < bytes.length && !this.dead) {
      if (bytes[position] === CR || bytes[position] === LF) {
        const rest = Math.min(bytes.length - position, HEAD_END.length);
        const pingSoFar = bytes.compare(HEAD_END, 0, rest, position, position + rest) === 0;
        if (pingSoFar && rest < HEAD_END.length) return position;
        if (pingSoFar) this.events.onPing();
        position += pingSoFar ? HEAD_END.length : 1;
        continue;
      }
      const used = this.message(bytes, position, stored);
      if (used === 0) return position;
      position += used;
    }
    return position;
  }

  /** Reads one message that begins at `start`; gives its length, 0 when it is not complete yet. */
  private message(bytes: Buffer, start: number, stored: boolean): number {
    const from = start === 0 && stored ? Math.max(0, this.searched - 3) : start;
    const end = bytes.indexOf(HEAD_END, from);
    const headLength = (end < 0 ? bytes.length : end + HEAD_END.length) - start;
    if (headLength > MAX_HEAD_BYTES) {
      this.fatal(new SipParseError('Header is too large', this.readable(bytes.subarray(start, start + MAX_HEAD_BYTES)), 513));
      return 0;
    }
    if (end < 0) {
      this.searched = start === 0 ? bytes.length : 0;
      return 0;
    }
    let error: SipParseError | undefined;
    let message: SipRequest | SipResponse | undefined;
    try {
      const head = parseHead(bytes.subarray(start, start + headLength));
      message = head.message;
      if (head.headLength !== headLength) error = new SipParseError('Empty line that is no CRLF', message);
      if (error !== undefined) {
        this.fatal(error);
        return 0;
      }
    } catch (thrown) {
      if (!(thrown instanceof SipParseError)) throw thrown;
      error = thrown;
      message = thrown.partial;
    }
    let length: number | undefined;
    try {
      length = message === undefined ? undefined : contentLength(message);
    } catch (thrown) {
      if (!(thrown instanceof SipParseError)) throw thrown;
      error ??= thrown;
    }
    if (length === undefined || message === undefined) {
      // RFC 3261 18.3: without Content-Length nobody knows where the next message begins.
      this.fatal(error ?? new SipParseError('Content-Length is mandatory over a stream', message));
      return 0;
    }
    if (length > this.maxBodyBytes) {
      this.fatal(new SipParseError('Body is too large', message, message instanceof SipRequest ? 413 : 400));
      return 0;
    }
    const total = headLength + length;
    if (bytes.length - start < total) {
      this.needed = total;
      return 0;
    }
    this.needed = 0;
    if (error !== undefined) this.events.onError(error, false);
    else {
      const body = bytes.subarray(start + headLength, start + total);
      // What is stored will be overwritten by the next message.
      if (length > 0) message.body = stored ? Buffer.from(body) : body;
      this.events.onMessage(message);
    }
    return total;
  }

  private readable(bytes: Buffer): SipRequest | SipResponse | undefined {
    try {
      return parseHead(bytes).message;
    } catch (error) {
      return error instanceof SipParseError ? error.partial : undefined;
    }
  }

  private fatal(error: SipParseError): void {
    this.end();
    this.events.onError(error, true);
  }
}
