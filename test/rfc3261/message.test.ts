import { describe, expect, it } from 'vitest';
import { FieldBlock, FieldNames, Headers } from '../../sip/message/headers.ts';
import { type SipMessage, SipRequest, SipResponse } from '../../sip/message/message.ts';
import { parseNameAddr, parseNameAddrList } from '../../sip/message/name-addr.ts';
import { parseMessage, SipParseError } from '../../sip/message/parse.ts';
import { responseTo } from '../../sip/message/response.ts';
import { SipError } from '../../sip/message/sip-error.ts';
import { StreamParser } from '../../sip/message/stream-parser.ts';
import { parseSipUri } from '../../sip/message/uri.ts';
import { sameUri } from '../../sip/message/uri-comparison.ts';
import { parseVia } from '../../sip/message/via.ts';

const crlf = (text: string): Buffer => Buffer.from(text.replace(/\n/g, '\r\n'));

const SUBSCRIBE = `SUBSCRIBE sip:bob@example.com SIP/2.0
v: SIP/2.0/UDP 192.0.2.1:5070 ;branch=z9hG4bK1;;rport, SIP/2.0/TCP far.example.net
Via: SIP/2.0/UDP third.example.net
f: "Al \\"the, cat\\" Ice" <sip:alice@example.com;lr?x=y>;TAG=a1;x
TO : sip:bob@example.com;tag=b2
i: call@here
CSeq: 1SUBSCRIBE
m: <sip:alice@192.0.2.1:5070;ob>;expires=60;+sip.instance="<urn:uuid:1>"
Contact: "a, b" <sip:c@d>,, <sip:e@f>
Subject: folded
  over
\tthree lines
c: Application/PIDF+XML; charset="a;b" ;X=y
l: 4

body`;

function parseRequest(bytes: Buffer): SipRequest {
  const message = parseMessage(bytes);
  if (!(message instanceof SipRequest)) throw new Error('a response');
  return message;
}

function failureOf(bytes: Buffer): SipParseError {
  try {
    parseMessage(bytes);
  } catch (error) {
    if (error instanceof SipParseError) return error;
    throw error;
  }
  throw new Error('was parsed');
}

