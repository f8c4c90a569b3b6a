/**
 * Validation by XML Schema. Each namespace's schema is compiled once, at its first use. Imports are resolved from memory only:
 * nothing is ever read from disk or network on a document's behalf.
 */
import { readFileSync } from 'node:fs';
import {
  ParseOption,
  XmlBufferInputProvider,
  XmlDocument,
  XmlLibError,
  XmlParseError,
  XsdValidator,
  xmlRegisterInputProvider,
} from 'libxml2-wasm';
import * as libxml2 from 'libxml2-wasm/lib/libxml2.mjs';
import { type DeclaredNames, readNames } from './declared-names.ts';
import { escapeAttribute } from './escape.ts';
import { readRoot } from './parse.ts';
import type { XmlElement } from './tree.ts';
import { type Complaint, elementName, type SchemaViolation, violationFrom } from './violations.ts';

export type { SchemaViolation };

/** A schema ready for use. */
export interface Schema {
  readonly namespace: string;
  /** What is wrong with the document, in document order, twenty violations at most; none: it is valid. */
  violations(text: string): SchemaViolation[];
}

export interface SchemaSource {
  readonly namespace: string;
  /** The XSD document. It finds other schemas by their namespace. */
  readonly text: string;
  /** The element that documents must have as their root; without a local name, any that the namespace's schema declares. */
  readonly root: { readonly namespace: string; readonly local?: string };
  /** Known namespaces whose schemas it needs, and those whose elements are validated where it lets any element stand. */
  readonly uses?: readonly string[];
}

interface Known {
  readonly source: SchemaSource;
  /** Under which the importing schemas find it. */
  readonly file: string;
}

const known = new Map<string, Known>();
const compiled = new Map<string, Schema>();
const declared = new Map<string, DeclaredNames>();
/** Namespaces without a schema whose documents are taken all the same. */
const open = new Map<string, Schema>();
const buffers = new XmlBufferInputProvider({});
if (!xmlRegisterInputProvider(buffers)) throw new Error('libxml2 takes no further input provider');

/** Where schemas are as libxml2 sees it: a place that exists nowhere else. */
const BASE = 'schema:/';

/** No entity is fetched or expanded (and `parseXml` takes no document type declaration in the first place). */
const OPTIONS = ParseOption.XML_PARSE_NONET | ParseOption.XML_PARSE_NO_XXE | ParseOption.XML_PARSE_BIG_LINES;
/** The parser's complaints are not collected: each costs time, a hostile text can have very many, and `parseXml` words them better. */
const QUIET = OPTIONS | ParseOption.XML_PARSE_NOERROR | ParseOption.XML_PARSE_NOWARNING;

/**
 * Violations of the namespace's schema by a document that `parseXml` has taken; see `Schema.violations`.
 * Throws Error for a namespace without a schema, never for what the text is.
 */
export function schemaViolations(namespace: string, text: string): SchemaViolation[] {
  const schema = schemaFor(namespace);
  if (!schema) throw new Error(`there is no schema for the namespace ${namespace}`);
  return schema.violations(text);
}

/** The namespace's schema, or undefined if there is none. */
export function schemaFor(namespace: string): Schema | undefined {
  let schema = compiled.get(namespace);
  if (schema) return schema;
  const entry = known.get(namespace);
  if (!entry) return open.get(namespace);
  schema = new CompiledSchema(entry);
  compiled.set(namespace, schema);
  return schema;
}

/** Whether the namespace has a schema; without compiling it. */
export function hasSchema(namespace: string): boolean {
  return known.has(namespace);
}

/** The schemas that have come by `registerSchema`, in that order. */
export function registeredSchemas(): readonly SchemaSource[] {
  return registrations;
}

/** Whether the namespace's schema is one of those that come with the server. */
export function isOwnSchema(namespace: string): boolean {
  return ownNamespaces.has(namespace);
}

/** Takes any document whose root is in the namespace, which has no schema. */
export function registerOpenNamespace(namespace: string): void {
  open.set(namespace, {
    namespace,
    violations: (text) => foreignRoot(readRoot(text), namespace),
  });
}

function foreignRoot({ uri, local }: XmlElement, namespace: string): SchemaViolation[] {
  if (uri === namespace) return [];
  const message = `the root element is ${elementName(uri, local)}, but must be of the namespace ${namespace}`;
  return [{ line: 1, element: local, message }];
}

/** Every namespace with a schema. */
export function schemaNamespaces(): string[] {
  return [...known.keys()];
}

