/**
 * PIDF (RFC 3863) with the data model's components (RFC 4479): taken apart into components that stand on their own,
 * and written from them. Components keep their source text, so that what a publication says leaves the server as it came.
 */
import { turn } from './turns.ts';
import { escapeAttribute, escapeText } from './xml/escape.ts';
import { FragmentGrowth, fragmentBindings, missingDeclarations } from './xml/fragment.ts';
import { AS_STORED, parseXml, readXml, XmlError } from './xml/parse.ts';
import { attribute, child, childrenNamed, inScopeNamespaces, ownText, textContent, type XmlDocument, type XmlElement } from './xml/tree.ts';

export const PIDF = 'urn:ietf:params:xml:ns:pidf';
export const CPIM_PIDF = 'urn:ietf:params:xml:ns:cpim-pidf';
export const DATA_MODEL = 'urn:ietf:params:xml:ns:pidf:data-model';
export const RPID = 'urn:ietf:params:xml:ns:pidf:rpid';
export const PIDF_TYPE = 'application/pidf+xml';
export const CPIM_PIDF_TYPE = 'application/cpim-pidf+xml';

export type ComponentKind = 'tuple' | 'note' | 'person' | 'device' | 'extension';

/** One child of `<presence>`. */
export interface PresenceComponent {
  readonly kind: ComponentKind;
  /** The `id` attribute; always there for a tuple. */
  readonly id: string | undefined;
  readonly element: XmlElement;
  readonly source: string;
  /** Namespace declarations to add to its start tag when it stands below the root that `writePidf` writes; may be empty. */
  readonly declarations: string;
  /** The whole element as it stands below that root. */
  readonly text: string;
  /** Where it was put together from several publications, or renamed: the ids that its parts were published under. */
  readonly occurrences?: readonly string[];
}

export interface PresenceDocument {
  readonly entity: string;
  readonly components: readonly PresenceComponent[];
  /** The whole of it. */
  readonly text: string;
  /** The name of the text's root element: `PRESENCE`, or of what stands for that. */
  readonly rootName: string;
}

/** Bindings in scope below the root that `writePidf` writes: prefix ('' for the default) to namespace name. */
export const ROOT_BINDINGS: ReadonlyMap<string, string> = new Map([
  ['', PIDF],
  ['dm', DATA_MODEL],
  ['rpid', RPID],
]);
/** The name of the root element. */
export const PRESENCE = `{${PIDF}}presence`;
const ROOT_DECLARATIONS = ` xmlns="${PIDF}" xmlns:dm="${DATA_MODEL}" xmlns:rpid="${RPID}"`;

/**
 * Parses a PIDF document, or a document of its forerunner application/cpim-pidf+xml, which is then read as PIDF.
 * Elements that the schema does not know are kept (agents put private ones into `<status>`).
 * Throws XmlError for what is not a presence document: another root, a tuple without an id, namespaces without measure.
 */
export function parsePidf(text: string): PresenceDocument {
  const document = parseXml(text);
  return presenceIn(isForerunner(document) ? parseXml(asPidf(text)) : document);
}

/** As `parsePidf`: at once for a small text, and for a large one in pieces (see `readXml`), by the bounds of the time when it was stored. */
export function readStoredPidf(text: string): PresenceDocument | Promise<PresenceDocument> {
  const document = readXml(text, AS_STORED);
  if (document instanceof Promise) return readInTurns(document);
  return presenceIn(isForerunner(document) ? parseXml(asPidf(text), AS_STORED) : document);
}

async function readInTurns(reading: Promise<XmlDocument>): Promise<PresenceDocument> {
  const document = await reading;
  const known = isForerunner(document) ? await readXml(asPidf(document.source), AS_STORED) : document;
  await turn();
  return presenceIn(known);
}

function isForerunner({ root }: XmlDocument): boolean {
  return root.local === 'presence' && root.uri === CPIM_PIDF;
}

function asPidf(text: string): string {
  return text.replaceAll(CPIM_PIDF, PIDF);
}

/** The document in a tree whose root is `<presence>`, or what stands for that. Throws XmlError as `parsePidf` does. */
export function presenceIn({ root, source }: XmlDocument, standsForPresence?: string): PresenceDocument {
  const name = `{${root.uri}}${root.local}`;
  if (name !== PRESENCE && name !== standsForPresence)
    throw new XmlError(`the root element is ${name}, not ${standsForPresence ?? PRESENCE}`);
  const bindings = fragmentBindings(root);
  const growth = new FragmentGrowth();
  const components = root.elements.map((element) => component(element, source, bindings, growth));
  return { entity: attribute(root, 'entity') ?? '', components, text: source, rootName: name };
}

