import { percentDecode, XcapRefusal } from './errors.ts';

/** Which document a URI names, before the XUI is known to be anyone's (RFC 4825 6.2). */
export interface DocumentSelector {
  readonly auid: string;
  /** Decoded as it stands in the URI; undefined in the global tree. */
  readonly xui: string | undefined;
  /** Path below the XUI or below `global`, decoded, segments joined by `/`. */
  readonly name: string;
}

const LONGEST_XUI = 512;
const LONGEST_NAME = 512;

/**
 * Reads a percent-encoded document selector: AUID, then `users` and an XUI or `global`, then the document's path.
 * Throws XcapRefusal: 404 where there can be no document, 400 for malformed escapes and names that are not allowed.
 */
export function parseDocumentSelector(selector: string): DocumentSelector {
  const segments = selector.split('/');
  const [auid = '', written = ''] = segments;
  // RFC 3986 6.2.2.2: an escape that need not be one makes no other name.
  const tree = written.includes('%') ? percentDecode(written) : written;
  if (tree !== 'users' && tree !== 'global') throw noDocument(selector);
  const first = tree === 'users' ? 3 : 2;
  if (segments.length <= first) throw noDocument(selector);

  const xui = tree === 'users' ? percentDecode(segments[2] ?? '') : undefined;
  if (xui !== undefined && (xui === '' || xui.length > LONGEST_XUI || hasControlCharacter(xui))) throw noDocument(selector);
  let name = documentSegment(segments[first] ?? '', selector);
  for (let i = first + 1; i < segments.length; i++) name += `/${documentSegment(segments[i] ?? '', selector)}`;
  if (name.length > LONGEST_NAME) throw new XcapRefusal(400, `the document's name is longer than ${LONGEST_NAME} characters`);
  return { auid: percentDecode(auid), xui, name };
}

/** The percent-encoded path of a document, or of the directory that `name` '' stands for, below the XCAP root. */
export function documentPath({ auid, xui, name }: DocumentSelector): string {
  const tree = xui === undefined ? 'global' : `users/${encodeSegment(xui)}`;
  return `${encodeSegment(auid)}/${tree}/${name.split('/').map(encodeSegment).join('/')}`;
}

/** A path segment with everything escaped that cannot stand in one (RFC 3986 3.3 pchar). */
export function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent);
}

function documentSegment(encoded: string, selector: string): string {
  const segment = percentDecode(encoded);
  if (segment === '' || segment === '.' || segment === '..') throw noDocument(selector);
  if (segment.includes('/') || hasControlCharacter(segment)) {
    throw new XcapRefusal(400, 'a document name cannot hold a slash or a control character');
  }
  return segment;
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32 || code === 127) return true;
  }
  return false;
}

function noDocument(selector: string): XcapRefusal {
  const expected = 'AUID/users/XUI/document or AUID/global/document';
  return new XcapRefusal(404, `no document can have the path ${selector.slice(0, 200)}: expected ${expected}`);
}