/** The names that the namespace's schema declares anywhere, or undefined if there is none. */
export function declaredNames(namespace: string): DeclaredNames | undefined {
  let names = declared.get(namespace);
  const entry = known.get(namespace);
  if (!names && entry) {
    names = readNames(entry.source.text);
    declared.set(namespace, names);
  }
  return names;
}

/** Adds a schema, or replaces the namespace's. Throws Error, with the reason, if it is no usable schema. */
export function registerSchema(source: SchemaSource): void {
  const { namespace, text } = source;
  const file = `registered-${++registered}.xsd`;
  buffers.addBuffer(BASE + file, Buffer.from(text));
  const schema = new CompiledSchema({ source, file });
  known.set(namespace, { source, file });
  registrations.push(source);
  compiled.clear();
  declared.delete(namespace);
  compiled.set(namespace, schema);
}

let registered = 0;
const registrations: SchemaSource[] = [];

class CompiledSchema implements Schema {
  readonly namespace: string;
  private readonly root: SchemaSource['root'];
  /** Lives as long as the process. */
  private readonly validator: XsdValidator;

  constructor({ source, file }: Known) {
    this.namespace = source.namespace;
    this.root = source.root;
    this.validator = compile(source, file);
  }

  violations(text: string): SchemaViolation[] {
    let document: XmlDocument;
    try {
      document = XmlDocument.fromBuffer(Buffer.from(text), { option: QUIET });
    } catch (error) {
      if (!(error instanceof XmlParseError)) throw error;
      return [{ line: 1, message: 'the text is not a well-formed XML document' }];
    }
    try {
      const { root } = document;
      const { name, namespaceUri } = root;
      const { namespace, local = name } = this.root;
      if (name !== local || namespaceUri !== namespace) {
        const expected = this.root.local === undefined ? `of the namespace ${namespace}` : elementName(namespace, local);
        return [
          { line: root.line, element: name, message: `the root element is ${elementName(namespaceUri, name)}, but must be ${expected}` },
        ];
      }
      return validate(this.validator, document).map(violationFrom);
    } finally {
      document.dispose();
    }
  }
}

/** A schema that only imports: what the source uses, and then the source itself, so that its own imports find theirs already there. */
function compile({ namespace, uses = [] }: Known['source'], file: string): XsdValidator {
  // What comes first for a namespace holds, wherever the schema itself says that it is to be found.
  let imports = '<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="xml.xsd"/>';
  for (const used of uses) {
    const entry = known.get(used);
    if (!entry) throw new Error(`there is no schema for the namespace ${used}`);
    imports += `<xs:import namespace="${escapeAttribute(used)}" schemaLocation="${entry.file}"/>`;
  }
  imports += `<xs:import namespace="${escapeAttribute(namespace)}" schemaLocation="${file}"/>`;
  const text = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">${imports}</xs:schema>`;
  const document = XmlDocument.fromString(text, { url: `${BASE}all.xsd`, option: OPTIONS });
  try {
    return XsdValidator.fromDoc(document);
  } catch (error) {
    throw new Error(`the schema of ${namespace} is unusable: ${(error as Error).message.trim()}`);
  } finally {
    document.dispose();
  }
}

const COMPLAINT_LIMIT = 20;
let complaints: Complaint[] = [];

// The library's own collector asks for every complaint's path in the tree: quadratic in the number of siblings, so that a megabyte
// of invalid elements would keep the process busy for ten seconds. This one keeps the first few and needs the library's inner layer.
const { addFunction } = libxml2 as unknown as { addFunction(callback: (data: number, error: number) => void, signature: string): number };
const collect = addFunction((_, error) => {
  if (complaints.length >= COMPLAINT_LIMIT) return;
  complaints.push({ line: libxml2.XmlErrorStruct.line(error), message: libxml2.XmlErrorStruct.message(error) });
}, 'vii');

function validate(validator: XsdValidator, document: XmlDocument): Complaint[] {
  complaints = [];
  const context = libxml2.xmlSchemaNewValidCtxt(pointer(validator));
  if (context === 0) throw new XmlLibError('out of memory', []);
  try {
    libxml2.xmlSchemaSetValidStructuredErrors(context, collect, 0);
    const result = libxml2.xmlSchemaValidateDoc(context, pointer(document));
    // Less than zero: libxml2 met something that it cannot validate, such as a reference to an entity, and says so in terms of its own.
    return result < 0 ? [{ line: 1, message: 'the document has parts that no schema can describe' }] : complaints;
  } finally {
    libxml2.xmlSchemaFreeValidCtxt(context);
  }
}

