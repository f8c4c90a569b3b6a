/** Parts of documents as they stand in other documents: source text with the namespace declarations that it took from its ancestors. */
import { escapeAttribute } from './escape.ts';
import { XmlError } from './parse.ts';
import { inScopeNamespaces, type XmlElement } from './tree.ts';

/** A part of the source text, `[start, end)`. */
export interface SourceRange {
  readonly start: number;
  readonly end: number;
}

/** What takes the place of a part of the source text. */
export interface Splice extends SourceRange {
  readonly text: string;
}

/** Namespaces in scope that are looked for in every fragment. */
const BINDING_LIMIT = 100;
/** Characters by which all fragments of a document may grow together when they take over declarations. */
const GROWTH_LIMIT = 65_536;

/** What all fragments of one document may take over together: a long declaration in its root must not be repeated without end. */
export class FragmentGrowth {
  private left = GROWTH_LIMIT;

  /** @throws XmlError */
  take(declarations: string): void {
    this.left -= declarations.length;
    if (this.left < 0) throw new XmlError('the namespaces that the root element declares are too long to be repeated in its children');
  }
}

/** The bindings in scope at an element whose children become fragments. Throws XmlError for more than can be looked for. */
export function fragmentBindings(parent: XmlElement): ReadonlyMap<string, string> {
  const bindings = inScopeNamespaces(parent);
  if (bindings.size > BINDING_LIMIT) throw new XmlError(`the <${parent.local}> element declares more than ${BINDING_LIMIT} namespaces`);
  return bindings;
}

/**
 * Declarations that the element must have besides its own below another root: of what its root bound to prefixes, that it does not
 * declare itself and that the other root does not declare alike.
 * @param bindings in scope at the element's root
 * @param ambient in scope at the other root
 * @throws XmlError
 */
export function missingDeclarations(
  element: XmlElement,
  slice: string,
  bindings: ReadonlyMap<string, string>,
  ambient: ReadonlyMap<string, string>,
  growth: FragmentGrowth,
): string {
  let out = '';
  for (const [prefix, uri] of bindings) {
    if (ambient.get(prefix) === uri || element.declarations?.has(prefix)) continue;
    if (prefix === '') out += ` xmlns="${escapeAttribute(uri)}"`;
    else if (slice.includes(`${prefix}:`)) out += ` xmlns:${prefix}="${escapeAttribute(uri)}"`;
  }
  // A root that had no default namespace may hold elements that are in none.
  if (ambient.has('') && !bindings.has('') && !element.declarations?.has('')) out += ' xmlns=""';
  growth.take(out);
  return out;
}

/** The element's text with the declarations and the splices, which must not overlap, must lie behind its name, and be in order. */
export function fragmentText(element: XmlElement, source: string, declarations: string, splices: readonly Splice[] = []): string {
  const nameEnd = element.start + 1 + element.name.length;
  let out = source.slice(element.start, nameEnd) + declarations;
  let at = nameEnd;
  for (const { start, end, text } of splices) {
    out += source.slice(at, start) + text;
    at = end;
  }
  return out + source.slice(at, element.end);
}
