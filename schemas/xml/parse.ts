import { SaxesParser } from 'saxes';
import { MalformedDocument } from '../malformed-document.ts';
import { fitsInRound, turn } from '../turns.ts';
import { interned } from './names.ts';
import type { XmlAttribute, XmlDocument, XmlElement, XmlText } from './tree.ts';

/** Why a text is not an XML document, and where. `reason` is a phrase for people. */
export class XmlError extends MalformedDocument {
  readonly reason: string;
  /** 1-based; undefined where the fault has no place in the text. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** The bytes or the declared encoding are not UTF-8 (RFC 4825 8.2.5 asks for another error body then). */
  readonly notUtf8: boolean;
  /** There is nothing wrong but that it holds more than `ParseOptions` allow. */
  readonly tooLarge: boolean;

  constructor(reason: string, place?: { line: number; column: number }, kind?: 'not-utf-8' | 'too-large') {
    super(place ? `line ${place.line}, column ${place.column}: ${reason}` : reason);
    this.name = 'XmlError';
    this.reason = reason;
    this.line = place?.line;
    this.column = place?.column;
    this.notUtf8 = kind === 'not-utf-8';
    this.tooLarge = kind === 'too-large';
  }
}

export interface ParseOptions {
  /** Bindings taken as in scope around the text: prefix ('' for the default) to namespace name. */
  readonly namespaces?: ReadonlyMap<string, string>;
  /** Greatest depth of nested elements; 100 unless told. */
  readonly maxDepth?: number;
  /** Greatest number of elements and attributes, which cost more time than text of the same length; no bound unless told. */
  readonly maxNodes?: number;
  /** Greatest length of a start tag in characters; 128 Ki unless told. */
  readonly maxTag?: number;
}

/** For a text that was bounded when it was stored, maybe by other bounds. */
export const AS_STORED: ParseOptions = {
  maxDepth: Number.POSITIVE_INFINITY,
  maxNodes: Number.POSITIVE_INFINITY,
  maxTag: Number.POSITIVE_INFINITY,
};

export const MAX_TAG = 128 * 1024;

const XMLNS = 'http://www.w3.org/2000/xmlns/';
const MAX_DEPTH = 100;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Decodes UTF-8 strictly; a byte order mark is dropped. Throws XmlError (notUtf8) on any other bytes. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new XmlError('the body is not valid UTF-8', undefined, 'not-utf-8');
  }
}

/**
 * Parses a namespace-well-formed XML 1.0 document into an offset tree.
 * A document type declaration is refused, so no entity but the five predefined ones is ever expanded.
 * Throws XmlError.
 */
export function parseXml(source: string, options?: ParseOptions): XmlDocument {
  const builder = new TreeBuilder(source, options);
  return { source, root: builder.build() };
}

/**
 * As `parseXml`: at once for a small text, and in pieces, as a promise, for a large one or where many come together, so that the event
 * loop is never held up for long. Throws, or rejects with, XmlError.
 */
export function readXml(source: string, options?: ParseOptions): XmlDocument | Promise<XmlDocument> {
  return fitsInRound(source.length) ? parseXml(source, options) : readInTurns(source, options);
}

async function readInTurns(source: string, options: ParseOptions | undefined): Promise<XmlDocument> {
  // Hundreds may wait: what each of them needs is made when it is its turn.
  await turn();
  return new TreeBuilder(source, options).buildInTurns();
}

/** The root element of a document that `parseXml` takes, as far as its start tag goes: what comes after is not read. */
export function readRoot(source: string): XmlElement {
  return new TreeBuilder(source, AS_STORED).buildRoot();
}

/** Characters of a piece: a few milliseconds. */
const PIECE = 32 * 1024;
/** Characters that most start tags of roots are within. */
const HEAD = 2048;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Building extends Mutable<XmlElement> {
  attributes: readonly XmlAttribute[];
  children: readonly (XmlElement | XmlText)[];
  elements: readonly XmlElement[];
}

const NONE: readonly never[] = [];

/**
 * The list with one more at its end. Most elements have no attribute, no child element and one text: an array that begins empty and is
 * added to has room for seventeen, which would be the most of what a tree weighs.
 */
function withOneMore<T>(list: readonly T[], item: T): readonly T[] {
  if (list.length === 0) return [item];
  (list as T[]).push(item);
  return list;
}

