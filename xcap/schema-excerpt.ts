import type { XmlDocument, XmlElement } from '../schemas/xml/tree.ts';

/** A range of a document's source. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * The document without those of its elements that cannot matter to whether it is valid by its schema, given that it was valid
 * before the element at `changed` was put there (or, in an empty range, removed): of a run of sibling elements of a kind that
 * the schema lets stand any number of times in a row, those that changed stand for all, or one where none did.
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
    if (start === end) return;
    excerpt += source.slice(kept, start);
    kept = end;
  }

  function visit(parent: XmlElement): void {
    /** The last one of the current run that changed. */
    let stands: XmlElement | undefined;
    /** Those that did not since then, from the first to the last. */
    let first: XmlElement | undefined;
    let last: XmlElement | undefined;

    function endRun(): void {
      if (first && last) leaveOut(stands ? stands.end : first.end, last.end);
      stands = first = last = undefined;
    }

    for (const element of parent.elements) {
      if (!repeatable(element)) {
        endRun();
        visit(element);
        continue;
      }
      const before = last ?? stands;
      if (before && (before.local !== element.local || before.uri !== element.uri)) endRun();
      if (!overlap(element, changed)) {
        first ??= element;
        last = element;
        continue;
      }
      if (first) leaveOut(stands ? stands.end : first.start, element.start);
      stands = element;
      first = last = undefined;
    }
    endRun();
  }

  visit(root);
  return kept === 0 ? source : excerpt + source.slice(kept);
}

function overlap(element: XmlElement, { start, end }: Range): boolean {
  return start === end ? element.start < start && element.end > start : element.start < end && element.end > start;
}
