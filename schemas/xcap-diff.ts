/** Changes of XCAP documents (RFC 5874): which have changed, and how. */
import { escapeAttribute, escapeText } from './xml/escape.ts';
import type { Patch } from './xml/patch.ts';
import { writeDeclarations, writePatchOperation } from './xml/patch-operation.ts';

export const XCAP_DIFF = 'urn:ietf:params:xml:ns:xcap-diff';
export const XCAP_DIFF_TYPE = 'application/xcap-diff+xml';

export type DiffItem = DocumentItem | ElementItem | AttributeItem;

/** What became of a document (RFC 5874 figure 1): it exists (`newEtag` alone), has changed (both tags), or is no more (`previousEtag` alone). */
export interface DocumentItem {
  readonly kind: 'document';
  /** Relative to the XCAP root, percent-encoded. */
  readonly sel: string;
  readonly previousEtag?: string | undefined;
  readonly newEtag?: string | undefined;
  /** How it has changed; without it, the document has to be fetched. A patch without operations says that it is the same text. */
  readonly patch?: Patch | undefined;
}

export interface ElementItem {
  readonly kind: 'element';
  readonly sel: string;
  readonly exists: boolean;
  /** The element as it stands in its document; without it, it has to be fetched. */
  readonly content?: string | undefined;
  /** Bindings around it that it needs. */
  readonly namespaces?: ReadonlyMap<string, string> | undefined;
}

export interface AttributeItem {
  readonly kind: 'attribute';
  readonly sel: string;
  readonly exists: boolean;
  readonly value?: string | undefined;
}

/**
 * Writes the document (RFC 5874 3). `xcapRoot` is absolute and ends with a slash.
 * The items stand in the order in which they are to be applied.
 */
export function writeXcapDiff(xcapRoot: string, items: readonly DiffItem[]): string {
  const p = freePrefix(items);
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<${p}:xcap-diff xmlns:${p}="${XCAP_DIFF}" xcap-root="${escapeAttribute(xcapRoot)}"`;
  if (items.length === 0) return `${out}/>\n`;
  out += '>\n';
  for (const item of items) out += `${writeItem(item, p)}\n`;
  return `${out}</${p}:xcap-diff>\n`;
}

/** How many bytes an item takes in a document, but for the length of its prefixes. */
export function diffItemSize(item: DiffItem): number {
  return Buffer.byteLength(writeItem(item, 'd')) + 1;
}

/** Its own elements have a prefix, and one that no content has another meaning for. */
function freePrefix(items: readonly DiffItem[]): string {
  const taken = new Set<string>();
  const take = (namespaces: ReadonlyMap<string, string> | undefined): void => {
    for (const prefix of namespaces?.keys() ?? []) taken.add(prefix);
  };
  for (const item of items) {
    if (item.kind === 'element') take(item.namespaces);
    if (item.kind !== 'document' || !item.patch) continue;
    take(item.patch.namespaces);
    for (const { namespaces } of item.patch.operations) take(namespaces);
  }
  let prefix = 'd';
  for (let n = 2; taken.has(prefix); n++) prefix = `d${n}`;
  return prefix;
}

function writeItem(item: DiffItem, p: string): string {
  const start = `<${p}:${item.kind} sel="${escapeAttribute(item.sel)}"`;
  if (item.kind === 'document') return start + writeDocument(item, p);
  const end = `</${p}:${item.kind}>`;
  if (!item.exists) return `${start} exists="false"/>`;
  if (item.kind === 'attribute') return item.value === undefined ? `${start}/>` : `${start}>${escapeText(item.value)}${end}`;
  return item.content === undefined ? `${start}/>` : `${start}${writeDeclarations(item.namespaces)}>${item.content}${end}`;
}

function writeDocument({ previousEtag, newEtag, patch }: DocumentItem, p: string): string {
  let out = '';
  if (previousEtag !== undefined) out += ` previous-etag="${escapeAttribute(previousEtag)}"`;
  if (newEtag !== undefined) out += ` new-etag="${escapeAttribute(newEtag)}"`;
  if (!patch) return `${out}/>`;
  const end = `</${p}:document>`;
  if (patch.operations.length === 0) return `${out}><${p}:body-not-changed/>${end}`;
  out += `${patch.operations.some(({ content }) => content?.includes('<')) ? writeDeclarations(patch.namespaces) : ''}>`;
  for (const operation of patch.operations) out += writePatchOperation(operation, p);
  return out + end;
}
