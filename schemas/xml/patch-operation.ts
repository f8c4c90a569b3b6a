import { escapeAttribute } from './escape.ts';

/** One operation of a patch (RFC 5261 4.3 to 4.5). */
export interface PatchOperation {
  readonly name: 'add' | 'replace' | 'remove';
  readonly sel: string;
  readonly pos?: 'before' | 'after' | 'prepend';
  /** `@name` where an attribute is added. */
  readonly type?: string;
  /** White space around a removed node that goes with it. */
  readonly ws?: 'before' | 'after' | 'both';
  /** XML as it goes into the document. */
  readonly content?: string;
  /** Bindings that the content needs and the patch as a whole has otherwise; '' for the default namespace, '' for none. */
  readonly namespaces?: ReadonlyMap<string, string>;
}

/** The operation as an element with the prefix, in whose scope the bindings of the patch as a whole are declared. */
export function writePatchOperation({ name, sel, pos, type, ws, content, namespaces }: PatchOperation, prefix: string): string {
  let out = `<${prefix}:${name} sel="${escapeAttribute(sel)}"`;
  if (pos !== undefined) out += ` pos="${pos}"`;
  if (type !== undefined) out += ` type="${escapeAttribute(type)}"`;
  if (ws !== undefined) out += ` ws="${ws}"`;
  return content === undefined ? `${out}/>` : `${out}${writeDeclarations(namespaces)}>${content}</${prefix}:${name}>`;
}

/** Namespace declarations as they stand in a start tag. */
export function writeDeclarations(namespaces: ReadonlyMap<string, string> | undefined): string {
  let out = '';
  for (const [prefix, uri] of namespaces ?? []) out += ` xmlns${prefix && ':'}${prefix}="${escapeAttribute(uri)}"`;
  return out;
}
