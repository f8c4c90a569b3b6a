/**
 * The namespace prefixes that the text between two offsets may use, in a name, or in a value that holds one: too many rather than too few.
 * An element can have thousands of bindings in scope, of which it uses a few.
 */
export function usedPrefixes(text: string, from = 0, to = text.length): Set<string> {
  const prefixes = new Set<string>();
  // From colon to colon, each character looked at once: texts are as hostile as their writers.
  for (let colon = text.indexOf(':', from); colon >= 0 && colon < to; colon = text.indexOf(':', colon + 1)) {
    let start = colon;
    while (start > from && isNameCharacter(text.charCodeAt(start - 1))) start--;
    if (start < colon) prefixes.add(text.slice(start, colon));
  }
  return prefixes;
}

/** As far as it tells a prefix from what stands before it. */
function isNameCharacter(code: number): boolean {
  return (
    code >= 128 || (code >= 48 && code <= 57) || ((code | 32) >= 97 && (code | 32) <= 122) || code === 95 || code === 45 || code === 46
  );
}