describe('RFC 3261 7: messages', () => {
  const message = parseRequest(crlf(SUBSCRIBE));

  it('7.1: reads the request line and the body', () => {
    expect([message.method, message.uri, message.version]).toEqual(['SUBSCRIBE', 'sip:bob@example.com', 'SIP/2.0']);
    expect(message.body.toString()).toBe('body');
  });

  it('7.3.1, 7.3.3: finds fields without case, by compact form, folded and with white space before the colon', () => {
    expect(message.headers.get('VIA')).toContain('192.0.2.1:5070');
    expect(message.headers.all('Via')).toHaveLength(2);
    expect(message.headers.list('via')).toHaveLength(3);
    expect(message.headers.get('s')).toBe('folded over three lines');
    expect(message.headers.list('Contact').slice(1)).toEqual(['"a, b" <sip:c@d>', '<sip:e@f>']);
    expect(message.headers.has('Route')).toBe(false);
  });

  it('reads the fields every message has', () => {
    expect(message.callId).toBe('call@here');
    expect(message.cseq).toEqual({ sequence: 1, method: 'SUBSCRIBE' });
    expect(message.from.displayName).toBe('Al "the, cat" Ice');
    expect(message.from.uri).toBe('sip:alice@example.com;lr?x=y');
    expect(message.from.tag).toBe('a1');
    expect(message.to.uri).toBe('sip:bob@example.com');
    expect(message.to.tag).toBe('b2');
    expect(message.via.branch).toBe('z9hG4bK1');
    expect([...message.via.params.keys()]).toEqual(['branch', 'rport']);
    expect(message.contentType?.type).toBe('application/pidf+xml');
    expect(message.contentType?.params.get('charset')).toBe('"a;b"');
    expect(message.expires).toBeUndefined();
  });

  it('decodes UTF-8 where text is for people, and keeps the bytes otherwise', () => {
    const parsed = parseRequest(crlf(SUBSCRIBE.replace('Al ', 'Ål ')));
    expect(parsed.from.displayName).toBe('Ål "the, cat" Ice');
    expect(parsed.toBuffer().toString()).toContain('"Ål \\"the, cat\\" Ice"');
    expect(new SipResponse(200, 'Schön').toBuffer().toString()).toContain('SIP/2.0 200 Schön\r\n');
  });

  it('20.14: writes the right Content-Length, whatever it said', () => {
    const written = parseRequest(crlf(SUBSCRIBE));
    written.body = Buffer.from('längër');
    const text = written.toBuffer().toString();
    expect(text.match(/^(Content-Length|l):.*$/gim)).toEqual(['Content-Length: 8']);
    expect(parseRequest(written.toBuffer()).body.toString()).toBe('längër');
  });

  it('18.3: does without Content-Length in a datagram', () => {
    expect(parseRequest(crlf(SUBSCRIBE.replace('l: 4\n', ''))).body.toString()).toBe('body');
  });

  it('says what is wrong, and keeps what could be read', () => {
    expect(failureOf(crlf(SUBSCRIBE.replace('l: 4', 'l: 5'))).reason).toContain('shorter');
    expect(failureOf(crlf(SUBSCRIBE.replace('l: 4', 'l: -4'))).reason).toContain('Content-Length');
    expect(failureOf(crlf(SUBSCRIBE.replace('l: 4', 'l: 4\nContent-Length: 3'))).reason).toContain('Conflicting');
    const headless = failureOf(crlf(SUBSCRIBE.replace('Subject: folded', 'no colon in this')));
    expect(headless.status).toBe(400);
    expect(headless.partial?.callId).toBe('call@here');
    expect(failureOf(Buffer.from('')).partial).toBeUndefined();
    expect(failureOf(Buffer.from('a b c\r\n\r\n')).reason).toContain('request line');
  });

  it.each([
    ['From', 'From: <sip:a@b', (m: SipMessage) => m.from],
    ['CSeq', 'CSeq: x SUBSCRIBE', (m: SipMessage) => m.cseq],
    ['CSeq', 'CSeq: 2147483648 SUBSCRIBE', (m: SipMessage) => m.cseq],
    ['Via', 'Via: SIP/2.0/UDP', (m: SipMessage) => m.via],
    ['Via', 'Via: SIP/2.0/UDP host:99999', (m: SipMessage) => m.via],
    ['Call-ID', 'Call-ID:', (m: SipMessage) => m.callId],
    ['Expires', 'Expires: soon', (m: SipMessage) => m.expires],
    ['Content-Type', 'Content-Type: pidf', (m: SipMessage) => m.contentType],
  ])('throws 400 for a bad %s (%s)', (_, line, read) => {
    const bad = parseRequest(Buffer.from(`OPTIONS sip:x SIP/2.0\r\n${line}\r\n\r\n`));
    expect(() => read(bad)).toThrow(SipError);
    expect(() => read(bad)).toThrow(/^400 /);
  });

  it('a value can never end its line', () => {
    const headers = new Headers();
    headers.add('Subject', 'one\r\nEvil: yes\n\rtwo');
    expect(headers.format()).toBe('Subject: one Evil: yes two\r\n');
    const bare = parseRequest(Buffer.from('OPTIONS sip:x SIP/2.0\r\nSubject: a\rEvil: b\r\nCall-ID: 1\r\n\r\n'));
    expect(bare.headers.format()).toBe('Subject: a Evil: b\r\nCall-ID: 1\r\n');
  });

  it('changes lists of fields in place', () => {
    const { headers } = parseRequest(crlf(SUBSCRIBE));
    headers.set('via', 'SIP/2.0/UDP only');
    headers.addFirst('Via', 'SIP/2.0/UDP first');
    headers.setFirst('Contact', '<sip:new>');
    headers.delete('Subject');
    headers.add('X', '1');
    expect(headers.all('Via')).toEqual(['SIP/2.0/UDP first', 'SIP/2.0/UDP only']);
    expect(headers.all('m')).toEqual(['<sip:new>', '"a, b" <sip:c@d>,, <sip:e@f>']);
    expect([...headers].map(([name]) => name)).toEqual('Via v f TO i CSeq m Contact c l X'.split(' '));
    headers.deleteFirst('Via');
    expect(headers.get('Via')).toBe('SIP/2.0/UDP only');
    expect(headers.size).toBe(10);
  });

  it('a block of fields is like any others', () => {
    const block = new FieldBlock(new FieldNames(['From', 'Call-ID']), ['a', 'b']);
    const headers = Headers.withBlock(block);
    headers.addFirst('Via', 'v');
    expect(headers.format()).toBe('Via: v\r\nFrom: a\r\nCall-ID: b\r\n');
    expect(headers.size).toBe(3);
    headers.set('f', 'c');
    expect(headers.format()).toBe('Via: v\r\nFrom: c\r\nCall-ID: b\r\n');
    expect(Headers.withBlock(block).get('i')).toBe('b');
  });
});

describe('RFC 3261 7.5, 18.3: streams', () => {
  it('gives the same messages however the bytes are cut', () => {
    const bytes = Buffer.concat([
      crlf('\n\n'),
      crlf(SUBSCRIBE),
      crlf('\n'),
      crlf(SUBSCRIBE.replace('l: 4\n\nbody', 'l: 0\n\n')),
      crlf('\n\n'),
    ]);
    for (let size = 1; size <= bytes.length; size += size < 20 ? 1 : 37) {
      const seen: string[] = [];
      const parser = new StreamParser(1000, {
        onMessage: (message) => seen.push(`${message.callId} ${message.body}`),
        onPing: () => seen.push('ping'),
        onError: (error) => seen.push(error.reason),
      });
      for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
      expect(seen).toEqual(['ping', 'call@here body', 'call@here ', 'ping']);
      expect(parser.inMessage).toBe(false);
    }
  });

  it('goes on behind a message that is bad in itself', () => {
    const seen: string[] = [];
    const parser = new StreamParser(1000, {
      onMessage: (message) => seen.push(message.callId),
      onPing: () => seen.push('ping'),
      onError: (error, fatal) => seen.push(`${error.reason} ${fatal}`),
    });
    parser.push(Buffer.concat([crlf(SUBSCRIBE.replace('Subject: folded', 'bad')), crlf(SUBSCRIBE)]));
    expect(seen).toEqual([expect.stringMatching(/^Header line .* false$/), 'call@here']);
  });
});

