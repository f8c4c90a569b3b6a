import { describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import type { XmlDocument, XmlElement } from '../../schemas/xml/tree.ts';
import { XcapConflict } from '../../xcap/errors.ts';
import { checkPlaced, placeAttribute, placeElement, removeNode, selectNode, walk } from '../../xcap/node-operations.ts';
import type { NodeSelector, Step } from '../../xcap/node-selector.ts';
import { expectSameAsParsed, picture } from './tree-picture.ts';

/** A small generator of numbers, so that a failure can be had again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const LIMITS = { depth: 100, nodes: 1000 };

const FRAGMENTS = [
  '<a/>',
  '<b k="1"/>',
  "<a xmlns='urn:z'  k = 'v' ><c/>t</a>",
  '<p:b p:k="&lt;">x<!-- c --><a/></p:b>',
  ' <c>\n<a ><b/></a> </c>\n',
  '<a ></a>',
];

describe('the tree of an edited text (RFC 4825 8.2.3, 8.2.4, 8.4)', () => {
  test('is the tree that parsing that text gives, after any series of edits', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = numbers(seed);
      const start =
        '<?xml version="1.0"?><!-- x -->\n<r xmlns="urn:d" xmlns:p="urn:p"\n>\n <a k="1" l=\'2\'/>\n text <b><!-- y --><a/><a ><![CDATA[<]]></a></b></r>\n';
      let document = parseXml(start);
      for (let edit = 0; edit < 25; edit++) {
        document = randomEdit(document, random);
        expectSameAsParsed(document);
      }
    }
  });

  function randomEdit(document: XmlDocument, random: (below: number) => number): XmlDocument {
    const all = descendants(document.root);
    const element = all[random(all.length)] ?? document.root;
    const steps = stepsTo(element);
    const fragment = Buffer.from(FRAGMENTS[random(FRAGMENTS.length)] ?? '<a/>');
    try {
      switch (random(5)) {
        case 0:
          return element.parent ? removeNode(document, { kind: 'element', element }) : document;
        case 1:
          return placeElement(document, { parent: element.parent, element, step: steps.at(-1) }, fragment, LIMITS).document;
        case 2: {
          const attribute = element.attributes[random(3)];
          return attribute ? removeNode(document, { kind: 'attribute', element, attribute }) : document;
        }
        case 3: {
          const name = { kind: 'attribute', prefix: '', uri: '', local: ['k', 'l', 'long'][random(3)] ?? 'k' } as const;
          const selector: NodeSelector = { steps, terminal: name };
          const placed = placeAttribute(document, element, name, Buffer.from(['', 'value', `it's "so"`, '&#65;'][random(4)] ?? ''));
          checkPlaced(placed, selector);
          return placed.document;
        }
        default: {
          const step: Step = { name: undefined, position: [undefined, 1, element.elements.length + 1, 2][random(4)], test: undefined };
          return placeElement(document, { parent: element, element: undefined, step }, fragment, LIMITS).document;
        }
      }
    } catch (error) {
      // A fragment whose prefix is not bound there, a position that cannot be had.
      if (error instanceof XcapConflict) return document;
      throw error;
    }
  }

  test('white space around a namespace name is refused, which the schema would take for a part of it', () => {
    for (const text of ['<x:r xmlns:x="urn:x "/>', '<r xmlns="&#10;urn:x"/>']) expect(() => parseXml(text)).toThrow('white space');
  });

  test('leaves the old tree as it was', () => {
    const document = parseXml('<r><a/><b k="1">t</b></r>');
    const before = picture(document.root, undefined);
    const element = document.root.elements[0] ?? document.root;
    placeElement(document, { parent: element, element: undefined, step: undefined }, Buffer.from('<c/>'), LIMITS);
    removeNode(document, { kind: 'element', element });
    expect(picture(document.root, undefined)).toEqual(before);
  });

  test('selects as the tree of the parsed text would', () => {
    const document = parseXml('<r><a/><b k="1">t</b></r>');
    const { document: edited } = placeElement(
      document,
      { parent: undefined, element: document.root, step: undefined },
      Buffer.from('<r><b/></r>'),
      LIMITS,
    );
    const selector: NodeSelector = {
      steps: [{ name: { uri: '', local: 'r' }, position: undefined, test: undefined }],
      terminal: undefined,
    };
    expect(selectNode(edited, selector)).toEqual({ kind: 'element', element: edited.root });
    expect(walk(edited, selector.steps)).toEqual([edited.root]);
  });
});

function descendants(element: XmlElement): XmlElement[] {
  return [element, ...element.elements.flatMap(descendants)];
}

function stepsTo(element: XmlElement): Step[] {
  const position = element.parent ? element.parent.elements.indexOf(element) + 1 : 1;
  const step = { name: undefined, position, test: undefined };
  return element.parent ? [...stepsTo(element.parent), step] : [step];
}
