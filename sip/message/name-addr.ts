import { formatParams, indexOutsideQuotes, type Params, parseParams, splitOutsideQuotes } from './params.ts';
import { SipError } from './sip-error.ts';
import { decodeText, encodeText, quote, unquote } from './text.ts';
import { printable } from './uri.ts';

/** A From, To, Contact, Route ... value: name-addr or addr-spec, with header parameters (RFC 3261 20.10). */
export class NameAddr {
  /** Decoded text without quotes. */
  readonly displayName: string | undefined;
  /** As written, without the angle brackets. */
  readonly uri: string;
  readonly params: Params;

  constructor(uri: string, params: Params = new Map(), displayName?: string) {
    this.uri = uri;
    this.params = params;
    this.displayName = displayName;
  }

  get tag(): string | undefined {
    return this.params.get('tag');
  }

  /** The value as it goes on the wire; always with angle brackets. */
  toString(): string {
    const name = this.displayName === undefined ? '' : `${quote(encodeText(this.displayName))} `;
    return `${name}<${this.uri}>${formatParams(this.params)}`;
  }
}

/**
 * Parses one address. Parameters behind a URI without angle brackets belong to the header field (RFC 3261 20.10).
 * @throws SipError 400 with a reason that names the text.
 */
export function parseNameAddr(text: string): NameAddr {
  const open = text.startsWith('<') ? 0 : openingBracket(text);
  if (open >= 0) {
    const close = text.indexOf('>', open);
    if (close < 0) throw malformed(text);
    const after = text.slice(close + 1).trimStart();
    if (after !== '' && !after.startsWith(';')) throw malformed(text);
    return new NameAddr(
      checkUri(text.slice(open + 1, close).trim(), text),
      parseParams(after),
      displayName(text.slice(0, open).trim(), text),
    );
  }
  const semicolon = text.indexOf(';');
  const uri = (semicolon < 0 ? text : text.slice(0, semicolon)).trim();
  // RFC 3261 20.10: a URI with a question mark must stand in angle brackets.
  if (uri.includes('?')) throw malformed(text);
  return new NameAddr(checkUri(uri, text), semicolon < 0 ? new Map() : parseParams(text, semicolon));
}

/** Parses a comma-separated list of addresses. @throws SipError 400. */
export function parseNameAddrList(text: string): NameAddr[] {
  return splitOutsideQuotes(text, ',').map(parseNameAddr);
}

function openingBracket(text: string): number {
  if (!text.includes('"')) return text.indexOf('<');
  return indexOutsideQuotes(text, '<');
}

function displayName(text: string, whole: string): string | undefined {
  if (text === '') return undefined;
  if (text.startsWith('"')) {
    if (text.length < 2 || indexOutsideQuotes(text, '"', 1) !== text.length - 1) {
      const close = /^"(?:[^"\\]|\\[\s\S])*"$/.test(text);
      if (!close) throw malformed(whole);
    }
    return decodeText(unquote(text));
  }
  // RFC 4475 3.1.2.15: other readers would take these for the end of the value. All else that is no token does no harm.
  if (/[",;\\]/.test(text)) throw malformed(whole);
  return decodeText(text);
}

function checkUri(uri: string, whole: string): string {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"]+$/.test(uri)) throw malformed(whole);
  return uri;
}

function malformed(text: string): SipError {
  return new SipError(400, `Malformed address ${printable(text)}`);
}
