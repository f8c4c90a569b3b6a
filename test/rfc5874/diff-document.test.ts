import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { fetchAll, LISTS, listDocument, nextDiff, pathOf, told, watchResources, write } from '../rfc5875/diff-stage.ts';
import { Stage } from '../scenarios/stage.ts';

// Every diff document that comes is validated by the schema of section 4 (`nextDiff`).
const stage = new Stage();
let a: SipPeer;
let xcap: XcapClient;
let index: string;
beforeEach(async () => {
  await stage.boot({ diffInterval: 0 });
  a = await stage.peer('A');
  xcap = await stage.xcap('A');
  index = pathOf(stage, 'A');
});
afterEach(() => stage.close());

describe('RFC 5874 3: what a diff document says of documents (figure 1)', () => {
  test('that one exists, was created, has changed, is the same under another tag, is gone', async () => {
    const first = await write(xcap, index, listDocument());
    const subscription = await watchResources(a, 'aggregate', [index]);
    expect(told(await nextDiff(subscription))).toEqual([[index, undefined, first, '']]);
    const second = await write(xcap, index, listDocument('sip:b@example.com'));
    expect(told(await nextDiff(subscription))).toEqual([[index, first, second, 'add']]);
    const removed = await write(xcap, index, undefined);
    expect(removed).toBe('');
    expect(told(await nextDiff(subscription))).toEqual([[index, second, undefined, '']]);
    const third = await write(xcap, index, listDocument());
    expect(told(await nextDiff(subscription))).toEqual([[index, undefined, third, '']]);
    // Another prolog cannot be patched: both tags, and nothing else.
    const fourth = await write(xcap, index, listDocument().replace('?>', '?><!--x-->'));
    expect(told(await nextDiff(subscription))).toEqual([[index, third, fourth, '']]);
  });

  test('sel is relative to xcap-root, and both together are where the document is', async () => {
    const names = ['plain', 'with space', 'a%b', '\u00fc\u4e00\u{1F600}', '"&<>\'', "d'~(x)"];
    for (const name of names) await write(xcap, pathOf(stage, 'A', encodeURIComponent(name)), listDocument());
    const subscription = await watchResources(a, 'no-patching', ['resource-lists/']);
    const { root, diffs, body } = await nextDiff(subscription);
    expect(body).toMatch(/^<\?xml version="1\.0" encoding="UTF-8"\?>/);
    expect(root).toMatch(/^http:\/\/.*\/xcap-root\/$/);
    expect(diffs).toHaveLength(names.length);
    for (const { sel, newEtag } of diffs) {
      expect(sel).toMatch(/^resource-lists\/[\w!$&'()*+,;=:@%/.~-]+$/);
      const { status, etag } = await xcap.get(`/${sel}`);
      expect([status, etag]).toEqual([200, `"${newEtag}"`]);
    }
    expect(diffs.map(({ sel }) => decodeURIComponent(sel.split('/').at(-1) ?? '')).toSorted()).toEqual(names.toSorted());
  });

  test('patches are applied in their order, and give the very bytes, whatever characters they are of', async () => {
    const client = new XcapDiffClient();
    const text = (value: string) =>
      `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="${LISTS}"><list><display-name xml:lang="zh">${value}</display-name></list></resource-lists>`;
    await write(xcap, index, text('a'));
    const subscription = await watchResources(a, 'xcap-patching', [index]);
    client.receive((await nextDiff(subscription)).body);
    await fetchAll(client, xcap);
    for (const value of [
      '\u4e00\u{1F600}\u0301',
      '&amp;&#x1F600;&#13;&lt;',
      '<![CDATA[<&>]]>',
      ' \r\n\t ',
      ']]&gt;',
      '\u2028\ufffd',
      'a<!-- - -->b',
    ]) {
      const etag = await write(xcap, index, text(value));
      client.receive((await nextDiff(subscription)).body);
      expect(client.documents.get(index)).toEqual({ etag, text: text(value) });
    }
    expect(client.misses).toBe(0);
  });
});

describe('RFC 5874 3: what a diff document says of elements and attributes', () => {
  const element = (body: string): string => /<(\w+):element [\s\S]*<\/\1:element>/.exec(body)?.[0] ?? '';

  test('an element has the declarations that it needs, and no others', async () => {
    const declarations = Array.from({ length: 500 }, (_, n) => ` xmlns:p${n}="urn:p${n}"`).join('');
    const inner = '<p7:x xmlns:p8="urn:own" p9:y="p10:z" p8:v=""><p8:w/>p11:u</p7:x>';
    await write(xcap, index, `<l:resource-lists xmlns:l="${LISTS}"><l:list${declarations}>${inner}</l:list></l:resource-lists>`);
    const sel = `${index}/~~/resource-lists/list/*[1]`;
    const { body, diffs } = await nextDiff(await watchResources(a, undefined, [sel]));
    expect(diffs.map(({ content }) => content)).toEqual([inner]);
    const start = element(body).slice(0, element(body).indexOf('>') + 1);
    expect([...start.matchAll(/ xmlns:?(\w*)="([^"]*)"/g)].map(([, prefix, uri]) => [prefix, uri])).toEqual(
      ['p7', 'p9', 'p10', 'p8', 'p11'].map((prefix) => [prefix, `urn:${prefix}`]),
    );
  });

  test('an element in the default namespace keeps it, and one in none has none', async () => {
    const path = `${index}/~~/resource-lists/list/`;
    await write(
      xcap,
      index,
      `<resource-lists xmlns="${LISTS}"><list><entry uri="sip:b@example.com"/><p:x xmlns:p="urn:p" xmlns=""><y/></p:x></list></resource-lists>`,
    );
    const sels = [`${path}entry`, `${path}*[2]/*`];
    const { body } = await nextDiff(await watchResources(a, undefined, sels));
    expect(body).toContain(` xmlns="${LISTS}"><entry uri="sip:b@example.com"/>`);
    expect(body).toMatch(/sel="[^"]*\/\*\[2\]\/\*"><y\/>/);
  });

  test('a qualified attribute is named by its query; the value is what it means, not how it is written', async () => {
    await write(xcap, index, `<resource-lists xmlns="${LISTS}"><list q:n="&lt;&amp;&#x4e00;&quot;" xmlns:q="urn:q"/></resource-lists>`);
    const sel = `${index}/~~/resource-lists/list/@z:n?xmlns(z=urn:q)`;
    const subscription = await watchResources(a, undefined, [sel]);
    expect(told(await nextDiff(subscription))).toEqual([[sel, '<&\u4e00"']]);
    await write(xcap, index, listDocument());
    expect(told(await nextDiff(subscription))).toEqual([[sel, false]]);
  });
});
