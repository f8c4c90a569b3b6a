import { XMLParser, XMLValidator } from 'fast-xml-parser';

/** An element with its names resolved, read by another parser than the server's. */
export interface XmlElement {
  readonly namespace: string;
  readonly name: string;
  /** Attributes by local name; one with a prefix stands as `{namespace}name`. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** The character data directly inside, trimmed. */
  readonly text: string;
}

type Node = Record<string, unknown>;

const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace';
const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
});

/** Reads a document to its root element; throws an Error that says what is wrong with it. */
export function readXml(text: string): XmlElement {
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw new Error(`not well-formed: ${valid.err.msg} (line ${valid.err.line})\n${text}`);
  const roots = (parser.parse(text) as Node[]).filter((node) => elementName(node) !== undefined);
  const [root] = roots;
  if (!root || roots.length !== 1) throw new Error(`${roots.length} root elements\n${text}`);
  return convert(root, new Map([['xml', XML_NAMESPACE]]));
}

function elementName(node: Node): string | undefined {
  return Object.keys(node).find((key) => key !== ':@' && key !== '#text');
}

function convert(node: Node, outer: ReadonlyMap<string, string>): XmlElement {
  const qualified = elementName(node) ?? '';
  const raw = (node[':@'] ?? {}) as Record<string, string>;
  const scope = new Map(outer);
  for (const [name, value] of Object.entries(raw)) {
    if (name === 'xmlns') scope.set('', value);
    else if (name.startsWith('xmlns:')) scope.set(name.slice(6), value);
  }
  const resolve = (name: string, fallback: string): [namespace: string, local: string] => {
    const colon = name.indexOf(':');
    if (colon < 0) return [fallback, name];
    const namespace = scope.get(name.slice(0, colon));
    if (namespace === undefined) throw new Error(`the prefix of ${name} is bound to nothing`);
    return [namespace, name.slice(colon + 1)];
  };
  const attributes = new Map<string, string>();
  for (const [name, value] of Object.entries(raw)) {
    if (name === 'xmlns' || name.startsWith('xmlns:')) continue;
    const [namespace, local] = resolve(name, '');
    attributes.set(namespace === '' ? local : `{${namespace}}${local}`, value);
  }
  const content = (node[qualified] ?? []) as Node[];
  const [namespace, name] = resolve(qualified, scope.get('') ?? '');
  return {
    namespace,
    name,
    attributes,
    children: content.filter((child) => elementName(child) !== undefined).map((child) => convert(child, scope)),
    text: content
      .map((child) => String(child['#text'] ?? ''))
      .join('')
      .trim(),
  };
}

/** The children of that name in that namespace. */
export function childrenNamed(element: XmlElement, namespace: string, name: string): XmlElement[] {
  return element.children.filter((child) => child.namespace === namespace && child.name === name);
}

/** An attribute that must be there. */
export function requiredAttribute(element: XmlElement, name: string): string {
  const value = element.attributes.get(name);
  if (value === undefined) throw new Error(`<${element.name}> without ${name}`);
  return value;
}

/** Throws unless the element is the one expected. */
export function expectElement(element: XmlElement, namespace: string, name: string): void {
  if (element.namespace !== namespace || element.name !== name) {
    throw new Error(`root is {${element.namespace}}${element.name}, expected {${namespace}}${name}`);
  }
}
