import { expect } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import type { XmlDocument, XmlElement } from '../../schemas/xml/tree.ts';

/** Everything in a tree but how its character data is cut into pieces. */
export function picture(element: XmlElement, parent: XmlElement | undefined): object {
  expect(element.parent === parent).toBe(true);
  expect(element.children.filter((c) => c.kind === 'element')).toEqual(element.elements);
  const { children: _, parent: __, elements, declarations, ...rest } = element;
  const texts: string[] = [''];
  for (const c of element.children) {
    if (c.kind === 'text') texts[texts.length - 1] += c.text;
    else texts.push('');
  }
  return { ...rest, declarations: [...(declarations ?? [])], texts, elements: elements.map((e) => picture(e, element)) };
}

/** That the tree is the one which parsing its text gives. */
export function expectSameAsParsed(document: XmlDocument): void {
  expect(picture(document.root, undefined)).toEqual(picture(parseXml(document.source).root, undefined));
}
