import { describe, expect, test } from 'vitest';
import { ContentFilter } from '../../schemas/filter/content.ts';
import type { Choice } from '../../schemas/filter/filter-set.ts';
import { FilteredDocument } from '../../schemas/filter/filtered-document.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import { readXml, type XmlElement } from '../helpers/xml-reader.ts';

const PIDF = 'urn:ietf:params:xml:ns:pidf';
const RPID = 'urn:ietf:params:xml:ns:pidf:rpid';
const DM = 'urn:ietf:params:xml:ns:pidf:data-model';
const BINDINGS = { pidf: PIDF, rpid: RPID, dm: DM, x: 'urn:x' };

const DOCUMENT = `<?xml version="1.0"?>
<presence xmlns="${PIDF}" xmlns:r="${RPID}" xmlns:dm="${DM}" xmlns:x="urn:x" entity="sip:a@b.c">
  <tuple id="t1"><status><basic>open</basic><x:im>busy &amp; away</x:im></status><dm:deviceID>urn:1</dm:deviceID><r:class>IM</r:class><contact priority="0.5">sip:a@b.c</contact><note xml:lang="en">one &lt; two</note><timestamp>2020-01-01T00:00:00Z</timestamp></tuple>
  <tuple id="t2"><status><basic>closed</basic></status><contact>tel:1</contact></tuple>
  <note>all</note>
  <dm:person id="p1"><r:activities><r:note>out</r:note><r:away/><r:meal/></r:activities></dm:person>
  <dm:device id="d1"><dm:deviceID>urn:1</dm:deviceID><dm:note>dev</dm:note></dm:device>
</presence>`;

const xpath = (value: string): Choice => ({ type: 'xpath', value });
const namespace = (value: string): Choice => ({ type: 'namespace', value });

/** What is left of the document: valid in any case, by the schema and by another reader. */
function left(include: readonly Choice[], exclude: readonly Choice[] = []): string | undefined {
  const { text, isEmpty } = new ContentFilter({ include, exclude }, BINDINGS).apply(new FilteredDocument(DOCUMENT));
  expect(schemaViolations(PIDF, text)).toEqual([]);
  readPidf(text);
  return isEmpty ? undefined : outline(readXml(text));
}

