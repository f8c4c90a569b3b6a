/** Partial presence (RFC 5262): a presence document with a version, or how it has changed since the version before. */
import { ROOT_DECLARATIONS } from './pidf.ts';
import { escapeAttribute } from './xml/escape.ts';
import type { Patch } from './xml/patch.ts';
import { writeDeclarations, writePatchOperation } from './xml/patch-operation.ts';

export const PIDF_DIFF = 'urn:ietf:params:xml:ns:pidf-diff';
export const PIDF_DIFF_TYPE = 'application/pidf-diff+xml';

/** A document but for its version, which stands between the two parts. */
export type Versioned = readonly [before: string, after: string];

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** The whole document about the entity (a URI), with what `writeComponents` wrote. */
export function pidfFull(entity: string, content: string): Versioned {
  return [`${HEAD}${fullTag(entity)} version="`, `">\n${content}</p:pidf-full>\n`];
}

/** The document that patches between versions are made of: what `pidfFull` gives, without a version. */
export function unversioned(entity: string, content: string): string {
  return `${HEAD}${fullTag(entity)}>\n${content}</p:pidf-full>\n`;
}

function fullTag(entity: string): string {
  return `<p:pidf-full xmlns:p="${PIDF_DIFF}"${ROOT_DECLARATIONS} entity="${escapeAttribute(entity)}"`;
}

/** The operations that make one `unversioned` document of another; undefined where they put the whole in its place. */
export function pidfDiff(entity: string, { namespaces, operations }: Patch): Versioned | undefined {
  if (operations.some(({ name, sel }) => name === 'replace' && sel === '*')) return undefined;
  const taken = new Set([...namespaces.keys(), ...operations.flatMap((operation) => [...(operation.namespaces?.keys() ?? [])])]);
  let prefix = 'd';
  for (let n = 2; taken.has(prefix); n++) prefix = `d${n}`;
  const tag = `<${prefix}:pidf-diff xmlns:${prefix}="${PIDF_DIFF}"${writeDeclarations(namespaces)} entity="${escapeAttribute(entity)}"`;
  const patch = operations.map((operation) => `${writePatchOperation(operation, prefix)}\n`).join('');
  return [`${HEAD}${tag} version="`, `">\n${patch}</${prefix}:pidf-diff>\n`];
}
