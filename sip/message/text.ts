/**
 * Header values are kept as they were on the wire: one character per byte (latin1). Text for people (display names, reason phrases,
 * comments) is UTF-8 in those bytes (RFC 3261 7.3.1, 25.1) and is decoded only when somebody asks for it.
 */

/** The text that bytes held in a latin1 string stand for. Bytes that are no UTF-8 are taken as latin1. */
export function decodeText(bytes: string): string {
  if (!/[\x80-\xff]/.test(bytes)) return bytes;
  const decoded = Buffer.from(bytes, 'latin1').toString('utf8');
  return decoded.includes('\ufffd') ? bytes : decoded;
}

/** The UTF-8 bytes of a text, one character per byte, as header values are kept. */
export function encodeText(text: string): string {
  if (!/[^\x00-\x7f]/.test(text)) return text;
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Only decoded text holds such characters; a slice of it is copied just the same. */
const BEYOND_BYTES = /[^\x00-\xff]/;
const copyRoom = Buffer.allocUnsafeSlow(4096);

/**
 * A copy that does not keep the message alive from which the text was cut: a slice of a string holds the whole of it, and so does a
 * text put together from slices, also as key of a Map. For everything that outlives its message.
 */
export function detach(text: string): string {
  if (BEYOND_BYTES.test(text)) return Buffer.from(text, 'utf8').toString('utf8');
  if (text.length > copyRoom.length) return Buffer.from(text, 'latin1').toString('latin1');
  return copyRoom.toString('latin1', 0, copyRoom.write(text, 0, 'latin1'));
}

/** A quoted string without its quotes and escapes (RFC 3261 25.1 quoted-string); anything else as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text[0] !== '"' || text[text.length - 1] !== '"') return text;
  const inner = text.slice(1, -1);
  return inner.includes('\\') ? inner.replace(/\\([\s\S])/g, '$1') : inner;
}

/** A text as quoted string. */
export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/**
 * A number of 32 bits for finding texts; to tell them apart takes the texts. Texts that agree by one seed agree by another more often than by chance.
 * @param seed where the numbers must not be known to others: a secret one
 */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
