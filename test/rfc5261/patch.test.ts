import { DOMParser } from '@xmldom/xmldom';
import { describe, expect, it } from 'vitest';
import * as xpath from 'xpath';
import { writeXcapDiff, XCAP_DIFF } from '../../schemas/xcap-diff.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { createPatch, type Patch } from '../../schemas/xml/patch.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { readRaw } from '../helpers/raw-xml.ts';
import { applyPatch } from '../helpers/xml-patch-client.ts';
import { RandomEditor } from './random-document.ts';

function patchOf(before: string, after: string): Patch | undefined {
  return createPatch(parseXml(before), parseXml(after));
}

/** The operations as they are sent, without namespace declarations. */
function operations(before: string, after: string): string {
  const patch = patchOf(before, after);
  if (!patch) return 'none';
  const diff = writeXcapDiff('http://x/', [{ kind: 'document', sel: 'a/global/b', previousEtag: '1', newEtag: '2', patch }]);
  expect(apply(before, patch)).toBe(after);
  return (/<d:document[^>]*>(.*)<\/d:document>/s.exec(diff)?.[1] ?? '').replaceAll('d:', '');
}

function apply(before: string, patch: Patch): string {
  const diff = writeXcapDiff('http://x/', [{ kind: 'document', sel: 'a/global/b', previousEtag: '1', newEtag: '2', patch }]);
  const document = readRaw(diff)
    .children.find(({ kind }) => kind === 'element')
    ?.children.find(({ kind }) => kind === 'element');
  if (!document) throw new Error(diff);
  if (patch.operations.length === 0) return before;
  return applyPatch(before, diff, document);
}

/** Stays, so that it would not be shorter to replace it all. */
const LONG = `<x>${'a long text '.repeat(10)}</x>`;

