/** The Event header field (RFC 6665 8.2.1). */

/** The event type, in lower case and without parameters. */
export function eventName(header: string): string {
  const end = header.indexOf(';');
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
}

export function eventId(header: string): string | undefined {
  return /;\s*id\s*=\s*([^;\s]+)/i.exec(header)?.[1];
}
