import type { PatchOperation } from './patch-operation.ts';
import type { XmlAttribute, XmlDocument, XmlElement } from './tree.ts';

/** A value that reads and is written in one way only, whether it stands in a patch or in a document. */
const PLAIN = /^(?:[^&<>"'\t\n\r]|&amp;|&lt;)*$/;

/**
 * The operations that make one start tag of another; undefined when none would, as with other namespace declarations or other white space.
 * A replaced value keeps its quotes, an added attribute goes to the end of the tag, and a removed one takes the white space before it along.
 */
export function attributeOperations(
  before: XmlDocument,
  a: XmlElement,
  after: XmlDocument,
  b: XmlElement,
  sel: string,
): PatchOperation[] | undefined {
  const tag = before.source.slice(a.start, a.contentStart);
  const wanted = after.source.slice(b.start, b.contentStart);
  if (tag === wanted) return [];
  const operations: PatchOperation[] = [];
  /** From the last to the first: what is kept of the tag, and what is put between. */
  const pieces: string[] = [];
  let kept = a.contentStart;
  const splice = (start: number, end: number, text: string): void => {
    pieces.push(before.source.slice(end, kept), text);
    kept = start;
  };
  const fresh = new Map(b.attributes.map((attribute) => [attribute.name, attribute]));
  for (const old of [...a.attributes].reverse()) {
    const value = fresh.get(old.name);
    if (value && rawValue(after, value) === rawValue(before, old)) continue;
    if (!isSelectable(old)) return undefined;
    if (value) {
      const content = rawValue(after, value);
      if (!PLAIN.test(content)) return undefined;
      operations.push({ name: 'replace', sel: `${sel}/@${old.name}`, content });
      splice(old.valueStart, old.valueEnd, content);
    } else {
      operations.push({ name: 'remove', sel: `${sel}/@${old.name}` });
      let { start } = old;
      while (isSpace(before.source.charCodeAt(start - 1))) start--;
      splice(start, old.end, '');
    }
  }
  pieces.push(before.source.slice(a.start, kept));
  const left = pieces.reverse().join('');
  const known = new Set(a.attributes.map(({ name }) => name));
  let end = left.length - (a.selfClosing ? 2 : 1);
  while (isSpace(left.charCodeAt(end - 1))) end--;
  let added = '';
  for (const attribute of b.attributes) {
    if (known.has(attribute.name)) continue;
    const content = rawValue(after, attribute);
    if (!isSelectable(attribute) || !PLAIN.test(content)) return undefined;
    operations.push({ name: 'add', sel, type: `@${attribute.name}`, content });
    added += ` ${attribute.name}="${content}"`;
  }
  return left.slice(0, end) + added + left.slice(end) === wanted ? operations : undefined;
}

/** Its name means the same in every document. */
function isSelectable({ prefix }: XmlAttribute): boolean {
  return prefix === '' || prefix === 'xml';
}

function rawValue({ source }: XmlDocument, { valueStart, valueEnd }: XmlAttribute): string {
  return source.slice(valueStart, valueEnd);
}

function isSpace(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}
