const FIN = 0x80;
/** Opcodes from here on are those of control frames, which may stand between the frames of a message. */
const CONTROL = 0x08;
const MASKED = 0x80;

/**
 * Follows the frames of a client (RFC 6455 5.2) to say how much has come of a message that is not complete. Reads nothing but their
 * headers; that they are correct is the business of whoever reads the messages.
 */
export class FrameCounter {
  /** Bytes of the message under way, or of a frame that has begun. */
  held = 0;
  private readonly header = Buffer.alloc(10);
  private headerLength = 0;
  private frameBytes = 0;
  /** Bytes still to come of the frame whose header is complete. */
  private left = 0;

  push(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      if (this.left === 0) {
        this.header[this.headerLength++] = chunk[position++] ?? 0;
        this.frameBytes++;
        this.held++;
        if (this.headerLength < headerSize(this.header, this.headerLength)) continue;
        this.left = frameRest(this.header);
      }
      const part = Math.min(this.left, chunk.length - position);
      position += part;
      this.left -= part;
      this.frameBytes += part;
      this.held += part;
      if (this.left === 0) this.frameEnds();
    }
  }

  private frameEnds(): void {
    const first = this.header[0] ?? 0;
    if ((first & 0x0f) >= CONTROL) this.held -= this.frameBytes;
    else if ((first & FIN) !== 0) this.held = 0;
    this.headerLength = 0;
    this.frameBytes = 0;
  }
}

/** Length of flags and length fields, as far as it can be told. */
function headerSize(header: Buffer, known: number): number {
  if (known < 2) return 2;
  const length = (header[1] ?? 0) & 0x7f;
  return length === 127 ? 10 : length === 126 ? 4 : 2;
}

/** Bytes that follow: mask and data. */
function frameRest(header: Buffer): number {
  const second = header[1] ?? 0;
  const short = second & 0x7f;
  const length = short === 127 ? Number(header.readBigUInt64BE(2)) : short === 126 ? header.readUInt16BE(2) : short;
  return length + ((second & MASKED) === 0 ? 0 : 4);
}
