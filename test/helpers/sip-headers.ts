/** Values inside SIP header fields (RFC 3261 20 and 25). Every function throws an Error that says what is wrong with the value. */

/** Parameters by lower-case name; a flag has the value ''. */
export type Parameters = ReadonlyMap<string, string>;

export interface NameAddress {
  readonly display: string | undefined;
  readonly uri: string;
  readonly params: Parameters;
  /** The address stood in angle brackets. */
  readonly bracketed: boolean;
}

export interface SipUri {
  readonly scheme: string;
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Parameters;
}

export interface Via {
  readonly transport: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Parameters;
}

/** `;a=b;c` as it follows a value; the leading semicolon may be missing only when there is nothing. */
export function parseParameters(text: string): Parameters {
  const params = new Map<string, string>();
  const rest = text.trim();
  if (rest === '') return params;
  if (!rest.startsWith(';')) throw new Error(`parameters must start with a semicolon: "${rest}"`);
  for (const part of splitOutsideQuotes(rest.slice(1), ';')) {
    const match = /^([A-Za-z0-9\-.!%*_+`'~]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^";=]+))?$/.exec(part.trim());
    if (!match) throw new Error(`not a parameter: "${part.trim()}"`);
    const name = (match[1] ?? '').toLowerCase();
    if (params.has(name)) throw new Error(`parameter ${name} stands twice`);
    params.set(name, unquote(match[2] ?? ''));
  }
  return params;
}

/** A name-addr or addr-spec with its header parameters. */
export function parseNameAddress(value: string): NameAddress {
  const bracketed = /^((?:"(?:[^"\\]|\\.)*"|[^"<>,;:]*)[ \t]*)<([^<>"]+)>(.*)$/.exec(value);
  if (bracketed) {
    const display = unquote((bracketed[1] ?? '').trim());
    return {
      display: display === '' ? undefined : display,
      uri: checkedUri(bracketed[2] ?? ''),
      params: parseParameters(bracketed[3] ?? ''),
      bracketed: true,
    };
  }
  const bare = /^([A-Za-z][A-Za-z0-9+.-]*:[^ \t;<>",?]+)(.*)$/.exec(value);
  if (!bare) throw new Error(`not an address: "${value}"`);
  return { display: undefined, uri: checkedUri(bare[1] ?? ''), params: parseParameters(bare[2] ?? ''), bracketed: false };
}

function checkedUri(uri: string): string {
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[^ \t<>"]+$/.test(uri)) throw new Error(`not a URI: "${uri}"`);
  return uri;
}

/** A sip: or sips: URI. */
export function parseUri(uri: string): SipUri {
  const match = /^(sips?):(?:([^@]*)@)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?((?:;[^?]*)?)(\?.*)?$/i.exec(uri);
  if (!match) throw new Error(`not a SIP URI: "${uri}"`);
  return {
    scheme: (match[1] ?? '').toLowerCase(),
    user: match[2],
    host: match[3] ?? '',
    port: match[4] === undefined ? undefined : Number(match[4]),
    params: parseParameters(match[5] ?? ''),
  };
}

export function parseVia(value: string): Via {
  const match = /^SIP\/2\.0\/([A-Z]+) (\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?(.*)$/.exec(value);
  if (!match) throw new Error(`not a Via: "${value}"`);
  return {
    transport: match[1] ?? '',
    host: match[2] ?? '',
    port: match[3] === undefined ? undefined : Number(match[3]),
    params: parseParameters(match[4] ?? ''),
  };
}

/** `value;param=x`, for Event, Subscription-State, Content-Type and Accept. */
export function parseValue(value: string): { readonly value: string; readonly params: Parameters } {
  const semicolon = value.indexOf(';');
  if (semicolon < 0) return { value: value.trim(), params: new Map() };
  return { value: value.slice(0, semicolon).trim(), params: parseParameters(value.slice(semicolon)) };
}

/** The number of a CSeq. */
export function cseqNumber(value: string | undefined): number {
  return Number.parseInt(value ?? '', 10);
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    if (quoted && text[index] === '\\') index++;
    else if (text[index] === '"') quoted = !quoted;
    else if (!quoted && text[index] === separator) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** The content of a quoted string, or the text as it is. */
export function unquote(text: string): string {
  return text.startsWith('"') && text.endsWith('"') && text.length >= 2 ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;
}