describe('RFC 3261 19.1: URIs', () => {
  it.each([
    'sip:alice@example.com',
    'sip:alice:secret@example.com;transport=tcp?priority=urgent&to=x',
    'sips:example.com:5061',
    'sip:[2001:db8::1]:5060;lr',
    'sip:a;b=c@example.com;maddr=1.2.3.4',
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    'sip:%61lice@example.com',
  ])('19.1.1: reads and writes %s', (text) => expect(parseSipUri(text).toString()).toBe(text));

  it.each(['sip:', 'sip:@host', 'sip:a b@host', 'sip:a@', 'sip:a@host:0', 'sip:a@host:x', 'sip:[::1', '<sip:a@b>', 'alice'])(
    '400 for %s',
    (text) => {
      expect(() => parseSipUri(text)).toThrow(/^400 /);
    },
  );

  it('416 for another scheme', () => expect(() => parseSipUri('tel:+1234')).toThrow(/^416 /));

  it('19.1.4: compares', () => {
    expect(sameUri('sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp')).toBe(true);
    expect(sameUri('sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5')).toBe(true);
    expect(sameUri('sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5')).toBe(true);
    expect(sameUri('sip:b@x;method=REGISTER?a=1&b=2', 'sip:b@x?b=2&a=1;method=REGISTER')).toBe(false);
    expect(sameUri('sip:b@x?a=1&b=2', 'sip:b@x?b=2&a=1')).toBe(true);
    expect(sameUri('SIP:ALICE@AtLanTa.CoM', 'sip:alice@AtLanTa.CoM')).toBe(false);
    expect(sameUri('sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060')).toBe(false);
    expect(sameUri('sip:bob@biloxi.com;maddr=1.2.3.4', 'sip:bob@biloxi.com')).toBe(false);
    expect(sameUri('sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off')).toBe(false);
  });
});

describe('RFC 3261 20.10: addresses', () => {
  it('gives parameters to the header field where there are no angle brackets', () => {
    const bare = parseNameAddr('sip:a@b;tag=1;x');
    expect([bare.uri, bare.tag, bare.params.has('x')]).toEqual(['sip:a@b', '1', true]);
    expect(bare.toString()).toBe('<sip:a@b>;tag=1;x');
  });

  it('reads display names with everything in them', () => {
    expect(parseNameAddr('Mr. Watson <sip:w@b>').displayName).toBe('Mr. Watson');
    expect(parseNameAddr('"<sip:no@b>, \\"x\\"" <sip:w@b>').uri).toBe('sip:w@b');
    expect(parseNameAddrList('"a, b" <sip:c@d>;q=1, sip:e@f').map(({ uri }) => uri)).toEqual(['sip:c@d', 'sip:e@f']);
  });

  it.each(['', '<>', '<sip:a@b', 'x', '"a <sip:b@c>', '<sip:a@b> x', 'sip:a b'])('400 for %j', (text) => {
    expect(() => parseNameAddr(text)).toThrow(/^400 /);
  });

  it('20.42: reads Via', () => {
    const via = parseVia('SIP / 2.0 / TCP [2001:db8::1]:5061 ;branch=z9hG4bKx;received=1.2.3.4');
    expect([via.transport, via.host, via.port, via.branch]).toEqual(['TCP', '[2001:db8::1]', 5061, 'z9hG4bKx']);
  });
});

describe('RFC 3261 8.2.6: the copied fields', () => {
  it('writes the CSeq that came without its space correctly', () => {
    expect(responseTo(parseRequest(crlf(SUBSCRIBE)), 200).headers.get('CSeq')).toBe('1 SUBSCRIBE');
  });

  it('copies no empty parameters', () => {
    const fields = 'Via: SIP/2.0/UDP a;;branch=1; ,SIP/2.0/UDP b;\nFrom: "a;;b" <sip:a>;;tag=1;\nTo: <sip:b>; ;tag=2';
    const response = responseTo(parseRequest(crlf(`OPTIONS sip:x SIP/2.0\n${fields}\n\n`)), 400);
    expect(response.headers.format()).toBe(
      'Via: SIP/2.0/UDP a;branch=1,SIP/2.0/UDP b\r\nFrom: "a;;b" <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n',
    );
  });

  it('copies what a bad request has', () => {
    const response = responseTo(parseRequest(crlf('OPTIONS sip:x SIP/2.0\nVia: broken\nTo: <sip:a\n\n')), 400);
    expect(response.headers.format()).toBe('Via: broken\r\nTo: <sip:a\r\n');
  });
});