interface SaxTag {
  name: string;
  prefix: string;
  local: string;
  uri: string;
  attributes: Record<string, { name: string; prefix: string; local: string; uri: string; value: string }>;
  ns: Record<string, string>;
  isSelfClosing: boolean;
}

/** saxes calls some handlers without `this`; parsing never yields, so the builder at work is known to all of them. */
let active: TreeBuilder;

class TreeBuilder {
  readonly source: string;
  private readonly parser: TreeParser;
  private readonly namespaces: ReadonlyMap<string, string> | undefined;
  private readonly maxDepth: number;
  private readonly maxNodes: number;
  private readonly maxTag: number;
  private root: Building | undefined;
  private open: Building | undefined;
  private depth = 0;
  private nodes = 0;
  /** Where the start tag being read has its first character, or thereabouts. */
  private tagStart: number | undefined;

  constructor(source: string, options: ParseOptions | undefined) {
    this.source = source;
    this.maxDepth = options?.maxDepth ?? MAX_DEPTH;
    this.maxNodes = options?.maxNodes ?? Number.POSITIVE_INFINITY;
    this.maxTag = options?.maxTag ?? MAX_TAG;
    this.namespaces = options?.namespaces;
    this.parser = parserWith(this.namespaces);
  }

  build(): XmlElement {
    this.feed(this.source, true);
    return this.root as XmlElement;
  }

  buildRoot(): XmlElement {
    const { source } = this;
    for (let at = 0; !this.root; at += HEAD) this.feed(source.slice(at, at + HEAD), at + HEAD >= source.length);
    return this.root;
  }

  async buildInTurns(): Promise<XmlDocument> {
    const { source } = this;
    for (let at = 0; at < source.length; at += PIECE) {
      if (at > 0) await turn();
      this.feed(source.slice(at, at + PIECE), at + PIECE >= source.length);
    }
    return { source, root: this.root as XmlElement };
  }

  private feed(piece: string, isLast: boolean): void {
    active = this;
    try {
      this.parser.write(piece);
      if (this.tagStart !== undefined) this.checkTag(this.parser.position - this.tagStart);
      if (isLast) this.close();
    } catch (error) {
      throw error instanceof XmlError ? error : this.fault((error as Error).message.replace(/^\d+:\d+: /, ''));
    }
  }

  private close(): void {
    this.parser.close();
    const { parser, namespaces } = this;
    if (!namespaces) spare = parser;
    else spareWithin = { parser, namespaces };
  }

  private checkTag(length: number): void {
    if (length > this.maxTag) throw this.fault(`a start tag is longer than ${this.maxTag} characters`, 'too-large');
  }

  fault(reason: string, kind?: 'not-utf-8' | 'too-large'): XmlError {
    const { line, column } = this.parser;
    return new XmlError(reason.replace(/\.$/, ''), { line, column }, kind);
  }

  /** Counts as soon as a tag's name or an attribute is read: a single tag can hold a hundred thousand. */
  node(): void {
    if (++this.nodes > this.maxNodes) throw this.fault(`there are more than ${this.maxNodes} elements and attributes`, 'too-large');
  }

  startTag(): void {
    this.tagStart = this.parser.position;
    this.node();
    if (++this.depth > this.maxDepth) throw this.fault(`elements are nested more than ${this.maxDepth} deep`);
  }

  openTag(tag: SaxTag): void {
    const { source, open } = this;
    const contentStart = this.parser.position;
    // The parser has read the name and one character more when it tells of a start tag, so the `<` is the last one before that.
    const start = source.lastIndexOf('<', (this.tagStart ?? contentStart) - 1);
    this.tagStart = undefined;
    this.checkTag(contentStart - start);
    const element: Building = {
      kind: 'element',
      name: tag.name,
      prefix: tag.prefix,
      local: interned(tag.local),
      uri: interned(tag.uri),
      attributes: NONE,
      declarations: undefined,
      parent: open,
      children: NONE,
      elements: NONE,
      start,
      contentStart,
      contentEnd: contentStart,
      end: contentStart,
      selfClosing: tag.isSelfClosing,
    };
    this.place(element, tag);
    if (open) {
      open.children = withOneMore<XmlElement | XmlText>(open.children, element);
      open.elements = withOneMore<XmlElement>(open.elements, element);
    } else this.root = element;
    this.open = element;
  }

