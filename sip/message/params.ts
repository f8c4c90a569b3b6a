/** Parameters by lower-case name, in order. Values as written (quoted strings keep their quotes); undefined for a flag such as `lr`. */
export type Params = Map<string, string | undefined>;

/** Finds `character` from `from` on, stepping over quoted strings and angle brackets; -1 if there is none outside them. */
export function indexOutsideQuotes(text: string, character: string, from = 0): number {
  const wanted = character.charCodeAt(0);
  let quoted = false;
  let bracketed = false;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 0x5c) i++;
      else if (code === 0x22) quoted = false;
    } else if (code === wanted && !bracketed) return i;
    else if (code === 0x22) quoted = true;
    else if (code === 0x3c) bracketed = true;
    else if (code === 0x3e) bracketed = false;
  }
  return -1;
}

/** Cuts a text at every `separator` outside quoted strings and angle brackets; pieces trimmed, empty ones dropped. */
export function splitOutsideQuotes(text: string, separator: string): string[] {
  if (!text.includes(separator)) {
    const only = text.trim();
    return only === '' ? [] : [only];
  }
  const pieces: string[] = [];
  let start = 0;
  while (start <= text.length) {
    const found = indexOutsideQuotes(text, separator, start);
    const piece = text.slice(start, found < 0 ? undefined : found).trim();
    if (piece !== '') pieces.push(piece);
    if (found < 0) break;
    start = found + 1;
  }
  return pieces;
}

/** Parses `;name=value;flag` from `start` on. Empty parameters (`;;`) are passed over; the first of two with one name counts. */
export function parseParams(text: string, start = 0): Params {
  const params: Params = new Map();
  // Nearly all parameters are plain, so that any semicolon is a separator.
  const plain = text.indexOf('"', start) < 0 && text.indexOf('<', start) < 0;
  let position = start;
  while (position < text.length) {
    const found = plain ? text.indexOf(';', position) : indexOutsideQuotes(text, ';', position);
    const end = found < 0 ? text.length : found;
    if (end > position) addParam(params, text, position, end);
    position = end + 1;
  }
  return params;
}

function addParam(params: Params, text: string, start: number, end: number): void {
  const equals = text.indexOf('=', start);
  const valued = equals >= 0 && equals < end;
  const name = text
    .slice(start, valued ? equals : end)
    .trim()
    .toLowerCase();
  if (name !== '' && !params.has(name)) params.set(name, valued ? text.slice(equals + 1, end).trim() : undefined);
}

/** The text without empty parameters (`;;`, `; ,`, `;` at the end), which are understood but not passed on. */
export function dropEmptyParams(text: string): string {
  if (!EMPTY_PARAM.test(text)) return text;
  if (text.includes('"')) return splitOutsideQuotes(text, ';').join(';');
  return text.replace(EMPTY_PARAMS, '');
}

const EMPTY_PARAM = /;[ \t]*(?:[;,]|$)/;
const EMPTY_PARAMS = /;[ \t]*(?=[;,]|$)/g;

/** Writes `;name=value;flag`. */
export function formatParams(params: Params): string {
  let text = '';
  for (const [name, value] of params) text += value === undefined ? `;${name}` : `;${name}=${value}`;
  return text;
}
