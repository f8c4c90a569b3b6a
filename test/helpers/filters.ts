/** Filter documents (RFC 4661) as watchers write them. */
import type { HeaderField } from './sip-peer-options.ts';

export const FILTER_TYPE = 'application/simple-filter+xml';

const BINDINGS: Readonly<Record<string, string>> = {
  pidf: 'urn:ietf:params:xml:ns:pidf',
  rpid: 'urn:ietf:params:xml:ns:pidf:rpid',
  dm: 'urn:ietf:params:xml:ns:pidf:data-model',
  wi: 'urn:ietf:params:xml:ns:watcherinfo',
};

/** A `<filter-set>` with the usual prefixes bound. */
export function filterSet(...filters: readonly string[]): string {
  const bindings = Object.entries(BINDINGS).map(([prefix, urn]) => `<ns-binding prefix="${prefix}" urn="${urn}"/>`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings>${bindings.join('')}</ns-bindings>${filters.join('')}</filter-set>`;
}

export function filter(contents: string, attributes = 'id="1"'): string {
  return `<filter ${attributes}>${contents}</filter>`;
}

/** Expressions in text need their `<` escaped. */
function escaped(expression: string): string {
  return expression.replaceAll('<', '&lt;');
}

export function including(...expressions: readonly string[]): string {
  return `<what>${expressions.map((expression) => `<include>${escaped(expression)}</include>`).join('')}</what>`;
}

/** For `SipPeer.subscribe` and `Subscription.refresh`. */
export function withFilters(body: string): { readonly headers: readonly HeaderField[]; readonly body: string } {
  return { headers: [['Content-Type', FILTER_TYPE]], body };
}
