import type { XmlDocument, XmlElement } from '../schemas/xml/tree.ts';

/** A range of a document's source. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The document without those of its elements that cannot matter to whether it is valid by its schema, given that it was valid
 * before the element at `changed` was put there (or, in an empty range, removed): of a run of sibling elements of a kind that
 * the schema lets stand any number of times in a row, and that did not change, one stands for all.
 * So one new entry of a long list is not paid for by validating the others again.
 *
 * Right only where the schema has no constraints across elements, such as `xs:unique` or `xs:ID`, on the elements left out.
 *
 * @param repeatable whether an element is of such a kind
 */
export function schemaExcerpt({ source, root }: XmlDocument, changed: Range, repeatable: (element: XmlElement) => boolean): string {
  let excerpt = '';
  let kept = 0;

  function leaveOut(start: number, end: number): void {
    excerpt += source.slice(kept, start);
    kept = end;
  }

  function visit(parent: XmlElement): void {
    /** The element that the current run of unchanged siblings of one kind began with. */
    let first: XmlElement | undefined;
    let previous: XmlElement | undefined;
    for (const element of parent.elements) {
      if (!repeatable(element)) {
        first = undefined;
        visit(element);
      } else if (!overlap(element, changed)) {
        if (first && previous && first.local === element.local && first.uri === element.uri) leaveOut(previous.end, element.end);
        else first = element;
      } else if (first && (first.local !== element.local || first.uri !== element.uri)) first = undefined;
      previous = element;
    }
  }

  visit(root);
  return kept === 0 ? source : excerpt + source.slice(kept);
}

function overlap(element: XmlElement, { start, end }: Range): boolean {
  return start === end ? element.start < start && element.end > start : element.start < end && element.end > start;
}
