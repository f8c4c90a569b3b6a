/** Partial presence (RFC 5262): a presence document with a version, or how it has changed since the version before. */
import { canonicalAddress } from './address.ts';
import { PRESENCE, type PresenceDocument, presenceIn } from './pidf.ts';
import { applyPatch } from './xml/apply-patch.ts';
import { escapeAttribute } from './xml/escape.ts';
import { AS_STORED, parseXml, readRoot, XmlError } from './xml/parse.ts';
import { createPatch } from './xml/patch.ts';
import { writeDeclarations, writePatchOperation } from './xml/patch-operation.ts';
import { attribute } from './xml/tree.ts';

export const PIDF_DIFF = 'urn:ietf:params:xml:ns:pidf-diff';
export const PIDF_DIFF_TYPE = 'application/pidf-diff+xml';

const PIDF_FULL = `{${PIDF_DIFF}}pidf-full`;
/** Patches are written against the one or the other (RFC 5262 6), whichever the document was published as. */
const ROOT_NAMES: ReadonlySet<string> = new Set([PRESENCE, PIDF_FULL]);

/**
 * Reads an application/pidf-diff+xml document: a `<pidf-full>`, or a `<pidf-diff>` of what was published before. The document's text may have
 * either root. Throws XmlError.
 */
export function parsePidfDiff(text: string, before: PresenceDocument | undefined): PresenceDocument {
  const document = parseXml(text);
  const { root } = document;
  if (root.uri !== PIDF_DIFF || root.local !== 'pidf-diff') {
    if (`{${root.uri}}${root.local}` === PIDF_FULL) return presenceIn(document, PIDF_FULL);
    throw new XmlError(`the root element is {${root.uri}}${root.local}, neither pidf-full nor pidf-diff of {${PIDF_DIFF}}`);
  }
  // RFC 5264 4.3.2.
  if (!before) throw new XmlError('Invalid Partial Publication: the first is a pidf-full');
  const entity = attribute(root, 'entity');
  if (entity !== undefined && canonicalAddress(entity) !== canonicalAddress(before.entity)) {
    throw new XmlError(`invalid-attribute-value: the changes are of ${entity}, what was published is of ${before.entity}`);
  }
  const patched = applyPatch({ text: before.text, rootNames: ROOT_NAMES }, root, text);
  return presenceIn(parseXml(patched), PIDF_FULL);
}

/** A document but for its version, which stands between the two parts. */
export type Versioned = readonly [before: string, after: string];

/** A presence document to be told by versions. */
export interface PartialDocument {
  /** The whole as `<pidf-full>`. */
  readonly full: Versioned;
  /** The same without a version: what patches are made between. */
  readonly text: string;
  readonly entity: string;
}

/** Makes the root of a PIDF document that was written here `<pidf-full>`; everything else stays as it is. */
export function partialDocument(pidf: string): PartialDocument {
  const root = readRoot(pidf);
  const prefix = freePrefix('p', root.declarations?.keys() ?? []);
  const tag = pidf.slice(root.start + 1 + root.name.length, root.contentStart - (root.selfClosing ? 2 : 1));
  const end = root.selfClosing ? pidf.length : pidf.lastIndexOf('</');
  const head = `${pidf.slice(0, root.start)}<${prefix}:pidf-full xmlns:${prefix}="${PIDF_DIFF}"${tag}`;
  const tail = `>${pidf.slice(root.contentStart, end)}</${prefix}:pidf-full>\n`;
  return {
    full: [`${head} version="`, `"${tail}`],
    text: head + tail,
    entity: attribute(root, 'entity') ?? '',
  };
}

/** Characters of a document up to which it is compared with another: ten milliseconds or two, in one turn of the event loop. */
const LONGEST_COMPARED = 24 * 1024;

/**
 * The `<pidf-diff>` from one document to another; undefined where it would put the whole in its place, or be longer than that, or where it
 * would take too long to make: a `<pidf-full>` may take its place at any time (RFC 5263 4.5).
 */
export function pidfDiff(before: PartialDocument, after: PartialDocument): Versioned | undefined {
  if (Math.max(before.text.length, after.text.length) > LONGEST_COMPARED) return undefined;
  const patch = createPatch(parseXml(before.text, AS_STORED), parseXml(after.text, AS_STORED));
  if (!patch) return undefined;
  const { namespaces, operations } = patch;
  if (operations.some(({ name, sel }) => name === 'replace' && sel === '*')) return undefined;
  const prefix = freePrefix('d', [...namespaces.keys(), ...operations.flatMap((operation) => [...(operation.namespaces?.keys() ?? [])])]);
  const bindings = `xmlns:${prefix}="${PIDF_DIFF}"${writeDeclarations(namespaces)}`;
  const head = `<?xml version="1.0" encoding="UTF-8"?>\n<${prefix}:pidf-diff ${bindings} entity="${escapeAttribute(after.entity)}" version="`;
  const patched = operations.map((operation) => `${writePatchOperation(operation, prefix)}\n`).join('');
  const diff: Versioned = [head, `">\n${patched}</${prefix}:pidf-diff>\n`];
  return lengthOf(diff) < lengthOf(after.full) ? diff : undefined;
}

function lengthOf([before, after]: Versioned): number {
  return before.length + after.length;
}

function freePrefix(wanted: string, taken: Iterable<string>): string {
  const names = new Set(taken);
  let prefix = wanted;
  for (let n = 2; names.has(prefix); n++) prefix = `${wanted}${n}`;
  return prefix;
}
