import { describe, expect, it } from 'vitest';
import { COMMON_POLICY, type Condition, parseRuleset } from '../../schemas/common-policy.ts';
import { parseDateTime } from '../../schemas/date-time.ts';
import { canonicalDomain } from '../../schemas/domain.ts';
import { parseXml, XmlError } from '../../schemas/xml/parse.ts';

function conditions(content: string): readonly Condition[] {
  const text = `<cp:ruleset xmlns:cp="${COMMON_POLICY}" xmlns="${COMMON_POLICY}" xmlns:x="urn:example:x"><rule id="a"><conditions>${content}</conditions></rule></cp:ruleset>`;
  return parseRuleset(parseXml(text)).rules[0]?.conditions ?? [];
}

function members(content: string) {
  const [condition] = conditions(`<identity>${content}</identity>`);
  return condition?.kind === 'identity' ? condition.members : undefined;
}

describe('RFC 4745 6: rulesets', () => {
  it('gives rules in document order, with their parts', () => {
    const { rules } = parseRuleset(
      parseXml(`<ruleset xmlns="${COMMON_POLICY}" xmlns:x="urn:example:x">
        <rule id="one"><conditions><sphere value="work"/></conditions><actions><x:do/></actions><transformations><x:cut/><x:trim/></transformations></rule>
        <rule id="two"/>
      </ruleset>`),
    );
    expect(rules.map(({ id }) => id)).toEqual(['one', 'two']);
    expect(rules[0]?.actions.map(({ local }) => local)).toEqual(['do']);
    expect(rules[0]?.transformations.map(({ local }) => local)).toEqual(['cut', 'trim']);
    expect(rules[1]).toEqual({ id: 'two', conditions: [], actions: [], transformations: [] });
  });

  it('is about no other document', () => {
    expect(() => parseRuleset(parseXml('<ruleset/>'))).toThrow(XmlError);
    expect(() => parseRuleset(parseXml(`<rule xmlns="${COMMON_POLICY}"/>`))).toThrow(XmlError);
  });
});

describe('RFC 4745 7.1: identity', () => {
  it('one: the address as written and in canonical form', () => {
    expect(members('<one id="pres:Alice@EXAMPLE.com"/><one id="tel:+1-212-555-1234"/><one id="mailto:bob@example.net"/>')).toEqual([
      { kind: 'one', id: 'pres:Alice@EXAMPLE.com', canonical: 'sip:Alice@example.com' },
      { kind: 'one', id: 'tel:+1-212-555-1234', canonical: 'tel:+12125551234' },
      { kind: 'one', id: 'mailto:bob@example.net', canonical: 'mailto:bob@example.net' },
    ]);
  });

  it('many: of any domain, or of one', () => {
    expect(members('<many/><many domain="EXAMPLE.com."/>')).toEqual([
      { kind: 'many', except: [] },
      { kind: 'many', domain: 'example.com', except: [] },
    ]);
  });

  it('7.1.3.2: except by domain and by address', () => {
    expect(members('<many><except domain="Example.ORG"/><except id="sip:bob@Good.example.net:5060"/></many>')).toEqual([
      { kind: 'many', except: [{ domain: 'example.org' }, { id: 'sip:bob@good.example.net' }] },
    ]);
  });

  it('an exception with both leaves out both', () => {
    expect(members('<many><except id="sip:a@b.example" domain="c.example"/></many>')).toEqual([
      { kind: 'many', except: [{ id: 'sip:a@b.example' }, { domain: 'c.example' }] },
    ]);
  });

  it('7.1.3: domains in their ASCII form; one without such a form equals none', () => {
    expect(members('<many domain="Bücher.example"/><many domain="b%C3%BCcher.example"/><many domain="xn--bcher-kva.EXAMPLE"/>')).toEqual(
      Array(3).fill({ kind: 'many', domain: 'xn--bcher-kva.example', except: [] }),
    );
    const unknown = { kind: 'unknown', name: 'many', namespace: COMMON_POLICY };
    expect(members('<many domain="a b"/><many domain=""/><many domain="%zz.example"/>')).toEqual([unknown, unknown, unknown]);
  });

  it('7.1.1: what is not understood matches nobody, nor does a group that it may restrict', () => {
    expect(members('<x:friends/><one id="sip:a@b.example"><x:only-mondays/></one><many><x:except-friends/></many><some/>')).toEqual([
      { kind: 'unknown', name: 'friends', namespace: 'urn:example:x' },
      { kind: 'unknown', name: 'one', namespace: COMMON_POLICY },
      { kind: 'unknown', name: 'many', namespace: COMMON_POLICY },
      { kind: 'unknown', name: 'some', namespace: COMMON_POLICY },
    ]);
  });

  it('an empty identity has no members (RFC 5025 3.1.1.2)', () => {
    expect(members('')).toEqual([]);
  });
});

