import { parseValue } from './sip-headers.ts';

export interface ReadPart {
  /** Header fields by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** The Content-ID without its angle brackets; '' when there is none. */
  readonly contentId: string;
  /** Without parameters, in lower case. */
  readonly type: string;
  readonly body: string;
}

export interface ReadMultipart {
  /** The part that `start` names, or else the first (RFC 2387 3.2). */
  readonly root: ReadPart;
  readonly parts: readonly ReadPart[];
}

/** The parts of a multipart body of any kind (RFC 2046 5.1), throwing on anything the format forbids. */
export function readParts(contentType: string, body: string): ReadPart[] {
  const { value, params } = parseValue(contentType);
  if (!/^multipart\//i.test(value)) throw new Error(`Content-Type is ${value}`);
  const boundary = params.get('boundary') ?? '';
  if (!/^[A-Za-z0-9'()+_,\-./:=?]{1,70}$/.test(boundary)) throw new Error(`boundary is "${boundary}"`);
  const opening = `--${boundary}\r\n`;
  const first = body.startsWith(opening) ? 0 : body.indexOf(`\r\n${opening}`) + 2;
  if (!body.startsWith(opening, first)) throw new Error(`no part begins with the boundary ${boundary}\n${body}`);
  const closing = body.indexOf(`\r\n--${boundary}--`);
  if (closing < 0) throw new Error(`no closing boundary\n${body}`);
  return body
    .slice(first + opening.length, closing)
    .split(`\r\n${opening}`)
    .map(readPart);
}

/** Reads a multipart/related body (RFC 2387), throwing on anything the format forbids. */
export function readMultipart(contentType: string, body: string): ReadMultipart {
  const { value, params } = parseValue(contentType);
  if (value.toLowerCase() !== 'multipart/related') throw new Error(`Content-Type is ${value}`);
  const parts = readParts(contentType, body);
  const ids = parts.map((part) => part.contentId).filter((id) => id !== '');
  if (new Set(ids).size !== ids.length) throw new Error(`Content-IDs are not unique: ${ids.join(', ')}`);
  const type = params.get('type');
  if (type === undefined) throw new Error(`multipart/related without type (RFC 2387 3.1): ${contentType}`);
  const start = params.get('start');
  if (start !== undefined && !/^<[^<>]+>$/.test(start)) throw new Error(`start is "${start}", not a Content-ID in angle brackets`);
  const root = start === undefined ? parts[0] : parts.find((part) => `<${part.contentId}>` === start);
  if (!root) throw new Error(`start names no part: ${start}`);
  if (root.type !== type.toLowerCase()) throw new Error(`the root part is ${root.type}, type says ${type}`);
  return { root, parts };
}

function readPart(text: string): ReadPart {
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
  if (end < 0) throw new Error(`a part without an empty line\n${text}`);
  const headers = new Map<string, string>();
  for (const line of text.slice(0, end).split('\r\n')) {
    const match = /^([A-Za-z-]+): (.+)$/.exec(line);
    if (!match) throw new Error(`not a part header: "${line}"`);
    headers.set((match[1] ?? '').toLowerCase(), match[2] ?? '');
  }
  const id = headers.get('content-id');
  if (id !== undefined && !/^<[^<>\s]+>$/.test(id)) throw new Error(`Content-ID is "${id}", not in angle brackets (RFC 2045 7)`);
  const type = headers.get('content-type');
  if (type === undefined) throw new Error('a part without Content-Type');
  return {
    headers,
    contentId: id?.slice(1, -1) ?? '',
    type: parseValue(type).value.toLowerCase(),
    body: text.slice(text.startsWith('\r\n') ? 2 : end + 4),
  };
}