function pointer(object: XsdValidator | XmlDocument): number {
  return (object as unknown as { _ptr: number })._ptr;
}

/** A schema of ours: `xsd/FILE`, beside this folder in the sources and in the build. */
function own(file: string, namespace?: string, root?: SchemaSource['root'], uses: readonly string[] = []): void {
  const bytes = readFileSync(new URL(`../xsd/${file}`, import.meta.url));
  buffers.addBuffer(BASE + file, bytes);
  if (namespace !== undefined && root) known.set(namespace, { source: { namespace, text: bytes.toString(), root, uses }, file });
}

const IETF = 'urn:ietf:params:xml:ns:';

/** By the RFCs' habit a document's root is in its own namespace. */
function ownDocument(name: string, local: string, uses: readonly string[] = []): void {
  const namespace = IETF + name;
  own(`${name}.xsd`, namespace, { namespace, local }, uses);
}

own('xml.xsd');
ownDocument('resource-lists', 'resource-lists');
ownDocument('rls-services', 'rls-services');
ownDocument('xcap-caps', 'xcap-caps');
ownDocument('xcap-error', 'xcap-error');
own('patch-ops.xsd');
ownDocument('xcap-diff', 'xcap-diff');
ownDocument('watcherinfo', 'watcherinfo');
ownDocument('reginfo', 'reginfo');
ownDocument('rlmi', 'list');
ownDocument('dialog-info', 'dialog-info');
ownDocument('conference-info', 'conference-info');
ownDocument('simple-filter', 'filter-set');

const ruleset = { namespace: `${IETF}common-policy`, local: 'ruleset' };
own('common-policy.xsd', ruleset.namespace, ruleset);
own('pres-rules.xsd', `${IETF}pres-rules`, ruleset, [ruleset.namespace]);

const presence = { namespace: `${IETF}pidf`, local: 'presence' };
const presenceExtensions = {
  'data-model.xsd': `${IETF}pidf:data-model`,
  'rpid.xsd': `${IETF}pidf:rpid`,
  'cipid.xsd': `${IETF}pidf:cipid`,
  'timed-status.xsd': `${IETF}pidf:timed-status`,
  'prescaps.xsd': `${IETF}pidf:caps`,
};
// A document of any of them is a presence document, with all of them known.
for (const [file, namespace] of Object.entries({ 'pidf.xsd': presence.namespace, ...presenceExtensions })) {
  own(
    file,
    namespace,
    presence,
    [presence.namespace, ...Object.values(presenceExtensions)].filter((other) => other !== namespace),
  );
}

// A whole document or its changes: either root.
own('pidf-diff.xsd', `${IETF}pidf-diff`, { namespace: `${IETF}pidf-diff` }, [presence.namespace, ...Object.values(presenceExtensions)]);

/** Vocabularies of OMA and others that extend common policy: documents are rulesets, in which all of them are known. */
own('oma-common-policy.xsd', 'urn:oma:xml:xdm:common-policy', ruleset, [ruleset.namespace]);
own('oma-pres-rules.xsd', 'urn:oma:xml:prs:pres-rules', ruleset, [ruleset.namespace, `${IETF}pres-rules`, 'urn:oma:xml:xdm:common-policy']);
own('dialog-rules.xsd', 'http://openxcap.org/ns/dialog-rules', ruleset, [ruleset.namespace]);

const SIMSERVS = 'http://uri.etsi.org/ngn/params/xml/simservs/xcap';
own('simservs.xsd', SIMSERVS, { namespace: SIMSERVS, local: 'simservs' }, [ruleset.namespace, 'urn:oma:xml:xdm:common-policy']);

const resourceLists = { namespace: `${IETF}resource-lists`, local: 'resource-lists' };
own('oma-uriusage.xsd', 'urn:oma:xml:xdm:resource-list:oma-uriusage', resourceLists, [resourceLists.namespace]);

for (const [file, namespace, local] of [
  ['xcap-directory.xsd', 'urn:oma:xml:xdm:xcap-directory', 'xcap-directory'],
  ['pres-content.xsd', 'urn:oma:xml:prs:pres-content', 'content'],
  ['user-profile.xsd', 'urn:oma:xml:xdm:user-profile', 'user-profiles'],
] as const) {
  own(file, namespace, { namespace, local });
}

const ownNamespaces: ReadonlySet<string> = new Set(known.keys());
