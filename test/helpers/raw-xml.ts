/** A reading of XML of its own for tests of patches: every node with its place in the text, tags not taken apart further than needed. */

export interface RawNode {
  readonly kind: 'element' | 'text' | 'comment' | 'pi';
  start: number;
  end: number;
  readonly name: string;
  readonly attributes: readonly RawAttribute[];
  readonly children: RawNode[];
  /** Offsets of an element's content; those of an empty-element tag are where it ends. */
  contentStart: number;
  contentEnd: number;
  readonly selfClosing: boolean;
  /** Prefix ('' for the default) to namespace name. */
  readonly scope: ReadonlyMap<string, string>;
  readonly parent: RawNode | undefined;
}

export interface RawAttribute {
  readonly name: string;
  /** Offsets: of the name, of the value, and behind the closing quote. */
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly end: number;
  readonly value: string;
}

const TOKEN = /<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>|<\/[^>]*>|<(?:[^>"']|"[^"]*"|'[^']*')*>|[^<]+/gs;
const ATTRIBUTE = /([^\s=<>/"']+)\s*=\s*("[^"]*"|'[^']*')/g;

/** The document node: its children are the root element and what stands beside it. Text next to text is one node, as XPath has it. */
export function readRaw(text: string): RawNode {
  const document = node('element', '', 0, text.length, new Map([['xml', 'http://www.w3.org/XML/1998/namespace']]), undefined);
  let open = document;
  let at = 0;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (index !== at) throw new Error(`cannot be read at ${at}: ${text.slice(at, at + 40)}`);
    at = index + token.length;
    if (token.startsWith('<!--')) open.children.push(node('comment', '', index, at, open.scope, open));
    else if (token.startsWith('<?')) open.children.push(node('pi', '', index, at, open.scope, open));
    else if (token.startsWith('</')) {
      if (token.slice(2, -1).trim() !== open.name || !open.parent) throw new Error(`${token} does not close <${open.name}>`);
      open.contentEnd = index;
      open.end = at;
      open = open.parent;
    } else if (token.startsWith('<') && !token.startsWith('<![CDATA[')) {
      const element = readTag(token, index, open);
      open.children.push(element);
      if (!element.selfClosing) open = element;
    } else if (token !== '<![CDATA[]]>') {
      const last = open.children.at(-1);
      if (last?.kind === 'text' && last.end === index) last.end = at;
      else open.children.push(node('text', '', index, at, open.scope, open));
    }
  }
  if (at !== text.length || open !== document) throw new Error('the document does not end well');
  return document;
}

function readTag(token: string, index: number, parent: RawNode): RawNode {
  const name = /^<([^\s/>]+)/.exec(token)?.[1] ?? '';
  const attributes: RawAttribute[] = [];
  const scope = new Map(parent.scope);
  for (const match of token.matchAll(ATTRIBUTE)) {
    const [whole, attribute = '', quoted = ''] = match;
    const start = index + match.index;
    const end = start + whole.length;
    const value = decode(quoted.slice(1, -1));
    if (attribute === 'xmlns') scope.set('', value);
    else if (attribute.startsWith('xmlns:')) scope.set(attribute.slice(6), value);
    attributes.push({ name: attribute, start, end, valueStart: end - quoted.length + 1, valueEnd: end - 1, value });
  }
  const selfClosing = token.endsWith('/>');
  const end = index + token.length;
  return { ...node('element', name, index, end, scope, parent), attributes, selfClosing, contentStart: end, contentEnd: end };
}

function node(
  kind: RawNode['kind'],
  name: string,
  start: number,
  end: number,
  scope: ReadonlyMap<string, string>,
  parent: RawNode | undefined,
): RawNode {
  return { kind, name, start, end, attributes: [], children: [], contentStart: start, contentEnd: end, selfClosing: false, scope, parent };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

export function decode(raw: string): string {
  return raw.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (_, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? '';
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}

/** Namespace and local part of a qualified name. */
export function expand(name: string, scope: ReadonlyMap<string, string>, isAttribute = false): string {
  const colon = name.indexOf(':');
  if (colon < 0) return `{${isAttribute ? '' : (scope.get('') ?? '')}}${name}`;
  const uri = scope.get(name.slice(0, colon));
  if (uri === undefined || uri === '') throw new Error(`the prefix of ${name} is bound to nothing`);
  return `{${uri}}${name.slice(colon + 1)}`;
}

export function attributeOf(element: RawNode, name: string): string | undefined {
  return element.attributes.find((attribute) => attribute.name === name)?.value;
}
