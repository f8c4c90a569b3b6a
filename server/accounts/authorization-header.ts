/** The digest parameters of an Authorization header field (RFC 7616 3.4), names in lower case, values without their quotes. */
export type DigestParameters = ReadonlyMap<string, string>;

const SIZE_LIMIT = 8192;
/** What ends a `uri` whose quotes are not escaped: the next parameter, or the end of the field. */
const AFTER_URI = /\s*(?:,[\s,]*(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+\s*=|$)|$)/y;

/** The scheme of an Authorization value in lower case, and what follows it. */
export function splitScheme(value: string): { scheme: string; rest: string } {
  const trimmed = value.trim();
  const space = trimmed.search(/\s/);
  if (space < 0) return { scheme: trimmed.toLowerCase(), rest: '' };
  return { scheme: trimmed.slice(0, space).toLowerCase(), rest: trimmed.slice(space + 1) };
}

/**
 * Reads the parameters of a Digest Authorization value; undefined when they do not follow its grammar, name one twice or are too long.
 * Inside `uri="..."` bare quotes are accepted, as clients write them that put a node selector with its predicates there as it is.
 */
export function parseDigestParameters(text: string): DigestParameters | undefined {
  if (text.length > SIZE_LIMIT) return undefined;
  const parameters = new Map<string, string>();
  let position = 0;
  for (;;) {
    while (isSpace(text, position) || text[position] === ',') position++;
    if (position >= text.length) return parameters;
    const start = position;
    while (isNameCharacter(text.charCodeAt(position))) position++;
    const name = text.slice(start, position).toLowerCase();
    position = skipSpace(text, position);
    if (name === '' || text[position] !== '=' || parameters.has(name)) return undefined;
    position = skipSpace(text, position + 1);
    if (text[position] === '"') {
      const end = name === 'uri' ? endOfLenientQuote(text, position + 1) : endOfQuote(text, position + 1);
      if (end < 0) return undefined;
      const value = text.slice(position + 1, end);
      // RFC 7616 3.4.1 computes with the value as it stands between the quotes: escapes in uri are left for the comparison.
      parameters.set(name, name === 'uri' ? value : unescapeQuoted(value));
      position = end + 1;
    } else {
      const from = position;
      while (position < text.length && !isSpace(text, position) && text[position] !== ',' && text[position] !== '"') position++;
      parameters.set(name, text.slice(from, position));
    }
    position = skipSpace(text, position);
    if (position < text.length && text[position] !== ',') return undefined;
  }
}

/** Undoes the backslashes of a quoted string (RFC 9110 5.6.4). */
export function unescapeQuoted(value: string): string {
  return value.includes('\\') ? value.replace(/\\(.)/gs, '$1') : value;
}

function isSpace(text: string, position: number): boolean {
  const code = text.charCodeAt(position);
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

function skipSpace(text: string, from: number): number {
  let position = from;
  while (isSpace(text, position)) position++;
  return position;
}

/** RFC 9110 5.6.2: tchar. */
const NAME_CHARACTERS = Uint8Array.from({ length: 128 }, (_, code) =>
  /[A-Za-z0-9!#$%&'*+.^_`|~-]/.test(String.fromCharCode(code)) ? 1 : 0,
);

function isNameCharacter(code: number): boolean {
  return NAME_CHARACTERS[code] === 1;
}

function endOfQuote(text: string, from: number): number {
  for (let position = from; position < text.length; position++) {
    if (text[position] === '"') return position;
    if (text[position] === '\\') position++;
  }
  return -1;
}

function endOfLenientQuote(text: string, from: number): number {
  for (let quote = text.indexOf('"', from); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    AFTER_URI.lastIndex = quote + 1;
    if (text[quote - 1] !== '\\' && AFTER_URI.test(text)) return quote;
  }
  return -1;
}
