import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { parsePidf, writePidf } from '../../schemas/pidf.ts';
import { parsePresenceRules } from '../../schemas/pres-rules.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { transformComponent } from '../../sip/presence/transformations.ts';

const DOCUMENT = `<?xml version="1.0"?>
<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:x="urn:example:x" entity="sip:bob@example.com">
<p:tuple id="sip-1"><p:status><p:basic>open</p:basic><x:im>online</x:im></p:status><r:class>work</r:class><d:deviceID>urn:uuid:1</d:deviceID><r:privacy><r:text/></r:privacy><r:relationship><r:self/></r:relationship><r:service-class><r:electronic/></r:service-class><r:user-input idle-threshold="600" last-input="2026-01-01T00:00:00Z">idle</r:user-input><p:contact priority="0.5">sip:bob@192.0.2.1</p:contact><p:note>tuple note</p:note><p:timestamp>2026-01-01T00:00:00Z</p:timestamp></p:tuple>
<p:tuple id="mail-1"><p:status><p:basic>closed</p:basic></p:status><p:contact>mailto:bob@example.com</p:contact></p:tuple>
<p:note>document note</p:note>
<d:person id="p1"><r:activities><r:note>lunching</r:note><r:meal/></r:activities><r:mood><r:happy/></r:mood><r:place-is><r:audio><r:noisy/></r:audio></r:place-is><r:place-type><r:other/></r:place-type><r:sphere><r:work/></r:sphere><r:status-icon>http://example.com/i</r:status-icon><r:time-offset>60</r:time-offset><x:shoe-size>44</x:shoe-size><d:note>person note</d:note><d:timestamp>2026-01-01T00:00:00Z</d:timestamp></d:person>
<d:device id="d1"><r:class>mobile</r:class><d:deviceID>urn:uuid:1</d:deviceID><d:note>device note</d:note></d:device>
<x:secret>root extension</x:secret>
</p:presence>`;

function seenWith(transformations: string): string {
  const rules = `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="r"><cr:transformations>${transformations}</cr:transformations></cr:rule></cr:ruleset>`;
  const [rule] = parsePresenceRules(parseXml(rules));
  if (!rule) throw new Error('no rule');
  const { components } = parsePidf(DOCUMENT);
  const text = writePidf(
    'sip:bob@example.com',
    components.flatMap((c) => {
      const visible = transformComponent(c, rule.permissions);
      return visible === undefined ? [] : [{ kind: c.kind, text: visible }];
    }),
  );
  // Whatever is left must still be a document that another parser reads, with every prefix bound.
  new XMLParser().parse(text, true);
  parseXml(text);
  return text;
}

const ALL =
  '<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons><provide-devices><all-devices/></provide-devices>';

describe('RFC 5025 3.3.1: which components are seen', () => {
  it('none without a permission', () => {
    const seen = seenWith('<provide-mood>true</provide-mood>');
    for (const part of ['tuple', 'person', 'device', 'note', 'secret']) expect(seen).not.toContain(`:${part}`);
  });

  it.each([
    ['<provide-services><all-services/></provide-services>', ['sip-1', 'mail-1']],
    ['<provide-services><class>work</class></provide-services>', ['sip-1']],
    ['<provide-services><class>Work</class></provide-services>', []],
    ['<provide-services><occurrence-id>mail-1</occurrence-id></provide-services>', ['mail-1']],
    ['<provide-services><service-uri>sip:bob@192.0.2.1</service-uri></provide-services>', ['sip-1']],
    ['<provide-services><service-uri-scheme>mailto</service-uri-scheme></provide-services>', ['mail-1']],
    ['<provide-persons><all-persons/></provide-persons>', ['p1']],
    ['<provide-persons><occurrence-id>p2</occurrence-id></provide-persons>', []],
    ['<provide-devices><deviceID>urn:uuid:1</deviceID></provide-devices>', ['d1']],
    ['<provide-devices><class>mobile</class></provide-devices>', ['d1']],
    [ALL, ['sip-1', 'mail-1', 'p1', 'd1']],
  ])('%s', (transformations, ids) => {
    const seen = seenWith(transformations);
    expect(['sip-1', 'mail-1', 'p1', 'd1'].filter((id) => seen.includes(`id="${id}"`))).toEqual(ids);
  });
});

