/** Directories of a user's documents, as OMA XDM defines them. */
import { escapeAttribute } from './xml/escape.ts';

export const XCAP_DIRECTORY = 'urn:oma:xml:xdm:xcap-directory';
export const XCAP_DIRECTORY_TYPE = 'application/vnd.oma.xcap-directory+xml';

/** The documents of one application usage. */
export interface DirectoryFolder {
  readonly auid: string;
  readonly entries: readonly DirectoryEntry[];
}

export interface DirectoryEntry {
  /** Of the document, absolute or relative to the directory's own. */
  readonly uri: string;
  /** Without quotes. */
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  /** Bytes in UTF-8. */
  readonly size: number;
}

export function writeXcapDirectory(folders: readonly DirectoryFolder[]): string {
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<xcap-directory xmlns="${XCAP_DIRECTORY}">\n`;
  for (const { auid, entries } of folders) {
    out += `<folder auid="${escapeAttribute(auid)}">\n`;
    for (const { uri, etag, modified, size } of entries) {
      const when = new Date(modified).toISOString();
      out += `<entry uri="${escapeAttribute(uri)}" etag="${escapeAttribute(etag)}" last-modified="${when}" size="${size}"/>\n`;
    }
    out += '</folder>\n';
  }
  return `${out}</xcap-directory>\n`;
}
