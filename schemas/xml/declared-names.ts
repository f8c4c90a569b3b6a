/** Local names that a schema declares, at its top or within a type. */
export interface DeclaredNames {
  readonly elements: ReadonlySet<string>;
  readonly attributes: ReadonlySet<string>;
}

const DECLARATION = /<(?:[\w.-]+:)?(element|attribute)\s[^>]*?\bname\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/** Reads them from the text of an XSD document, one that compiles. */
export function readNames(text: string): DeclaredNames {
  const elements = new Set<string>();
  const attributes = new Set<string>();
  for (const [, kind, double, single] of text.matchAll(DECLARATION)) {
    (kind === 'element' ? elements : attributes).add(double ?? single ?? '');
  }
  return { elements, attributes };
}
