/** What is in no name: a prefix begins behind it. */
const NO_NAME = new Set(' \t\r\n<>"\'=/:&;()[]{},');

/**
 * The namespace prefixes that a piece of XML may use, in names, values or text: too many rather than too few, and '' for what has none.
 * An element can have thousands of bindings in scope, of which it uses a few.
 */
export function usedPrefixes(xml: string): ReadonlySet<string> {
  const prefixes = new Set(['']);
  // From colon to colon, each character looked at once: texts are as hostile as their writers.
  for (let colon = xml.indexOf(':'); colon >= 0; colon = xml.indexOf(':', colon + 1)) {
    let start = colon;
    while (start > 0 && !NO_NAME.has(xml.charAt(start - 1))) start--;
    prefixes.add(xml.slice(start, colon));
  }
  return prefixes;
}
