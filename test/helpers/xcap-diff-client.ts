import { attributeOf, decode, expand, type RawNode, readRaw } from './raw-xml.ts';
import { applyPatch } from './xml-patch-client.ts';

const XCAP_DIFF = '{urn:ietf:params:xml:ns:xcap-diff}';

/** One element of a diff document (RFC 5874 3). */
export interface Diff {
  readonly kind: string;
  readonly sel: string;
  readonly previousEtag: string | undefined;
  readonly newEtag: string | undefined;
  readonly exists: boolean;
  /** Names of the operations, `body-not-changed` among them. */
  readonly operations: readonly string[];
  /** What stands in it, as it stands there. */
  readonly content: string;
  readonly node: RawNode;
}

export interface DiffDocument {
  readonly root: string;
  readonly diffs: readonly Diff[];
}

export function readXcapDiff(text: string): DiffDocument {
  const root = readRaw(text).children.find(({ kind }) => kind === 'element');
  if (!root || expand(root.name, root.scope) !== `${XCAP_DIFF}xcap-diff`) throw new Error(`no xcap-diff document:\n${text}`);
  const diffs = root.children.filter(({ kind }) => kind === 'element').map((node) => readDiff(node, text));
  return { root: attributeOf(root, 'xcap-root') ?? '', diffs };
}

function readDiff(node: RawNode, text: string): Diff {
  const name = expand(node.name, node.scope);
  if (!name.startsWith(XCAP_DIFF)) throw new Error(`${name} in an xcap-diff document`);
  const kind = name.slice(XCAP_DIFF.length);
  const exists = attributeOf(node, 'exists') ?? 'true';
  const operations = node.children
    .filter((child) => child.kind === 'element')
    .map((child) => child.name.slice(child.name.indexOf(':') + 1));
  return {
    kind,
    sel: attributeOf(node, 'sel') ?? '',
    previousEtag: attributeOf(node, 'previous-etag'),
    newEtag: attributeOf(node, 'new-etag'),
    exists: exists === 'true' || exists === '1',
    operations: kind === 'document' ? operations : [],
    content: kind === 'attribute' ? decode(text.slice(node.contentStart, node.contentEnd)) : text.slice(node.contentStart, node.contentEnd),
    node,
  };
}

/** Keeps copies of documents in line with what notifications tell (RFC 5875 4.8). */
export class XcapDiffClient {
  /** By selector: what is known of a document; its text as far as it is the version of the etag. */
  readonly documents = new Map<string, { etag: string; text: string | undefined }>();
  /** Elements and attributes that exist. */
  readonly nodes = new Map<string, string>();
  patches = 0;
  /** Changes that could only be fetched. */
  misses = 0;

  /** Takes a document as it was fetched. */
  fetched(sel: string, etag: string, text: string): void {
    this.documents.set(sel, { etag, text });
  }

  receive(body: string): DiffDocument {
    const document = readXcapDiff(body);
    for (const diff of document.diffs) {
      if (diff.kind === 'document') this.#document(diff, body);
      else if (diff.exists) this.nodes.set(diff.sel, diff.content);
      else this.nodes.delete(diff.sel);
    }
    return document;
  }

  #document({ sel, previousEtag, newEtag, operations, node }: Diff, body: string): void {
    const known = this.documents.get(sel);
    if (newEtag === undefined) {
      if (previousEtag === undefined) throw new Error(`${sel} without any entity tag`);
      if (known && known.etag !== previousEtag) throw new Error(`${sel} was removed at ${previousEtag}, known is ${known.etag}`);
      this.documents.delete(sel);
      return;
    }
    // RFC 5875 4.8: what is known already is passed over.
    if (known?.etag === newEtag) return;
    if (known?.text !== undefined && known.etag === previousEtag && operations.length > 0) {
      const text = operations[0] === 'body-not-changed' ? known.text : applyPatch(known.text, body, node);
      this.documents.set(sel, { etag: newEtag, text });
      this.patches++;
      return;
    }
    if (known?.text !== undefined) this.misses++;
    this.documents.set(sel, { etag: newEtag, text: undefined });
  }
}