describe('RFC 5261 4: patches between two texts', () => {
  it("elements that would take too much to compare, on many levels or with many nodes, are put in each other's place", () => {
    const levels = (leaf: string) =>
      `<r>${`<d>${'<e>'.repeat(90)}${leaf.repeat(300)}${'</e>'.repeat(90)}</d>`.repeat(24)}<f>${leaf}</f></r>`;
    const [before, after] = [levels('x'), levels('y').replaceAll('yyyy</e>', 'xxxx</e>')];
    const patch = patchOf(before, after);
    expect(patch && apply(before, patch)).toBe(after);
    expect(patch?.operations.some(({ content = '' }) => content.includes('<e><e>'))).toBe(true);
  });

  it.each([
    ['4.3.1: an element at the end', '<a><b/></a>', '<a><b/><c>x</c></a>', '<add sel="*/*[1]" pos="after"><c>x</c></add>'],
    ['4.3.1: an element at the end, behind white space', '<a>\n<b/>\n</a>', '<a>\n<b/>\n<c/></a>', '<add sel="*"><c/></add>'],
    ['4.3.4: an element at the start', '<a><b/></a>', '<a><c/><b/></a>', '<add sel="*" pos="prepend"><c/></add>'],
    ['4.3.4: an element in between', '<a><b/><c/></a>', '<a><b/><d/><c/></a>', '<add sel="*/*[1]" pos="after"><d/></add>'],
    [
      '4.3.5: an element on a line of its own',
      '<a>\n <b/>\n</a>',
      '<a>\n <b/>\n <c/>\n</a>',
      '<add sel="*/*[1]" pos="after">\n <c/></add>',
    ],
    ['4.3.2: an attribute', '<a><b x="1"/></a>', '<a><b x="1" y="2"/></a>', '<add sel="*/*[1]" type="@y">2</add>'],
    ['4.4.1: an element of another name', `<a><b/>${LONG}</a>`, `<a><c/>${LONG}</a>`, '<replace sel="*/*[1]"><c/></replace>'],
    ['4.4.2: a value', '<a><b x="1"/></a>', '<a><b x="2"/></a>', '<replace sel="*/*[1]/@x">2</replace>'],
    ['4.4.4: a comment', `<a><!--1-->${LONG}</a>`, `<a><!--2-->${LONG}</a>`, '<replace sel="*/comment()[1]"><!--2--></replace>'],
    [
      '4.4.5: a processing instruction',
      `<a><?b 1?>${LONG}</a>`,
      `<a><?b 2?>${LONG}</a>`,
      '<replace sel="*/processing-instruction()[1]"><?b 2?></replace>',
    ],
    ['4.4.6: a text', '<a>1<b/>2</a>', '<a>1<b/>3</a>', '<replace sel="*/text()[2]">3</replace>'],
    ['4.5.1: an element', '<a>\n<b/>\n</a>', '<a>\n\n</a>', '<remove sel="*/*[1]"/>'],
    ['4.5.1: an element and the white space behind it', '<a>\n <b/>\n <c/>\n</a>', '<a>\n <c/>\n</a>', '<remove sel="*/*[1]" ws="after"/>'],
    [
      '4.5.1: an element and the white space before it',
      '<a>\n <b/>\n <c/>\n</a>',
      '<a>\n <b/>\n</a>',
      '<remove sel="*/*[2]" ws="before"/>',
    ],
    ['4.5.1: an element and all white space', '<a>\n<b/>\n</a>', '<a></a>', '<remove sel="*/*[1]" ws="both"/>'],
    ['4.5.2: an attribute', '<a><b x="1" y="2"/></a>', '<a><b y="2"/></a>', '<remove sel="*/*[1]/@x"/>'],
    ['4.5.6: a text', '<a>1<b/>2</a>', '<a>1<b/></a>', '<remove sel="*/text()[2]"/>'],
    ['the same text', '<a/>', '<a/>', ''],
    ['3: the prolog cannot be patched', '<a/>', '<?xml version="1.0"?><a/>', 'none'],
    ['what follows the root cannot either, where it is white space', '<a/>', '<a/>\n', 'none'],
  ])('%s', (_, before, after, expected) => {
    const made = operations(before, after);
    expect(made === '' ? '' : made.replace(/^<body-not-changed\/>$/, '')).toBe(expected);
  });

  it('replaces what has changed in more than can be patched: tags written in another way, namespaces', () => {
    expect(operations('<a><b/><c/></a>', '<a><b></b><c/></a>')).toBe('<replace sel="*/*[1]"><b></b></replace>');
    expect(operations("<a><b x='1'/><c/></a>", '<a><b x="1"/><c/></a>')).toBe('<replace sel="*/*[1]"><b x="1"/></replace>');
    expect(operations('<a xmlns="urn:a"><b/></a>', '<a xmlns="urn:b"><b/></a>')).toContain('<replace sel="*"');
  });

  it('4.2.3: declares what the content needs, and uses a prefix of its own that nothing else has', () => {
    const before = '<a xmlns="urn:a" xmlns:d="urn:d"><b xmlns=""><c/></b></a>';
    const patch = patchOf(before, before.replace('<c/>', '<c/><d:e/><f/>'));
    expect(patch).toBeDefined();
    if (!patch) return;
    const diff = writeXcapDiff('http://x/', [{ kind: 'document', sel: 'x', previousEtag: '1', newEtag: '2', patch }]);
    expect(diff).toContain('<d2:xcap-diff xmlns:d2=');
    expect(diff).toContain('<d2:add sel="*/*[1]/*[1]" pos="after" xmlns=""><d:e/><f/></d2:add>');
    expect(schemaViolations(XCAP_DIFF, diff)).toEqual([]);
  });

  it('is small for one new entry among five thousand, and quick', () => {
    const entries = Array.from({ length: 5000 }, (_, i) => `<entry uri="sip:u${i}@example.com"/>`);
    const before = `<l>${entries.join('')}</l>`;
    entries.splice(2500, 0, '<entry uri="sip:new@example.com"/>');
    const after = `<l>${entries.join('')}</l>`;
    expect(operations(before, after)).toBe('<add sel="*/*[2500]" pos="after"><entry uri="sip:new@example.com"/></add>');
    const shuffled = `<l>${[...entries].reverse().join('')}</l>`;
    const started = performance.now();
    const patch = patchOf(before, shuffled);
    expect(performance.now() - started).toBeLessThan(2000);
    expect(patch?.operations).toMatchObject([{ name: 'replace', sel: '*', content: shuffled }]);
  });

  it('gives the new text byte for byte, of thousands of random edits of random documents', { timeout: 60_000 }, () => {
    const editor = new RandomEditor(20_251);
    let patched = 0;
    let small = 0;
    for (let i = 0; patched < 4000; i++) {
      const before = editor.document();
      const after = i % 4 === 0 ? editor.document() : editor.edit(before);
      let patch: Patch | undefined;
      try {
        parseXml(before);
        parseXml(after);
      } catch {
        continue;
      }
      patch = patchOf(before, after);
      if (!patch) {
        expect(outsideOf(before)).not.toEqual(outsideOf(after));
        continue;
      }
      patched++;
      if (!patch.operations.some(({ sel }) => sel === '*')) small++;
      let made: string;
      try {
        made = apply(before, patch);
      } catch (error) {
        throw new Error(`${String(error)}\nbefore ${before}\nafter  ${after}\n${JSON.stringify(patch.operations)}`);
      }
      if (made !== after)
        expect({ before, made, operations: patch.operations }).toEqual({ before, made: after, operations: patch.operations });
      if (patched % 50 === 0) {
        const diff = writeXcapDiff('http://x/', [{ kind: 'document', sel: 'a', previousEtag: '1', newEtag: '2', patch }]);
        expect(schemaViolations(XCAP_DIFF, diff)).toEqual([]);
        checkSelector(before, patch);
      }
    }
    expect(small).toBeGreaterThan(1500);
  });
});

/** The first operation's selector finds one node for an XPath engine, too. */
function checkSelector(before: string, { operations: [first] }: Patch): void {
  if (!first) return;
  const document = new DOMParser().parseFromString(before, 'text/xml');
  const found = xpath.select(`/${first.sel}`, document as unknown as Node) as unknown[];
  expect([first.sel, found.length]).toEqual([first.sel, 1]);
}

/** What stands before and behind the root element. */
function outsideOf(text: string): string[] {
  const root = readRaw(text).children.find(({ kind }) => kind === 'element');
  return [text.slice(0, root?.start), text.slice(root?.end)];
}