function component(element: XmlElement, source: string, bindings: ReadonlyMap<string, string>, growth: FragmentGrowth): PresenceComponent {
  const kind = kindOf(element);
  const id = attribute(element, 'id');
  if (kind === 'tuple' && !id) throw new XmlError('a tuple has no id');
  const slice = source.slice(element.start, element.end);
  const declarations = missingDeclarations(element, slice, bindings, ROOT_BINDINGS, growth);
  const nameEnd = 1 + element.name.length;
  const text = declarations === '' ? slice : slice.slice(0, nameEnd) + declarations + slice.slice(nameEnd);
  return { kind, id, element, source, declarations, text };
}

/**
 * A component from its text as it stands below the root that `writePidf` writes, put together of parts that were bounded when they were read.
 * Throws XmlError where that is no element.
 * @param occurrences see `PresenceComponent`
 */
export function readComponent(text: string, occurrences: readonly string[]): PresenceComponent {
  const element = parseXml(text, { ...AS_STORED, namespaces: ROOT_BINDINGS }).root;
  return { kind: kindOf(element), id: attribute(element, 'id'), element, source: text, declarations: '', text, occurrences };
}

/** Every binding in scope at the component's element: prefix to namespace name. */
export function componentBindings({ element }: PresenceComponent): ReadonlyMap<string, string> {
  const own = inScopeNamespaces(element);
  return element.parent ? own : new Map([...ROOT_BINDINGS, ...own]);
}

function kindOf({ uri, local }: XmlElement): ComponentKind {
  if (uri === PIDF && local === 'tuple') return 'tuple';
  if (uri === PIDF && local === 'note') return 'note';
  if (uri === DATA_MODEL && local === 'person') return 'person';
  if (uri === DATA_MODEL && local === 'device') return 'device';
  return 'extension';
}

const KIND_ORDER: readonly ComponentKind[] = ['tuple', 'note', 'person', 'device', 'extension'];

export interface WrittenComponent {
  readonly kind: ComponentKind;
  readonly text: string;
}

/** A PIDF document about the entity (a URI) with the given components, put into the order the schema asks for (RFC 3863 4.4). */
export function writePidf(entity: string, components: Iterable<WrittenComponent>): string {
  const byKind: Record<ComponentKind, string> = { tuple: '', note: '', person: '', device: '', extension: '' };
  for (const { kind, text } of components) byKind[kind] += `${text}\n`;
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<presence${ROOT_DECLARATIONS} entity="${escapeAttribute(entity)}">\n`;
  for (const kind of KIND_ORDER) out += byKind[kind];
  return `${out}</presence>\n`;
}

/** The document of one who is not available: one closed tuple that is the same every time. */
export function writeClosedPidf(entity: string): string {
  return writePidf(entity, [CLOSED_TUPLE]);
}

/** That tuple. */
export const CLOSED_TUPLE: WrittenComponent = { kind: 'tuple', text: '<tuple id="offline"><status><basic>closed</basic></status></tuple>' };

/** What a tuple says in PIDF's own terms. */
export interface TupleSummary {
  readonly id: string;
  readonly basic: 'open' | 'closed' | undefined;
  readonly contact: string | undefined;
  /** The contact's priority, 0 to 1, as written. */
  readonly priority: string | undefined;
  readonly notes: readonly string[];
}

export function summariseTuple(tuple: PresenceComponent): TupleSummary {
  const status = child(tuple.element, PIDF, 'status');
  const basic = status && child(status, PIDF, 'basic');
  const contact = child(tuple.element, PIDF, 'contact');
  const value = basic && ownText(basic).trim();
  return {
    id: tuple.id ?? '',
    basic: value === 'open' || value === 'closed' ? value : undefined,
    contact: contact && ownText(contact).trim(),
    priority: contact && attribute(contact, 'priority'),
    notes: childrenNamed(tuple.element, PIDF, 'note').map(textContent),
  };
}

/** The same for watchers that know only application/cpim-pidf+xml: identifiers, basic status and contacts. */
export function writeCpimPidf(entity: string, tuples: readonly TupleSummary[]): string {
  let out = `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="${CPIM_PIDF}" entity="${escapeAttribute(entity)}">\n`;
  for (const { id, basic, contact, priority, notes } of tuples) {
    out += `<tuple id="${escapeAttribute(id)}"><status>${basic ? `<basic>${basic}</basic>` : ''}</status>`;
    if (contact !== undefined) {
      out += `<contact${priority === undefined ? '' : ` priority="${escapeAttribute(priority)}"`}>${escapeText(contact)}</contact>`;
    }
    for (const note of notes) out += `<note>${escapeText(note)}</note>`;
    out += '</tuple>\n';
  }
  return `${out}</presence>\n`;
}
