import { XMLParser } from 'fast-xml-parser';
import { describe, expect, it } from 'vitest';
import { escapeAttribute, escapeText } from '../../schemas/xml/escape.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { attribute, textContent } from '../../schemas/xml/tree.ts';

const SAMPLES = [
  '',
  'plain',
  'a & b < c > d ]]> "e" \'f\'',
  '&amp; stays as written',
  'tab\tline\nreturn\rboth\r\n end ',
  '  spaces  at both ends  ',
  'Grüße, 日本語, \u{1f600}',
];

describe('XML 1.0 2.4: escaping', () => {
  it.each(SAMPLES)('gives back %j as text and as attribute', (sample) => {
    const { root } = parseXml(`<a b="${escapeAttribute(sample)}">${escapeText(sample)}</a>`);
    expect(textContent(root)).toBe(sample);
    expect(attribute(root, 'b')).toBe(sample);
  });

  it('is read alike by an independent reader', () => {
    const sample = 'a & b < c > "d"';
    const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '@' });
    expect(parser.parse(`<a b="${escapeAttribute(sample)}">${escapeText(sample)}</a>`)).toEqual({ a: { '@b': sample, '#text': sample } });
  });

  it('XML 1.0 2.2: replaces what no document may hold', () => {
    const forbidden = ['\0', '\x08', '\x0b', '\x1f', '\ufffe', '\uffff', '\ud800', '\udc00'];
    for (const character of forbidden) {
      expect(escapeText(`a${character}b`)).toBe('a\ufffdb');
      expect(escapeAttribute(`a${character}b`)).toBe('a\ufffdb');
      parseXml(`<a b="${escapeAttribute(character)}">${escapeText(character)}</a>`);
    }
  });
});
