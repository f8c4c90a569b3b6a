import { describe, expect, it } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { readNode, selectNode } from '../../xcap/node-operations.ts';
import { parseNodeSelector } from '../../xcap/node-selector.ts';

const NAMESPACE = 'urn:ietf:params:xml:ns:resource-lists';

/** Enough entries to be indexed; one URI stands twice, one entry is of a foreign namespace. */
function list(): string {
  const entries = Array.from({ length: 40 }, (_, i) => `<entry uri="sip:b${i}@example.com" x="${i % 4}"/>`).join('');
  const foreign = '<f:entry xmlns:f="urn:foreign" uri="sip:foreign@example.com"/>';
  return `<resource-lists xmlns="${NAMESPACE}"><list name="a">${entries}${foreign}<entry uri="sip:b7@example.com"/><entry/></list></resource-lists>`;
}

describe('RFC 4825 6.3: nodes read again and again from one tree', () => {
  const document = parseXml(list());
  const selectors = [
    ...Array.from({ length: 42 }, (_, i) => `entry%5b@uri=%22sip:b${i}@example.com%22%5d`),
    'entry%5b@uri=%22sip:foreign@example.com%22%5d',
    'entry%5b@x=%223%22%5d',
    'entry%5b4%5d%5b@uri=%22sip:b3@example.com%22%5d',
    'entry%5b4%5d%5b@uri=%22sip:b4@example.com%22%5d',
    '*%5b@uri=%22sip:foreign@example.com%22%5d',
    '*%5b@uri=%22sip:b3@example.com%22%5d',
    'list%5b@uri=%22sip:b3@example.com%22%5d',
    'entry',
  ].map((step) => parseNodeSelector(`resource-lists/list/${step}`, undefined).bind(NAMESPACE));

  it('are those that a single reading selects, whatever was read before', () => {
    // From any first step on: that step decides what the index is made for.
    for (const first of selectors) {
      const tree = parseXml(document.source);
      for (let times = 0; times < 3; times++) readNode(tree, first);
      for (const selector of selectors) {
        const read = readNode(tree, selector);
        const once = selectNode(tree, selector);
        expect(read).toEqual(once);
      }
    }
  });

  it('are none where two elements match or only one of another namespace does', () => {
    const read = (i: number) => selectors[i] && [1, 2, 3].map(() => readNode(document, selectors[i] as (typeof selectors)[number]));
    expect(read(7)).toEqual([undefined, undefined, undefined]);
    expect(read(42)).toEqual([undefined, undefined, undefined]);
    expect(read(8)?.every((selected) => selected?.kind === 'element')).toBe(true);
  });
});
