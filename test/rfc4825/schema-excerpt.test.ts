import { describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { schemaExcerpt } from '../../xcap/schema-excerpt.ts';
import { isEntry } from '../../xcap/usages/list-constraints.ts';

const NS = 'urn:ietf:params:xml:ns:resource-lists';
const document = (content: string) => `<resource-lists xmlns="${NS}"><list>${content}</list></resource-lists>`;
const isValid = (text: string) => schemaViolations(NS, text).length === 0;
const excerpt = (text: string, part: string) => {
  const start = text.indexOf(part);
  return schemaExcerpt(parseXml(text), { start, end: start + part.length }, isEntry);
};

describe('what of an edited document is validated again (RFC 4825 8.2.5)', () => {
  test('one of each run of entries where none changed, else those that changed', () => {
    const content =
      '<entry uri="1"/> <entry uri="2"/> <!-- c --> <entry uri="3"/><list><entry uri="4"/>\n<entry uri="5"/></list><entry uri="6"/><entry uri="7"/>';
    expect(excerpt(document(content), '<entry uri="2"/>')).toBe(document('<entry uri="2"/><list><entry uri="4"/></list><entry uri="6"/>'));
    expect(excerpt(document(content), '<entry uri="1"/>')).toBe(document('<entry uri="1"/><list><entry uri="4"/></list><entry uri="6"/>'));
    expect(excerpt(document(content), '<entry uri="7"/>')).toBe(document('<entry uri="1"/><list><entry uri="4"/></list><entry uri="7"/>'));
    expect(excerpt(document(content), '<list><entry uri="4"/>\n<entry uri="5"/></list>')).toBe(
      document('<entry uri="1"/><list><entry uri="4"/>\n<entry uri="5"/></list><entry uri="6"/>'),
    );
  });

  test('elements of other kinds end a run', () => {
    const content = '<entry uri="1"/><entry-ref ref="r"/><entry uri="2"/><x xmlns="urn:x"/><entry uri="3"/><entry uri="4"/>';
    expect(excerpt(document(content), '<entry-ref ref="r"/>')).toBe(document(content.replace('<entry uri="4"/>', '')));
  });

  test('is valid exactly where the whole document is, whatever is put into or taken from a valid one', () => {
    const kinds = [
      '<display-name>d</display-name>',
      '<entry uri="e"/>',
      '<entry uri="e"><display-name/></entry>',
      '<list/>',
      '<entry-ref ref="r"/>',
      '<x xmlns="urn:x"/>',
    ];
    const wrong = [
      ...kinds,
      '<entry/>',
      '<entry uri="e" other=""/>',
      '<entry uri="e">text</entry>',
      '<other/>',
      '<list><entry/></list>',
      '<list><entry uri="e"/><entry uri="e"/></list>',
    ];
    let valid = 0;
    let invalid = 0;
    // All valid contents of up to four children, with runs of three entries in the place of one.
    for (let code = 0; code < 6 ** 4; code++) {
      const children = [0, 1, 2, 3].map((i) => kinds[Math.floor(code / 6 ** i) % 6] ?? '').map((c) => (c === kinds[1] ? c.repeat(3) : c));
      if (!isValid(document(children.join('')))) continue;
      for (let at = 0; at <= 4; at++) {
        for (const put of at % 2 === code % 2 ? wrong : ['']) {
          const before = document(children.slice(0, at).join('')).replace('</list></resource-lists>', '');
          const rest = put === '' ? children.slice(at + 1) : children.slice(at);
          const text = `${before}${put}${rest.join('')}</list></resource-lists>`;
          const part = schemaExcerpt(parseXml(text), { start: before.length, end: before.length + put.length }, isEntry);
          const expected = isValid(text);
          if (isValid(part) !== expected) expect.fail(`${text}\nis not judged as its excerpt\n${part}`);
          if (expected) valid++;
          else invalid++;
        }
      }
    }
    expect(Math.min(valid, invalid)).toBeGreaterThan(500);
  });
});
