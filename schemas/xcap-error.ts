/** Bodies of 409 responses (RFC 4825 11). */
import { escapeAttribute, escapeText } from './xml/escape.ts';

export const XCAP_ERROR = 'urn:ietf:params:xml:ns:xcap-error';
export const XCAP_ERROR_TYPE = 'application/xcap-error+xml';

/** The error elements of RFC 4825 11.1, by name, each with what it carries. `phrase` is for people. */
export type ErrorCondition = SimpleError | NoParent | UniquenessFailure | ExtensionError;

export interface SimpleError {
  readonly kind:
    | 'not-well-formed'
    | 'not-xml-frag'
    | 'schema-validation-error'
    | 'not-xml-att-value'
    | 'cannot-insert'
    | 'cannot-delete'
    | 'constraint-failure'
    | 'not-utf-8';
  readonly phrase?: string | undefined;
}

export interface NoParent {
  readonly kind: 'no-parent';
  readonly phrase?: string | undefined;
  /** URI of the deepest node that exists, its node selector percent-encoded. */
  readonly ancestor?: string | undefined;
}

export interface UniquenessFailure {
  readonly kind: 'uniqueness-failure';
  readonly phrase?: string | undefined;
  /** At least one. */
  readonly exists: readonly NotUnique[];
}

export interface NotUnique {
  /** Percent-encoded node selector, relative to the document. */
  readonly field: string;
  /** Values that would do. */
  readonly altValues?: readonly string[] | undefined;
}

export interface ExtensionError {
  readonly kind: 'extension';
  /** Well-formed elements that declare the namespaces they use. */
  readonly content: string;
}

/** Writes the document (RFC 4825 11.2). */
export function writeXcapError(condition: ErrorCondition): string {
  const start = `<?xml version="1.0" encoding="UTF-8"?>\n<xcap-error xmlns="${XCAP_ERROR}">\n`;
  return `${start}${writeElement(condition)}\n</xcap-error>\n`;
}

function writeElement(condition: ErrorCondition): string {
  // RFC 4825 11.2 gives <extension> no phrase.
  if (condition.kind === 'extension') return `<extension>${condition.content}</extension>`;
  const content = writeContent(condition);
  const tag = condition.phrase === undefined ? condition.kind : `${condition.kind} phrase="${escapeAttribute(condition.phrase)}"`;
  return content === '' ? `<${tag}/>` : `<${tag}>${content}</${condition.kind}>`;
}

function writeContent(condition: SimpleError | NoParent | UniquenessFailure): string {
  if (condition.kind === 'no-parent')
    return condition.ancestor === undefined ? '' : `<ancestor>${escapeText(condition.ancestor)}</ancestor>`;
  if (condition.kind !== 'uniqueness-failure') return '';
  let out = '';
  for (const { field, altValues = [] } of condition.exists) {
    out += `<exists field="${escapeAttribute(field)}">`;
    for (const value of altValues) out += `<alt-value>${escapeText(value)}</alt-value>`;
    out += '</exists>';
  }
  return out;
}
