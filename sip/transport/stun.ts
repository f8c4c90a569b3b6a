import { isIPv6 } from 'node:net';

const BINDING_REQUEST = 0x0001;
const BINDING_RESPONSE = 0x0101;
const BINDING_ERROR = 0x0111;
const MAGIC_COOKIE = 0x2112a442;
const HEADER_BYTES = 20;
const XOR_MAPPED_ADDRESS = 0x0020;
const ERROR_CODE = 0x0009;
const UNKNOWN_ATTRIBUTES = 0x000a;
/** Attributes below must be understood by whoever answers. */
const FIRST_OPTIONAL = 0x8000;
const UNKNOWN_ATTRIBUTE_TEXT = Buffer.from('Unknown Attribute');
/** More are not worth a list: an answer must not be much larger than what it answers. */
const MAX_UNKNOWN = 8;

/**
 * The answer to a STUN Binding request on a SIP port (RFC 5626 8, RFC 5389 7.3): the address it came from or, where it demands what we
 * do not know, error 420. Undefined for everything else, which is dropped.
 */
export function answerStun(bytes: Buffer, address: string, port: number): Buffer | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== BINDING_REQUEST || bytes.readUInt32BE(4) !== MAGIC_COOKIE) return undefined;
  const length = bytes.readUInt16BE(2);
  if (length % 4 !== 0 || bytes.length !== HEADER_BYTES + length) return undefined;
  const unknown = unknownAttributes(bytes);
  if (unknown === undefined) return undefined;
  if (unknown.length > 0) return message(bytes, BINDING_ERROR, unknownAttributesError(unknown));
  return message(bytes, BINDING_RESPONSE, attribute(XOR_MAPPED_ADDRESS, xorAddress(bytes, address, port)));
}

/** Types of those that would have to be understood (RFC 5389 15); undefined when they do not fit into the message. */
function unknownAttributes(bytes: Buffer): number[] | undefined {
  const unknown: number[] = [];
  for (let position = HEADER_BYTES; position < bytes.length; ) {
    if (position + 4 > bytes.length) return undefined;
    const type = bytes.readUInt16BE(position);
    // RFC 5389 15: values are padded to a multiple of four bytes.
    position += 4 + Math.ceil(bytes.readUInt16BE(position + 2) / 4) * 4;
    if (position > bytes.length) return undefined;
    if (type < FIRST_OPTIONAL && unknown.length < MAX_UNKNOWN && !unknown.includes(type)) unknown.push(type);
  }
  return unknown;
}

function unknownAttributesError(types: readonly number[]): Buffer {
  const list = Buffer.alloc(types.length * 2);
  for (const [index, type] of types.entries()) list.writeUInt16BE(type, index * 2);
  // RFC 5389 15.6: class 4, number 20.
  const error = attribute(ERROR_CODE, Buffer.concat([Buffer.from([0, 0, 4, 20]), UNKNOWN_ATTRIBUTE_TEXT]));
  return Buffer.concat([error, attribute(UNKNOWN_ATTRIBUTES, list)]);
}

function message(request: Buffer, type: number, attributes: Buffer): Buffer {
  const header = Buffer.from(request.subarray(0, HEADER_BYTES));
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(attributes.length, 2);
  return Buffer.concat([header, attributes]);
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
}

/** RFC 5389 15.2: port and address, each under the magic cookie (an IPv6 address under cookie and transaction id). */
function xorAddress(request: Buffer, address: string, port: number): Buffer {
  const six = isIPv6(address);
  const value = Buffer.concat([Buffer.from([0, six ? 2 : 1, 0, 0]), six ? ipv6Bytes(address) : ipv4Bytes(address)]);
  value.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 2);
  for (let index = 4; index < value.length; index++) value[index] = (value[index] ?? 0) ^ (request[index] ?? 0);
  return value;
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

/** @param address as the system writes it: without a zone, its last part perhaps an IPv4 address */
function ipv6Bytes(address: string): Buffer {
  const [plain = ''] = address.split('%');
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(plain);
  const text = dotted
    ? `${dotted[1]}${((Number(dotted[2]) << 8) | Number(dotted[3])).toString(16)}:${((Number(dotted[4]) << 8) | Number(dotted[5])).toString(16)}`
    : plain;
  const [head = '', tail] = text.split('::');
  const groups = (part: string | undefined): number[] => (part ? part.split(':').map((group) => Number.parseInt(group, 16)) : []);
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...new Array<number>(tail === undefined ? 0 : 8 - left.length - right.length).fill(0), ...right];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(group, index * 2);
  return bytes;
}
