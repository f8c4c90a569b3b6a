import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { parseRlmi, RLMI, type Rlmi, writeRlmi } from '../../schemas/rlmi.ts';
import { parseWatcherinfo, WATCHERINFO, type Watcherinfo, writeWatcherinfo } from '../../schemas/watcherinfo.ts';
import { writeXcapCaps, XCAP_CAPS } from '../../schemas/xcap-caps.ts';
import { type ErrorCondition, writeXcapError, XCAP_ERROR } from '../../schemas/xcap-error.ts';
import { parseXml, XmlError } from '../../schemas/xml/parse.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';

/** What an independent reader makes of a document: attributes as `@name`, every element as a list. */
function read(text: string): unknown {
  return new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    ignoreDeclaration: true,
    parseTagValue: false,
    parseAttributeValue: false,
    trimValues: true,
    isArray: (_name, path, _leaf, isAttribute) => !isAttribute && String(path).includes('.'),
  }).parse(text);
}

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';
const NASTY = `<&>"' ]]> é\u{1f600}`;

describe('RFC 3858: watcherinfo', () => {
  const full: Watcherinfo = {
    version: 3,
    state: 'full',
    lists: [
      {
        resource: 'sip:professor@example.net',
        package: 'presence',
        watchers: [
          {
            id: '8ajksjda7s',
            uri: 'sip:a@example.net?x=1&y=2',
            displayName: NASTY,
            status: 'active',
            event: 'approved',
            expiration: 3600,
            durationSubscribed: 0,
          },
          {
            id: 'h9',
            uri: 'sip:b@example.org',
            displayName: undefined,
            status: 'pending',
            event: 'subscribe',
            expiration: undefined,
            durationSubscribed: undefined,
          },
        ],
      },
      { resource: 'sip:other@example.net', package: 'presence', watchers: [] },
    ],
  };

  it('reads back what it wrote, valid by the schema', () => {
    for (const value of [full, { version: 0, state: 'partial', lists: [] } as const]) {
      const text = writeWatcherinfo(value);
      expect(text.startsWith(DECLARATION)).toBe(true);
      expect(schemaViolations(WATCHERINFO, text)).toEqual([]);
      expect(parseWatcherinfo(parseXml(text))).toEqual(value);
    }
  });

  it('is read alike by an independent reader', () => {
    expect(read(writeWatcherinfo({ ...full, lists: full.lists.slice(0, 1) }))).toEqual({
      watcherinfo: {
        '@xmlns': WATCHERINFO,
        '@version': '3',
        '@state': 'full',
        'watcher-list': [
          {
            '@resource': 'sip:professor@example.net',
            '@package': 'presence',
            watcher: [
              {
                '#text': 'sip:a@example.net?x=1&y=2',
                '@id': '8ajksjda7s',
                '@status': 'active',
                '@event': 'approved',
                '@display-name': NASTY,
                '@expiration': '3600',
                '@duration-subscribed': '0',
              },
              { '#text': 'sip:b@example.org', '@id': 'h9', '@status': 'pending', '@event': 'subscribe' },
            ],
          },
        ],
      },
    });
  });

  it.each([
    ['<list/>', 'watcherinfo'],
    [`<watcherinfo xmlns="${WATCHERINFO}" state="full"/>`, 'version'],
    [`<watcherinfo xmlns="${WATCHERINFO}" version="x" state="full"/>`, '"x"'],
    [`<watcherinfo xmlns="${WATCHERINFO}" version="1" state="half"/>`, 'full, partial'],
    [`<watcherinfo xmlns="${WATCHERINFO}" version="1" state="full"><watcher-list package="presence"/></watcherinfo>`, 'resource'],
    [
      `<watcherinfo xmlns="${WATCHERINFO}" version="1" state="full"><watcher-list resource="sip:a@b" package="presence"><watcher id="a" status="gone" event="approved">sip:c@d</watcher></watcher-list></watcherinfo>`,
      'status',
    ],
  ])('does not take %s', (text, reason) => {
    expect(() => parseWatcherinfo(parseXml(text))).toThrow(XmlError);
    expect(() => parseWatcherinfo(parseXml(text))).toThrow(reason);
  });
});