describe('RFC 4745 7.3, 7.4, 10: other conditions', () => {
  it('sphere: tokens without regard to case', () => {
    expect(conditions('<sphere value=" Home  work"/><sphere value=""/>')).toEqual([
      { kind: 'sphere', value: ' Home  work', tokens: ['home', 'work'] },
      { kind: 'sphere', value: '', tokens: [] },
    ]);
  });

  it('validity: pairs of times', () => {
    const pair = (from: string, until: string) => `<from>${from}</from> <until>${until}</until>`;
    expect(
      conditions(
        `<validity>${pair('2003-12-24T17:00:00+01:00', ' 2003-12-24T19:00:00+01:00\n')}${pair('2003-08-15T10:20:00.250-05:00', '2003-09-15T10:20:00Z')}</validity>`,
      ),
    ).toEqual([
      {
        kind: 'validity',
        intervals: [
          { from: Date.UTC(2003, 11, 24, 16), until: Date.UTC(2003, 11, 24, 18) },
          { from: Date.UTC(2003, 7, 15, 15, 20, 0, 250), until: Date.UTC(2003, 8, 15, 10, 20) },
        ],
      },
    ]);
  });

  it('validity: a broken pair holds at no time', () => {
    const at = '2003-12-24T17:00:00Z';
    for (const content of [`<from>${at}</from>`, `<until>${at}</until>`, `<from>soon</from><until>${at}</until>`, '']) {
      expect(conditions(`<validity>${content}</validity>`)).toEqual([{ kind: 'validity', intervals: [] }]);
    }
  });

  it("reads OMA's conditions", () => {
    const content =
      '<o:other-identity xmlns:o="urn:oma:xml:xdm:common-policy"/><o:external-list xmlns:o="urn:oma:xml:xdm:common-policy"><o:entry anc="http://a/b"/><entry anc="no"/><o:entry anc="http://c"/></o:external-list>';
    expect(conditions(content)).toEqual([{ kind: 'other-identity' }, { kind: 'external-list', anchors: ['http://a/b', 'http://c'] }]);
  });

  it('keeps what is not understood, so that the rule cannot match', () => {
    expect(conditions('<x:weather is="fine"/><sphere value="a"/>')).toEqual([
      { kind: 'unknown', name: 'weather', namespace: 'urn:example:x' },
      { kind: 'sphere', value: 'a', tokens: ['a'] },
    ]);
    expect(conditions('<anonymous-request xmlns="urn:oma:xml:xdm:common-policy"/>')).toEqual([{ kind: 'anonymous-request' }]);
  });
});

describe('XML Schema 2, 3.2.7: dateTime', () => {
  it.each([
    ['2026-01-31T12:00:00Z', Date.UTC(2026, 0, 31, 12)],
    ['2026-01-31T12:00:00', Date.UTC(2026, 0, 31, 12)],
    ['2024-02-29T23:59:59.9999+14:00', Date.UTC(2024, 1, 29, 9, 59, 59, 999)],
    ['2026-01-31T24:00:00Z', Date.UTC(2026, 1, 1)],
    ['0050-01-01T00:00:00Z', Date.parse('0050-01-01T00:00:00Z')],
    ['-0001-01-01T00:00:00Z', Date.parse('-000001-01-01T00:00:00Z')],
  ])('%s', (text, time) => expect(parseDateTime(text)).toBe(time));

  it.each([
    '',
    'now',
    '2026-01-31',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-01T24:00:01Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:60Z',
    '2026-01-01T00:00:00+14:01',
    '2026-01-01 00:00:00Z',
    '2026-01-01T00:00Z',
    '999999-12-31T00:00:00Z',
  ])('refuses %j', (text) => expect(parseDateTime(text)).toBeUndefined());
});

describe('RFC 4745 7.1.3: domains', () => {
  it.each([
    ['EXAMPLE.com', 'example.com'],
    ['example.com.', 'example.com'],
    ['192.0.2.1', '192.0.2.1'],
    ['[2001:db8::1]', '[2001:db8::1]'],
    ['straße.example', 'xn--strae-oqa.example'],
  ])('%s', (written, canonical) => expect(canonicalDomain(written)).toBe(canonical));
});
