import { percentDecode, XcapRefusal } from './errors.ts';

const XML = 'http://www.w3.org/XML/1998/namespace';
const XMLNS = 'http://www.w3.org/2000/xmlns/';
const NO_BINDINGS: ReadonlyMap<string, string> = new Map([
  ['xml', XML],
  ['xmlns', XMLNS],
]);

/** The characters of an XML name without colons (Namespaces in XML 3), for use in regular expressions with the `u` flag. */
export const NCNAME = (() => {
  const start =
    'A-Z_a-z\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u02FF\\u0370-\\u037D\\u037F-\\u1FFF\\u200C\\u200D\\u2070-\\u218F\\u2C00-\\u2FEF\\u3001-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFFD\\u{10000}-\\u{EFFFF}';
  return `[${start}][-.0-9${start}\\u00B7\\u0300-\\u036F\\u203F\\u2040]*`;
})();

const SCHEME = new RegExp(`\\s*(?:${NCNAME}:)?(${NCNAME})\\(`, 'uy');
const SHORTHAND = new RegExp(`^${NCNAME}$`, 'u');
const BINDING = new RegExp(`^\\s*(${NCNAME})\\s*=\\s*([^]*)$`, 'u');

/**
 * The namespace bindings in a query component: `xmlns(prefix=namespace)` parts (RFC 4825 6.4), parts of other pointer
 * schemes being ignored. Brackets and circumflexes in the data follow the XPointer framework's escapes.
 * Throws XcapRefusal 400 when the query is no pointer.
 */
export function parseNamespaceBindings(query: string | undefined): ReadonlyMap<string, string> {
  if (query === undefined || query === '') return NO_BINDINGS;
  const pointer = percentDecode(query);
  const bindings = new Map(NO_BINDINGS);
  if (SHORTHAND.test(pointer)) return bindings;
  let at = 0;
  while (at < pointer.length && pointer.slice(at).trim() !== '') {
    SCHEME.lastIndex = at;
    const scheme = SCHEME.exec(pointer);
    if (!scheme) throw malformed(pointer);
    const [data, end] = schemeData(pointer, SCHEME.lastIndex);
    at = end;
    if (scheme[1] !== 'xmlns' || scheme[0].includes(':')) continue;
    const [, prefix, namespace] = BINDING.exec(data) ?? [];
    if (prefix === undefined || namespace === undefined) throw malformed(pointer);
    // `xml` and `xmlns` mean what they mean (Namespaces in XML 3).
    if (!NO_BINDINGS.has(prefix)) bindings.set(prefix, namespace);
  }
  return bindings;
}

/** The data of a pointer part that begins at `from`, unescaped, and the offset behind its closing bracket. */
function schemeData(pointer: string, from: number): [data: string, end: number] {
  let data = '';
  let depth = 1;
  for (let i = from; i < pointer.length; i++) {
    let c = pointer.charAt(i);
    if (c === '^') {
      c = pointer.charAt(++i);
      if (c !== '(' && c !== ')' && c !== '^') throw malformed(pointer);
    } else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return [data, i + 1];
    data += c;
  }
  throw malformed(pointer);
}

function malformed(pointer: string): XcapRefusal {
  return new XcapRefusal(400, `the query component is not a list of xmlns(prefix=namespace) parts: ${pointer.slice(0, 200)}`);
}