describe('RFC 4662 5: rlmi', () => {
  const list: Rlmi = {
    uri: 'sip:friends@example.com',
    version: 7,
    fullState: true,
    names: [
      { text: 'Buddy List', lang: 'en' },
      { text: "Liste d'amis", lang: 'fr' },
    ],
    cid: 'all@example.com',
    resources: [
      {
        uri: 'sip:bob@example.com;x="&"',
        names: [{ text: NASTY, lang: undefined }],
        instances: [
          { id: 'j', state: 'active', reason: undefined, cid: '12345.aaa@example.com' },
          { id: NASTY, state: 'terminated', reason: 'rejected', cid: undefined },
        ],
      },
      { uri: 'sip:ed@example.com', names: [], instances: [{ id: 'g', state: 'pending', reason: undefined, cid: undefined }] },
      { uri: 'sip:unknown@example.com', names: [], instances: [] },
    ],
  };

  it('reads back what it wrote, valid by the schema', () => {
    for (const value of [list, { ...list, cid: undefined, fullState: false, version: 4294967295, names: [], resources: [] }]) {
      const text = writeRlmi(value);
      expect(text.startsWith(DECLARATION)).toBe(true);
      expect(schemaViolations(RLMI, text)).toEqual([]);
      expect(parseRlmi(parseXml(text))).toEqual(value);
    }
  });

  it('is read alike by an independent reader', () => {
    expect(read(writeRlmi(list))).toEqual({
      list: {
        '@xmlns': RLMI,
        '@uri': 'sip:friends@example.com',
        '@version': '7',
        '@fullState': 'true',
        '@cid': 'all@example.com',
        name: [
          { '#text': 'Buddy List', '@xml:lang': 'en' },
          { '#text': "Liste d'amis", '@xml:lang': 'fr' },
        ],
        resource: [
          {
            '@uri': 'sip:bob@example.com;x="&"',
            name: [NASTY],
            instance: [
              { '@id': 'j', '@state': 'active', '@cid': '12345.aaa@example.com' },
              { '@id': NASTY, '@state': 'terminated', '@reason': 'rejected' },
            ],
          },
          { '@uri': 'sip:ed@example.com', instance: [{ '@id': 'g', '@state': 'pending' }] },
          { '@uri': 'sip:unknown@example.com' },
        ],
      },
    });
  });

  it('takes 1 for true', () => {
    expect(parseRlmi(parseXml(`<list xmlns="${RLMI}" uri="sip:a@b" version="0" fullState="1"/>`)).fullState).toBe(true);
  });

  it.each([
    ['<list/>', 'root'],
    [`<list xmlns="${RLMI}" version="0" fullState="1"/>`, 'uri'],
    [`<list xmlns="${RLMI}" uri="sip:a@b" version="one" fullState="1"/>`, '"one"'],
    [
      `<list xmlns="${RLMI}" uri="sip:a@b" version="1" fullState="1"><resource uri="sip:c@d"><instance id="a" state="waiting"/></resource></list>`,
      '"waiting"',
    ],
  ])('does not take %s', (text, reason) => {
    expect(() => parseRlmi(parseXml(text))).toThrow(XmlError);
    expect(() => parseRlmi(parseXml(text))).toThrow(reason);
  });
});

describe('RFC 4825 11: xcap-error', () => {
  const simple = [
    'not-well-formed',
    'not-xml-frag',
    'schema-validation-error',
    'not-xml-att-value',
    'cannot-insert',
    'cannot-delete',
    'constraint-failure',
    'not-utf-8',
  ] as const;
  const cases: [ErrorCondition, unknown][] = [
    ...simple.map((kind): [ErrorCondition, unknown] => [{ kind }, { [kind]: [''] }]),
    ...simple.map((kind): [ErrorCondition, unknown] => [{ kind, phrase: NASTY }, { [kind]: [{ '@phrase': NASTY }] }]),
    [{ kind: 'no-parent' }, { 'no-parent': [''] }],
    [
      { kind: 'no-parent', phrase: 'p', ancestor: 'http://a.example/x?q=1&r=2/~~/y%5b1%5d' },
      { 'no-parent': [{ '@phrase': 'p', ancestor: ['http://a.example/x?q=1&r=2/~~/y%5b1%5d'] }] },
    ],
    [
      {
        kind: 'uniqueness-failure',
        phrase: 'taken',
        exists: [{ field: 'rls-services/service/@uri', altValues: ['sip:b@example.com', NASTY] }, { field: 'x/@y' }],
      },
      {
        'uniqueness-failure': [
          {
            '@phrase': 'taken',
            exists: [{ '@field': 'rls-services/service/@uri', 'alt-value': ['sip:b@example.com', NASTY] }, { '@field': 'x/@y' }],
          },
        ],
      },
    ],
    [
      { kind: 'extension', content: '<x:quota xmlns:x="urn:example:x">1</x:quota>' },
      { extension: [{ 'x:quota': [{ '@xmlns:x': 'urn:example:x', '#text': '1' }] }] },
    ],
  ];

  it.each(cases)('writes %j', (condition, content) => {
    const text = writeXcapError(condition);
    expect(text.startsWith(DECLARATION)).toBe(true);
    expect(schemaViolations(XCAP_ERROR, text)).toEqual([]);
    expect(read(text)).toEqual({ 'xcap-error': { '@xmlns': XCAP_ERROR, ...(content as object) } });
  });
});

describe('RFC 4825 12: xcap-caps', () => {
  it.each([
    { auids: ['xcap-caps', 'a&b'], extensions: ['<e>'], namespaces: [XCAP_CAPS, 'urn:a'] },
    { auids: [], extensions: [], namespaces: [] },
  ])('writes %j', (capabilities) => {
    const text = writeXcapCaps(capabilities);
    expect(text.startsWith(DECLARATION)).toBe(true);
    expect(schemaViolations(XCAP_CAPS, text)).toEqual([]);
    const { auids, extensions, namespaces } = capabilities;
    const section = (name: string, values: string[]) => [values.length === 0 ? '' : { [name]: values }];
    expect(read(text)).toEqual({
      'xcap-caps': {
        '@xmlns': XCAP_CAPS,
        auids: section('auid', auids),
        extensions: section('extension', extensions),
        namespaces: section('namespace', namespaces),
      },
    });
  });
});