/** An element as `name@attribute{children}`, or `name=text`. */
function outline({ name, attributes, children, text }: XmlElement): string {
  const names = [...attributes.keys()]
    .filter((key) => !/^(?:xmlns|\{?http:\/\/www.w3.org\/2000)/.test(key))
    .map((key) => `@${key.replace(/^.*[} ]/, '')}`);
  const inner = children.length > 0 ? `{${children.map(outline).join(' ')}}` : text.trim() === '' ? '' : `=${text.trim()}`;
  return `${name}${names.join('')}${inner}`;
}

const T2 = 'tuple@id{status{basic=closed} contact=tel:1}';

describe('RFC 4661 3.5: what is left', () => {
  test('an element with all in it, and its ancestors with what they must have', () => {
    expect(left([xpath('//pidf:basic')])).toBe('presence@entity{tuple@id{status{basic=open}} tuple@id{status{basic=closed}}}');
    expect(left([xpath('//pidf:tuple[@id="t2"]')])).toBe(`presence@entity{${T2}}`);
    expect(left([xpath('/pidf:presence/pidf:note')])).toBe('presence@entity{note=all}');
  });

  test('includes add up', () => {
    expect(left([xpath('//pidf:tuple[@id="t2"]'), xpath('//rpid:away')])).toBe(`presence@entity{${T2} person@id{activities{away}}}`);
  });

  test('mandatory elements come with their values (RFC 4660 5.3.1)', () => {
    expect(left([xpath('//pidf:contact[.="tel:1"]')])).toBe(`presence@entity{${T2}}`);
    expect(left([xpath('//dm:note')])).toBe('presence@entity{device@id{deviceID=urn:1 note=dev}}');
  });

  test('an attribute brings its element, without the optional ones', () => {
    expect(left([xpath('//pidf:contact/@priority')])).toContain('contact@priority=sip:a@b.c}');
    expect(left([xpath('//pidf:contact[.="sip:a@b.c"]')])).toContain('contact@priority=sip:a@b.c}');
    expect(left([xpath('//pidf:tuple/@id')])).toBe(
      'presence@entity{tuple@id{status{basic=open im=busy & away}} tuple@id{status{basic=closed}}}',
    );
  });

  test('namespaces', () => {
    const pidf = left([namespace(PIDF)]);
    expect(pidf).toBe(
      'presence@entity{tuple@id{status{basic=open} contact@priority=sip:a@b.c note@lang=one < two timestamp=2020-01-01T00:00:00Z} ' +
        `${T2} note=all}`,
    );
    expect(left([namespace(PIDF)], [xpath('//pidf:note'), xpath('//pidf:contact/@priority')])).toBe(
      `presence@entity{tuple@id{status{basic=open} contact=sip:a@b.c timestamp=2020-01-01T00:00:00Z} ${T2}}`,
    );
    expect(left([xpath('/*')], [namespace(RPID), namespace('urn:x')])).not.toMatch(/im=|class|activities/);
    expect(left([namespace('urn:unknown')])).toBeUndefined();
  });

  test('3.5.2: exceptions take what is below them too, but nothing that is mandatory', () => {
    expect(left([xpath('//pidf:tuple')], [xpath('//pidf:tuple[@id="t1"]')])).toBe(`presence@entity{${T2}}`);
    expect(left([xpath('//pidf:tuple')], [xpath('//pidf:status'), xpath('//pidf:tuple/@id'), xpath('//pidf:tuple[@id="t1"]')])).toBe(
      `presence@entity{${T2}}`,
    );
    // Alone they are exceptions to the whole.
    const all = left([], [xpath('//pidf:tuple'), xpath('//dm:person'), xpath('//dm:device')]);
    expect(all).toBe('presence@entity{note=all}');
  });

  test('3.5.2: an exception that would leave something invalid is undone; what is invalid in parts is given as a whole', () => {
    const CAPS = 'urn:ietf:params:xml:ns:pidf:caps';
    const source = `<presence xmlns="${PIDF}" entity="sip:a@b.c"><tuple id="t"><status/><c:servcaps xmlns:c="${CAPS}"><c:languages><c:supported><c:l>en</c:l></c:supported></c:languages></c:servcaps></tuple></presence>`;
    const document = new FilteredDocument(source);
    expect(schemaViolations(PIDF, source)).toEqual([]);
    expect(schemaViolations(PIDF, source.replace('<c:l>en</c:l>', ''))).not.toEqual([]);
    const bindings = { pidf: PIDF, c: CAPS };
    const excluding = new ContentFilter({ include: [xpath('//pidf:tuple')], exclude: [xpath('//c:l')] }, bindings);
    expect(outline(readXml(excluding.apply(document).text))).toBe('presence@entity{tuple@id{status servcaps{languages{supported{l=en}}}}}');
    const within = new ContentFilter({ include: [xpath('//c:languages/@x'), xpath('//pidf:status')], exclude: [] }, bindings);
    expect(outline(readXml(within.apply(document).text))).toBe('presence@entity{tuple@id{status}}');
  });

  test('nothing', () => {
    expect(left([xpath('//pidf:tuple[@id="t3"]')])).toBeUndefined();
    expect(left([xpath('//pidf:note')], [namespace(PIDF)])).toBeUndefined();
    expect(left([xpath('/presence')])).toBeUndefined();
  });

  test('text and attributes are written as XML again', () => {
    const { text } = new ContentFilter({ include: [xpath('/*')], exclude: [] }, BINDINGS).apply(new FilteredDocument(DOCUMENT));
    expect(outline(readXml(text))).toBe(outline(readXml(DOCUMENT)));
  });
});
