import type { ErrorCondition, NotUnique, SimpleError } from '../schemas/xcap-error.ts';

/** A 409 with a detailed conflict report (RFC 4825 11), whose phrase is the message. */
export class XcapConflict extends Error {
  readonly condition: ErrorCondition;

  /** @param kind the report's element, where it carries nothing but its phrase; otherwise the whole condition */
  constructor(kind: SimpleError['kind'] | ErrorCondition, phrase: string) {
    super(phrase);
    this.name = 'XcapConflict';
    this.condition = typeof kind === 'string' ? { kind, phrase } : kind;
  }
}

/** The document would hold values that must be unique and are not (RFC 4825 8.2.5). */
export function notUnique(exists: readonly NotUnique[], phrase: string): XcapConflict {
  return new XcapConflict({ kind: 'uniqueness-failure', phrase, exists }, phrase);
}

/** There is nothing to insert into; `ancestor` is the URI of the closest parent that exists (RFC 4825 11.1). */
export function noParent(ancestor: string, phrase: string): XcapConflict {
  return new XcapConflict({ kind: 'no-parent', phrase, ancestor }, phrase);
}

export type HeaderFields = Readonly<Record<string, string | readonly string[]>>;

/** Any other refusal: an HTTP status, its header fields, and a reason for people. */
export class XcapRefusal extends Error {
  readonly status: number;
  readonly headers: HeaderFields;
  /** What the log says, where the client is not to be told. */
  readonly reason: string;

  constructor(status: number, message: string, headers: HeaderFields = {}, reason: string = message) {
    super(message);
    this.reason = reason;
    this.name = 'XcapRefusal';
    this.status = status;
    this.headers = headers;
  }
}

/** Undoes the percent escapes of a part of a URI, once. Throws XcapRefusal 400 when they are malformed or not UTF-8. */
export function percentDecode(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part);
  } catch {
    throw new XcapRefusal(400, `malformed percent escape in the URI: ${part.slice(0, 200)}`);
  }
}