describe('RFC 5025 3.3.2: which attributes are seen', () => {
  const always = ['basic>', 'contact', 'p:timestamp', 'service-class', 'd:timestamp'];
  const guarded: readonly [permission: string, markers: readonly string[]][] = [
    ['<provide-activities>true</provide-activities>', ['r:activities', 'lunching']],
    ['<provide-class>true</provide-class>', ['>work<', '>mobile<']],
    ['<provide-mood>true</provide-mood>', ['r:mood']],
    ['<provide-place-is>true</provide-place-is>', ['r:place-is']],
    ['<provide-place-type>true</provide-place-type>', ['r:place-type']],
    ['<provide-privacy>true</provide-privacy>', ['r:privacy']],
    ['<provide-relationship>true</provide-relationship>', ['r:relationship']],
    ['<provide-sphere>true</provide-sphere>', ['r:sphere']],
    ['<provide-status-icon>true</provide-status-icon>', ['r:status-icon']],
    ['<provide-time-offset>true</provide-time-offset>', ['r:time-offset']],
    ['<provide-note>true</provide-note>', ['tuple note', 'person note', 'device note', 'document note']],
    ['<provide-unknown-attribute ns="urn:example:x" name="shoe-size">true</provide-unknown-attribute>', ['shoe-size']],
    ['<provide-unknown-attribute ns="urn:example:x" name="im">true</provide-unknown-attribute>', ['x:im']],
  ];
  const unguarded = ['root extension', 'user-input'];

  it('without attribute permissions just what is always reported', () => {
    const seen = seenWith(ALL);
    for (const marker of always) expect(seen).toContain(marker);
    for (const [, markers] of guarded) for (const marker of markers) expect(seen).not.toContain(marker);
    for (const marker of unguarded) expect(seen).not.toContain(marker);
  });

  it.each(guarded)('%s shows that alone', (permission, markers) => {
    const seen = seenWith(ALL + permission);
    for (const marker of markers) expect(seen).toContain(marker);
    for (const [other, others] of guarded) if (other !== permission) for (const marker of others) expect(seen).not.toContain(marker);
    expect(seenWith(ALL + permission.replace('>true<', '>false<'))).toBe(seenWith(ALL));
  });

  it('provide-deviceID concerns the service; a device always tells its own', () => {
    expect(seenWith(ALL).split('urn:uuid:1')).toHaveLength(2);
    expect(seenWith(`${ALL}<provide-deviceID>true</provide-deviceID>`).split('urn:uuid:1')).toHaveLength(3);
  });

  it.each([
    ['false', undefined],
    ['bare', '<r:user-input>idle</r:user-input>'],
    ['thresholds', '<r:user-input idle-threshold="600">idle</r:user-input>'],
    ['full', '<r:user-input idle-threshold="600" last-input="2026-01-01T00:00:00Z">idle</r:user-input>'],
  ])('provide-user-input %s', (level, expected) => {
    const seen = seenWith(`${ALL}<provide-user-input>${level}</provide-user-input>`);
    if (expected === undefined) expect(seen).not.toContain('user-input');
    else expect(seen).toContain(expected);
  });

  it('provide-all-attributes shows everything of the components that are seen, byte for byte', () => {
    const { components } = parsePidf(DOCUMENT);
    const seen = seenWith(`${ALL}<provide-all-attributes/>`);
    for (const { text } of components) expect(seen).toContain(text);
    expect(seenWith('<provide-persons><all-persons/></provide-persons><provide-all-attributes/>')).not.toContain('tuple id');
  });
});
