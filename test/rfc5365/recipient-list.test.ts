import { describe, expect, it } from 'vitest';
import { parseRecipientList, writeRecipientHistory } from '../../schemas/recipient-list.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { joinMultipart, partField, splitMultipart } from '../../sip/message/multipart.ts';

const list = (entries: string) =>
  parseRecipientList(
    parseXml(
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:cp="urn:ietf:params:xml:ns:copycontrol"><list>${entries}</list></resource-lists>`,
    ),
  );

describe('RFC 5364 4: copy control', () => {
  it('is blind where an entry does not say', () => {
    expect(list('<entry uri="sip:a@example.com"/>')).toMatchObject([{ canonical: 'sip:a@example.com', level: 'bcc', anonymous: false }]);
  });

  it('takes the highest level of entries with one address, and sends one copy', () => {
    const recipients = list(
      '<entry uri="sip:a@example.com" cp:copyControl="bcc"/><entry uri="sip:a@EXAMPLE.com;x=y" cp:copyControl="cc"/>',
    );
    expect(recipients).toMatchObject([{ uri: 'sip:a@example.com', level: 'cc' }]);
  });

  it('refuses what it does not know', () => {
    expect(() => list('<entry uri="sip:a@example.com" cp:copyControl="fcc"/>')).toThrow(/copyControl/);
    expect(() => list('<entry uri="sip:a@example.com" cp:anonymize="maybe"/>')).toThrow(/anonymize/);
    expect(() => list('<entry/>')).toThrow(/uri/);
  });

  it("shows the example's recipients as the RFC does, and nobody of a blind list", () => {
    const recipients = list(`
      <entry uri="sip:bill@example.com" cp:copyControl="to" />
      <entry uri="sip:randy@example.net" cp:copyControl="to" cp:anonymize="true"/>
      <entry uri="sip:eddy@example.com" cp:copyControl="to" cp:anonymize="1"/>
      <entry uri="sip:joe@example.org?Subject=x" cp:copyControl="cc" />
      <entry uri="sip:carol@example.net" cp:copyControl="cc" cp:anonymize="true"/>
      <entry uri="sip:ted@example.net" cp:copyControl="bcc" />
      <entry uri="sip:andy@example.com" cp:copyControl="bcc" cp:anonymize="true"/>`);
    const entries = [...(writeRecipientHistory(recipients) ?? '').matchAll(/<entry ([^>]*)\/>/g)].map(([, attributes]) => attributes);
    expect(entries).toEqual([
      'uri="sip:bill@example.com" cp:copyControl="to"',
      'uri="sip:anonymous@anonymous.invalid" cp:copyControl="to" cp:count="2"',
      'uri="sip:joe@example.org" cp:copyControl="cc"',
      'uri="sip:anonymous@anonymous.invalid" cp:copyControl="cc" cp:count="1"',
    ]);
    expect(writeRecipientHistory(list('<entry uri="sip:a@example.com"/>'))).toBeUndefined();
  });
});

describe('RFC 2046 5.1: multipart bodies', () => {
  const type = (boundary: string) => ({ type: 'multipart/mixed', params: new Map([['boundary', boundary]]) });
  const split = (text: string, boundary = 'b') => splitMultipart(Buffer.from(text, 'latin1'), type(boundary));

  it('keeps every byte of a part, line ends and what looks like a delimiter too', () => {
    const content = '\r\n--bx\r\n text --b \xff\n\n';
    const parts = split(
      `preamble\r\n--b\r\nContent-Type: text/plain\r\nX: folded\r\n  more\r\n\r\n${content}\r\n--b  \r\n\r\nsecond\r\n--b--\r\nepilogue`,
    );
    expect(parts?.map((part) => part.content.toString('latin1'))).toEqual([content, 'second']);
    expect(parts?.[0] && partField(parts[0], 'x')).toBe('folded more');
    const joined = joinMultipart(parts ?? []);
    const again = splitMultipart(joined.body, type(joined.boundary));
    expect(again?.map((part) => part.content.toString('latin1'))).toEqual([content, 'second']);
  });

  it('understands a quoted boundary and an empty part', () => {
    expect(split('--a b\r\n\r\n\r\n--a b--', '"a b"')?.map(({ content }) => content.length)).toEqual([0]);
  });

  it('is undefined for what is cut off, or has no boundary', () => {
    expect(split('--b\r\n\r\ntext')).toBeUndefined();
    expect(split('text')).toBeUndefined();
    expect(splitMultipart(Buffer.from('--\r\n'), { type: 'multipart/mixed', params: new Map() })).toBeUndefined();
    expect(split(`${'--b\r\n\r\nx\r\n'.repeat(200)}--b--`)).toBeUndefined();
  });
});
