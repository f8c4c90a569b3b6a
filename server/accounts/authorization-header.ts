/** The digest parameters of an Authorization header field (RFC 7616 3.4), names in lower case, values without their quotes. */
export type DigestParameters = ReadonlyMap<string, string>;

const SIZE_LIMIT = 8192;
const NAME = /[\s,]*([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*/y;
const TOKEN = /[^\s,"]*/y;
/** What ends a quoted value: the next parameter, or the end of the field. */
const AFTER_VALUE = /\s*(?:,[\s,]*(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+\s*=|$)|$)/y;

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
  while (position < text.length) {
    NAME.lastIndex = position;
    const match = NAME.exec(text);
    if (!match) return /^[\s,]*$/.test(text.slice(position)) ? parameters : undefined;
    const name = (match[1] ?? '').toLowerCase();
    if (parameters.has(name)) return undefined;
    position = NAME.lastIndex;
    let value: string;
    if (text[position] === '"') {
      const end = name === 'uri' ? endOfLenientQuote(text, position + 1) : endOfQuote(text, position + 1);
      if (end < 0) return undefined;
      value = text.slice(position + 1, end);
      // RFC 7616 3.4.1 computes with the value as it stands between the quotes: escapes in uri are left for the comparison.
      if (name !== 'uri' && value.includes('\\')) value = unescapeQuoted(value);
      position = end + 1;
    } else {
      TOKEN.lastIndex = position;
      value = TOKEN.exec(text)?.[0] ?? '';
      position += value.length;
    }
    AFTER_VALUE.lastIndex = position;
    if (!AFTER_VALUE.test(text)) return undefined;
    parameters.set(name, value);
  }
  return parameters;
}

/** Undoes the backslashes of a quoted string (RFC 9110 5.6.4). */
export function unescapeQuoted(value: string): string {
  return value.replace(/\\(.)/gs, '$1');
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
    AFTER_VALUE.lastIndex = quote + 1;
    if (text[quote - 1] !== '\\' && AFTER_VALUE.test(text)) return quote;
  }
  return -1;
}
