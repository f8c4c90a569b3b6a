/** An XCAP URI in its parts, each as it stands in the request, percent escapes and all (RFC 4825 6). */
export interface XcapUri {
  /** The XCAP root it lies under, without a final slash: '' for `/`. */
  readonly root: string;
  /** Document selector, without the slash that begins it. */
  readonly document: string;
  /** Node selector; undefined where the URI names a document. */
  readonly node: string | undefined;
  /** Query component without its `?`. */
  readonly query: string | undefined;
}

/** XCAP root paths in the order in which they are tried: the longest first, without a final slash. */
export function orderRoots(roots: readonly string[]): string[] {
  const paths = roots.map((root) => (root.endsWith('/') ? root.slice(0, -1) : root));
  return [...new Set(paths)].sort((a, b) => b.length - a.length);
}

/**
 * Splits a raw request target, in origin form or absolute form (RFC 9112 3.2), at the XCAP root and at the first `~~` segment.
 * Nothing is decoded here: an escaped `/` must still be told from a separator afterwards.
 *
 * @param roots as `orderRoots` gives them
 * @returns undefined when the target lies under no root
 */
export function splitXcapUri(target: string, roots: readonly string[]): XcapUri | undefined {
  const question = target.indexOf('?');
  const query = question < 0 ? undefined : target.slice(question + 1);
  const from = target.charCodeAt(0) === SLASH ? 0 : pathStart(target);
  if (from < 0) return undefined;
  const path = question < 0 && from === 0 ? target : target.slice(from, question < 0 ? undefined : question);

  for (const root of roots) {
    if (!path.startsWith(root) || path.charCodeAt(root.length) !== SLASH) continue;
    const separator = separatorIndex(path, root.length);
    if (separator < 0) return { root, document: path.slice(root.length + 1), node: undefined, query };
    const after = path.indexOf('/', separator + 1);
    return { root, document: path.slice(root.length + 1, separator), node: after < 0 ? '' : path.slice(after + 1), query };
  }
  return undefined;
}

const SLASH = 47;

/** Where the path of an absolute-form target begins; -1 if it is none of http or https. */
function pathStart(target: string): number {
  const scheme = target.slice(0, 8).toLowerCase();
  const authority = scheme.startsWith('http://') ? 7 : scheme === 'https://' ? 8 : -1;
  return authority < 0 ? -1 : target.indexOf('/', authority);
}

/** Index of the slash before the first node selector separator at or after `from`; -1 without one. */
function separatorIndex(path: string, from: number): number {
  // Both spellings begin with one of two characters, so that most segments are left after one look.
  for (let slash = path.indexOf('/', from); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    const first = path.charCodeAt(slash + 1);
    if (first !== 126 && first !== 37) continue;
    const end = path.indexOf('/', slash + 1);
    if (isSeparator(path.slice(slash + 1, end < 0 ? undefined : end))) return slash;
  }
  return -1;
}

/** RFC 4825 6: `%7E%7E` is equal to `~~`. */
function isSeparator(segment: string): boolean {
  return segment === '~~' || (segment.length <= 6 && segment.replace(/%7e/gi, '~') === '~~');
}
