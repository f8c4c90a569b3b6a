/**
 * All that an element holds, as XPath counts it (XPath 1.0 5): elements, comments and processing instructions, with the raw text between them.
 * The offset tree leaves out what is not needed to read a document; whoever patches one must know it all.
 */
import type { XmlDocument, XmlElement } from './tree.ts';

export interface ContentNode {
  readonly kind: 'element' | 'comment' | 'processing-instruction';
  /** Undefined for comments and processing instructions. */
  readonly element: XmlElement | undefined;
  /** 1-based, among the children of the same kind. */
  readonly position: number;
  /** As it stands in the source, and where. */
  readonly raw: string;
  readonly start: number;
  readonly end: number;
}

/** One more gap than there are nodes: `gaps[i]` is the raw text before `nodes[i]`, '' for none. */
export interface Content {
  readonly nodes: readonly ContentNode[];
  readonly gaps: readonly string[];
  /** For each gap, the 1-based position of its text, or of the next one where it is empty. */
  readonly textPositions: readonly number[];
}

/** Undefined where the raw text alone does not tell how many text nodes there are (an empty CDATA section is none). */
export function contentOf({ source }: XmlDocument, element: XmlElement): Content | undefined {
  const nodes: ContentNode[] = [];
  const gaps: string[] = [];
  const counts = { element: 0, comment: 0, 'processing-instruction': 0 };
  let sound = true;
  /** Where the text begins that is before the next node. */
  let gapStart = element.contentStart;
  const add = (kind: ContentNode['kind'], start: number, end: number, child?: XmlElement): void => {
    gaps.push(source.slice(gapStart, start));
    nodes.push({ kind, element: child, position: ++counts[kind], raw: source.slice(start, end), start, end });
    gapStart = end;
  };
  const scan = (from: number, to: number): void => {
    for (let at = source.indexOf('<', from); at >= 0 && at < to; at = source.indexOf('<', at)) {
      if (source.startsWith('<!--', at)) {
        const end = source.indexOf('-->', at + 4) + 3;
        add('comment', at, end);
        at = end;
      } else if (source.startsWith('<?', at)) {
        const end = source.indexOf('?>', at) + 2;
        add('processing-instruction', at, end);
        at = end;
      } else {
        // Nothing else can be there but a CDATA section, which is text.
        if (source.startsWith(']]>', at + CDATA)) sound = false;
        at = source.indexOf(']]>', at) + 3;
      }
    }
  };
  let scanned = element.contentStart;
  for (const child of element.elements) {
    scan(scanned, child.start);
    add('element', child.start, child.end, child);
    scanned = child.end;
  }
  scan(scanned, element.contentEnd);
  gaps.push(source.slice(gapStart, element.contentEnd));
  if (!sound) return undefined;
  let position = 1;
  return { nodes, gaps, textPositions: gaps.map((gap) => (gap === '' ? position : position++)) };
}

const CDATA = '<![CDATA['.length;
