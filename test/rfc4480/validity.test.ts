import { describe, expect, it } from 'vitest';
import { parsePidf, writePidf } from '../../schemas/pidf.ts';
import { activitiesOf, compose } from '../../sip/presence/composition.ts';
import { readPidf } from '../helpers/pidf-reader.ts';

const BOB = 'sip:someone@example.com';
const person = (content: string) =>
  parsePidf(
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="pres:someone@example.com"><tuple id="t"><status><basic>open</basic></status><rpid:privacy until="2005-05-30T13:00:00Z"><rpid:text/></rpid:privacy></tuple><dm:person id="p1">${content}</dm:person></presence>`,
  );

/** As in the RFC's example: from noon to five. */
const MEETING =
  '<rpid:activities from="2005-05-30T12:00:00+05:00" until="2005-05-30T17:00:00+05:00"><rpid:note>Far away</rpid:note><rpid:away/></rpid:activities>';

function at(moment: string, ...documents: ReturnType<typeof person>[]) {
  const now = Date.parse(moment);
  const { components, changesAt } = compose(
    documents.map((document, i) => ({ document, publishedAt: now - i })),
    BOB,
    now,
  );
  const text = writePidf(BOB, components);
  readPidf(text);
  return { text, changesAt, activities: activitiesOf(components, now) };
}

describe('RFC 4480 3.1: from and until', () => {
  it('an element leaves when it is over, and the rest stays', () => {
    const document = person(`${MEETING}<rpid:mood><rpid:angry/></rpid:mood>`);
    const during = at('2005-05-30T11:59:59Z', document);
    expect(during.text).toContain(MEETING);
    expect(new Date(during.changesAt).toISOString()).toBe('2005-05-30T12:00:00.000Z');
    const after = at('2005-05-30T12:00:00Z', document);
    expect(after.text).not.toContain('Far away');
    expect(after.text).toContain('<rpid:angry/>');
    expect(new Date(after.changesAt).toISOString()).toBe('2005-05-30T13:00:00.000Z');
    const last = at('2005-05-30T13:00:00Z', document);
    expect(last.text).not.toContain('privacy');
    expect(last.changesAt).toBe(Number.POSITIVE_INFINITY);
  });

  it('what is to come is told, but is not so yet', () => {
    const { text, activities } = at('2005-05-30T06:59:59Z', person(MEETING));
    expect(text).toContain('Far away');
    expect(activities).toEqual([]);
    expect(at('2005-05-30T07:00:00Z', person(MEETING)).activities).toEqual(['away']);
  });

  it('elements of several publications stand side by side when their times do not overlap, and the newest alone when they do', () => {
    const evening = '<rpid:activities from="2005-05-30T18:00:00Z"><rpid:dinner/></rpid:activities>';
    const both = at('2005-05-30T11:00:00Z', person(evening), person(MEETING)).text;
    expect([both.includes('dinner'), both.includes('Far away')]).toEqual([true, true]);
    const lunch = '<rpid:activities><rpid:meal/></rpid:activities>';
    const one = at('2005-05-30T11:00:00Z', person(lunch), person(MEETING)).text;
    expect([one.includes('meal'), one.includes('Far away')]).toEqual([true, false]);
  });

  it.each(['until="yesterday"', 'until=""', 'from="2005-02-30T00:00:00Z"'])('%s is no time', (attribute) => {
    const document = person(`<rpid:mood ${attribute}><rpid:angry/></rpid:mood>`);
    expect(at('2005-05-30T20:00:00Z', document).text).toContain('angry');
  });
});
