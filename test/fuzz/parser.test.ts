import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type SipMessage, SipRequest } from '../../sip/message/message.ts';
import { parseNameAddr, parseNameAddrList } from '../../sip/message/name-addr.ts';
import { parseMessage, SipParseError } from '../../sip/message/parse.ts';
import { responseTo } from '../../sip/message/response.ts';
import { SipError } from '../../sip/message/sip-error.ts';
import { StreamParser } from '../../sip/message/stream-parser.ts';
import { parseSipUri } from '../../sip/message/uri.ts';
import { sameUri } from '../../sip/message/uri-comparison.ts';
import { generator } from './random.ts';

/** All messages of RFC 4475 and RFC 5118. */
const CORPUS: readonly Buffer[] = ['rfc4475', 'rfc5118'].flatMap((folder) => {
  const path = join(import.meta.dirname, '../fixtures', folder);
  return readdirSync(path).map((name) => readFileSync(join(path, name)));
});

const PIECES = [
  ...['\r\n', '\n', '\r', '\r\n\r\n', '\r\n ', '\t', '\0', ' ', ';', ',', ':', '"', '\\', '<', '>', '=', '%', '@', '?', '[', ']', '::'],
  ...[
    'sip:',
    'sips:a@[::1]',
    'SIP/2.0',
    'z9hG4bK',
    ';tag=',
    ';received=',
    ';branch=',
    'Content-Length: 3\r\n',
    'l:0\r\n',
    'v: SIP/2.0/UDP a\r\n',
  ],
  ...['99999999999999999999', '-1', '\xff', '\xc3\xa4', '\xe2\x80\xae', 'To: <sip:a@b>\r\n', 'Via:\r\n', ':\r\n', ' x\r\n'],
];

function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  let text = bytes.toString('latin1');
  for (let i = random(5); i >= 0; i--) {
    const at = random(text.length + 1);
    const length = random(4) === 0 ? random(60) : random(3);
    const copied = text.slice(random(text.length), random(text.length));
    const piece = random(6) === 0 ? copied : (PIECES[random(PIECES.length)] ?? '');
    text = text.slice(0, at) + piece + text.slice(at + length);
  }
  return Buffer.from(text, 'latin1');
}

/** Does the work, and passes over the errors that a bad message may have. */
function tolerant(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SipError)) throw error;
    expect(error.status).toBeGreaterThanOrEqual(400);
    expect(error.reason).not.toMatch(/[\r\n]/);
  }
}

/** Reads everything of a message that anything in the stack reads. */
function readAll(message: SipMessage): void {
  const { headers } = message;
  for (const read of ['callId', 'via', 'cseq', 'from', 'to', 'expires', 'contentType'] as const) tolerant(() => message[read]);
  for (const name of ['Contact', 'Route', 'Record-Route', 'Path']) {
    for (const value of headers.list(name)) {
      tolerant(() => {
        const { uri } = parseNameAddr(value);
        const written = parseSipUri(uri).toString();
        expect(parseSipUri(written).toString()).toBe(written);
        expect(sameUri(uri, uri)).toBe(true);
      });
    }
    tolerant(() => parseNameAddrList(headers.get(name) ?? ''));
  }
  if (!(message instanceof SipRequest)) return;
  const response = responseTo(message, 400).toBuffer().toString('latin1');
  // A response has one empty line, at its end: nothing of the request can end its header.
  expect(response.indexOf('\r\n\r\n')).toBe(response.length - 4);
  expect(response.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
}

describe('mutated messages of RFC 4475 and RFC 5118', () => {
  it.each([1, 2, 3, 4])('are read or refused with a reason, and what is read means the same when it is written (seed %i)', (seed) => {
    const random = generator(seed);
    let read = 0;
    for (let n = 0; n < 4000; n++) {
      const bytes = mutate(CORPUS[random(CORPUS.length)] ?? Buffer.alloc(0), random);
      tolerant(() => {
        let message: SipMessage;
        try {
          message = parseMessage(bytes);
        } catch (error) {
          if (error instanceof SipParseError && error.partial !== undefined) readAll(error.partial);
          throw error;
        }
        readAll(message);
        read++;
        const again = parseMessage(message.toBuffer());
        const fields = (one: SipMessage): string[] =>
          [...one.headers].filter(([name]) => !/^(?:l|content-length)$/i.test(name)).map(String);
        expect(fields(again)).toEqual(fields(message));
        expect(again.body.equals(message.body)).toBe(true);
      });
    }
    expect(read).toBeGreaterThan(800);
  });
});

/** What a stream is taken for, with its pieces as they are cut. */
function readStream(pieces: Iterable<Buffer>): string[] {
  const seen: string[] = [];
  const parser = new StreamParser(10_000, {
    onMessage: (message) => seen.push(message.toBuffer().toString('latin1')),
    onPing: () => seen.push('ping'),
    onError: (error, fatal) => seen.push(`${error.status} ${error.reason} ${fatal}`),
  });
  for (const piece of pieces) parser.push(Buffer.from(piece));
  return seen;
}

describe('RFC 3261 18.3: streams of mutated messages', () => {
  it.each([11, 12, 13])('mean the same however they are cut (seed %i)', (seed) => {
    const random = generator(seed);
    for (let n = 0; n < 250; n++) {
      const messages = Array.from({ length: 1 + random(4) }, () => {
        const message = CORPUS[random(CORPUS.length)] ?? Buffer.alloc(0);
        return random(2) === 0 ? message : mutate(message, random);
      });
      const bytes = Buffer.concat(messages.flatMap((message) => (random(4) === 0 ? [Buffer.from('\r\n\r\n'), message] : [message])));
      const whole = readStream([bytes]);
      for (const longest of [1, 7, 200, 1500]) {
        const pieces: Buffer[] = [];
        for (let at = 0; at < bytes.length; ) {
          const length = 1 + random(longest);
          pieces.push(bytes.subarray(at, at + length));
          at += length;
        }
        expect(readStream(pieces)).toEqual(whole);
      }
    }
  });
});
