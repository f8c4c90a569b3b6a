import { attributeOf, expand, type RawNode, readRaw } from './raw-xml.ts';
import type { Notification } from './sip-subscription.ts';
import { applyPatch } from './xml-patch-client.ts';

const PIDF = '{urn:ietf:params:xml:ns:pidf}';
const PIDF_DIFF = '{urn:ietf:params:xml:ns:pidf-diff}';

/** A watcher of partial presence (RFC 5263 4.5): keeps its copy of the document in line with what it is told. */
export class PidfDiffClient {
  /** The local copy, a `<pidf-full>` document. */
  text = '';
  version = 0;
  fulls = 0;
  diffs = 0;

  /** Throws on whatever RFC 5263 4.5 calls a failure of the presence agent. */
  receive({ type, body }: Notification): void {
    if (type !== 'application/pidf-diff+xml') throw new Error(`not partial presence: ${type}`);
    const root = rootOf(body);
    const version = Number(attributeOf(root, 'version'));
    const name = expand(root.name, root.scope);
    // In order, and none is lost in these tests.
    if (!(version > this.version)) throw new Error(`version ${version} after ${this.version}`);
    if (name === `${PIDF_DIFF}pidf-full`) {
      this.text = body;
      this.fulls++;
    } else if (name === `${PIDF_DIFF}pidf-diff`) {
      if (version !== this.version + 1) throw new Error(`a diff to version ${version}, but we have ${this.version}`);
      const entity = attributeOf(root, 'entity');
      if (entity !== undefined && entity !== attributeOf(rootOf(this.text), 'entity')) throw new Error(`a diff about ${entity}`);
      this.text = applyPatch(this.text, body, root);
      this.diffs++;
    } else throw new Error(`the root is ${name}`);
    this.version = version;
  }

  /** The copy as what it means; see `meaningOf`. */
  get meaning(): string {
    return meaningOf(this.text);
  }
}

/**
 * A presence document, of whatever root, as one text that is the same for documents that mean the same: names expanded, attributes sorted, and
 * no white space between elements.
 */
export function meaningOf(text: string): string {
  const root = rootOf(text);
  const name = expand(root.name, root.scope);
  if (name !== `${PIDF}presence` && name !== `${PIDF_DIFF}pidf-full`) throw new Error(`the root is ${name}`);
  return `${attributeOf(root, 'entity')}\n${root.children.map((child) => tell(child, text)).join('')}`;
}

function rootOf(text: string): RawNode {
  const root = readRaw(text).children.find(({ kind }) => kind === 'element');
  if (!root) throw new Error(`no document:\n${text}`);
  return root;
}

function tell(node: RawNode, text: string): string {
  const raw = text.slice(node.start, node.end);
  if (node.kind !== 'element') return raw.trim() === '' ? '' : `${raw}\n`;
  const attributes = node.attributes
    .filter(({ name }) => name !== 'xmlns' && !name.startsWith('xmlns:'))
    .map(({ name, value }) => `${name.includes(':') ? expand(name, node.scope) : name}=${value}`)
    .sort();
  return `<${expand(node.name, node.scope)} ${attributes.join(' ')}>\n${node.children.map((child) => tell(child, text)).join('')}</>\n`;
}
