import { expect, it } from 'vitest';
import { parsePidf, writePidf } from '../../schemas/pidf.ts';
import { parsePidfDiff } from '../../schemas/pidf-diff.ts';
import { XmlError } from '../../schemas/xml/parse.ts';
import { compose } from '../../sip/presence/composition.ts';
import { RandomEditor } from '../rfc5261/random-document.ts';
import { rich } from '../rfc5263/presence-documents.ts';

const BOB = 'sip:bob@example.com';
const NAMESPACES =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"';
const OPERATIONS = [
  '<p:add sel="presence/note" pos="before"><tuple id="n"><status><basic>open</basic></status></tuple></p:add>',
  `<p:replace sel="*/tuple[@id='a']/status/basic/text()">closed</p:replace>`,
  '<p:remove sel="*/dm:person/r:mood" ws="after"/>',
  '<p:add sel="*/dm:person" type="@x">1</p:add>',
  '<p:add sel="*/*[1]" type="namespace::q">urn:q</p:add>',
  '<p:replace sel="*/tuple[2]/contact/@priority">0.1</p:replace>',
  '<p:remove sel="id(\'bob\')"/>',
];
const TIMES = ' from="2026-01-01T00:00:00Z" until="2026-01-02T00:00:00Z"';
const PIECES = [
  '',
  '<',
  '>',
  '/',
  '"',
  "'",
  '&amp;',
  '*',
  '[1]',
  '[',
  '::',
  '@',
  'text()',
  'xmlns:q="urn:z"',
  ' id="a"',
  TIMES,
  '<!---->',
  '<![CDATA[]]>',
  '<?x?>',
];

function mutated(random: RandomEditor, text: string): string {
  let result = text;
  for (let n = random.below(4); n > 0; n--) {
    const at = random.below(result.length);
    result = result.slice(0, at) + random.pick(PIECES) + result.slice(at + random.below(12));
  }
  return result;
}

/** Undefined where it is refused, as a fault of the document and of nothing else. */
function tried<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    return undefined;
  }
}

it.each([1, 2, 3, 4])('whatever is published or patched is refused or told as a document (seed %i)', { timeout: 60_000 }, (seed) => {
  const random = new RandomEditor(seed);
  let told = 0;
  for (let i = 0; i < 1500; i++) {
    const text = rich(BOB, {
      tuples: [
        ['a', 'open'],
        ['b', 'closed'],
      ],
      note: 'n',
      mood: 'happy',
      device: '1',
    }).replace('<r:mood', `<r:mood${random.pick(['', TIMES])}`);
    const documents = [1, 2].flatMap(() => tried(() => parsePidf(mutated(random, text))) ?? []);
    const [before] = documents;
    const operations = Array.from({ length: 1 + random.below(3) }, () => random.pick(OPERATIONS)).join('');
    const diff = mutated(random, `<p:pidf-diff ${NAMESPACES} entity="${BOB}">${operations}</p:pidf-diff>`);
    const patched = before && tried(() => parsePidfDiff(diff, before));
    const sources = [...documents, ...(patched ? [patched] : [])].map((document, n) => ({ document, publishedAt: 1e12 - n }));
    if (sources.length === 0) continue;
    const { components } = compose(sources, BOB, Date.parse('2026-01-01T12:00:00Z'));
    const result = parsePidf(writePidf(BOB, components));
    expect(result.components).toHaveLength(components.length);
    told++;
  }
  expect(told).toBeGreaterThan(500);
});