  /** Finds each attribute's offsets. The tag is known to be well-formed here, so a plain scan is exact. */
  private place(element: Building, tag: SaxTag): void {
    const { source } = this;
    let at = element.start + 1 + tag.name.length;
    let declarations: Map<string, string> | undefined;
    for (const name in tag.attributes) {
      const found = tag.attributes[name] as SaxTag['attributes'][string];
      while (isSpace(source.charCodeAt(at))) at++;
      const start = at;
      at = source.indexOf('=', at + name.length) + 1;
      while (isSpace(source.charCodeAt(at))) at++;
      const valueStart = at + 1;
      const valueEnd = source.indexOf(source.charAt(at), valueStart);
      at = valueEnd + 1;
      if (found.uri === XMLNS) {
        // No URI begins or ends with white space, and parsers differ in whether they take it for a part of the name.
        if (found.value !== found.value.trim()) throw this.fault('a namespace name has white space around it');
        declarations ??= new Map();
        declarations.set(found.prefix === '' ? '' : found.local, found.value);
      } else {
        const { prefix, uri, value } = found;
        const local = interned(found.local);
        const attribute = { name, prefix, local, uri: interned(uri), value, start, end: at, valueStart, valueEnd };
        element.attributes = withOneMore<XmlAttribute>(element.attributes, attribute);
      }
    }
    element.declarations = declarations;
  }

  text(text: string): void {
    const { open } = this;
    if (open) open.children = withOneMore<XmlElement | XmlText>(open.children, { kind: 'text', text });
  }

  closeTag(): void {
    const element = this.open;
    if (!element) return;
    this.depth--;
    if (!element.selfClosing) {
      element.end = this.parser.position;
      element.contentEnd = this.source.lastIndexOf('<', element.end - 1);
    }
    this.open = element.parent as Building | undefined;
  }
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

class TreeParser extends SaxesParser<{ xmlns: true; additionalNamespaces?: Record<string, string> }> {}

/** A parser at rest: having been closed it is as new, and making one costs as much as reading a few elements. */
let spare: TreeParser | undefined;
/** The same for parts of documents, which bind the same namespaces again and again. */
let spareWithin: { readonly parser: TreeParser; readonly namespaces: ReadonlyMap<string, string> } | undefined;

function parserWith(namespaces: ReadonlyMap<string, string> | undefined): TreeParser {
  // Several texts may be being read in turns. One in which there was a fault does not come back.
  if (!namespaces) {
    const parser = spare ?? new TreeParser({ xmlns: true });
    spare = undefined;
    return parser;
  }
  if (spareWithin && bindAlike(spareWithin.namespaces, namespaces)) {
    const { parser } = spareWithin;
    spareWithin = undefined;
    return parser;
  }
  return new TreeParser({ xmlns: true, additionalNamespaces: Object.fromEntries(namespaces) });
}

function bindAlike(some: ReadonlyMap<string, string>, others: ReadonlyMap<string, string>): boolean {
  if (some.size !== others.size) return false;
  for (const [prefix, uri] of some) if (others.get(prefix) !== uri) return false;
  return true;
}

// Handlers on the prototype, not registered by on(): with more than a few registered ones the parser runs several times slower.
Object.assign(TreeParser.prototype, {
  xmldeclHandler(declaration: { version?: string; encoding?: string }) {
    if (declaration.version !== '1.0') throw active.fault('only XML 1.0 is supported');
    const encoding = declaration.encoding?.toLowerCase();
    if (encoding !== undefined && encoding !== 'utf-8' && encoding !== 'utf8' && encoding !== 'us-ascii') {
      throw active.fault(`the declared encoding is ${declaration.encoding}, not UTF-8`, 'not-utf-8');
    }
  },
  doctypeHandler() {
    throw active.fault('a document type declaration is not allowed');
  },
  openTagStartHandler() {
    active.startTag();
  },
  attributeHandler() {
    active.node();
  },
  openTagHandler(tag: SaxTag) {
    active.openTag(tag);
  },
  closeTagHandler() {
    active.closeTag();
  },
  textHandler(text: string) {
    active.text(text);
  },
  cdataHandler(text: string) {
    active.text(text);
  },
});
