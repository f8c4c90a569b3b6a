import { describe, expect, it } from 'vitest';
import { coreHeader, headerUri, imdnHeaders, isNotification, parseCpim, requestedNotifications } from '../../sip/services/cpim.ts';

const read = (...lines: string[]) => parseCpim(Buffer.from(lines.join('\r\n'), 'utf8'));

const MESSAGE = [
  'From: MR SANDERS <im:piglet@100akerwood.com>',
  'To: Depressed Donkey <im:eeyore@100akerwood.com>',
  'DateTime: 2000-12-13T13:40:00-08:00',
  'Subject: the weather will be fine today',
  'Subject:;lang=fr beau temps prevu pour aujourd\u2019hui',
  '',
  'Content-type: text/plain; charset=utf-8',
  'Content-ID: <1234567890@foo.com>',
  '',
  'From: nobody',
];

describe('RFC 3862: message/cpim', () => {
  it('3: message headers, then those of the content', () => {
    const message = read(...MESSAGE);
    expect(message && coreHeader(message, 'From')).toBe('MR SANDERS <im:piglet@100akerwood.com>');
    expect(message && coreHeader(message, 'Subject')).toBe('the weather will be fine today');
    expect(message?.headers.filter(({ name }) => name === 'Subject')[1]?.value).toBe('beau temps prevu pour aujourd\u2019hui');
    expect(message?.content.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(headerUri('MR SANDERS <im:piglet@100akerwood.com>')).toBe('im:piglet@100akerwood.com');
  });

  it('2.2: names count with their case', () => {
    const message = read('from: <im:a@b.c>', '', 'Content-type: text/plain', '', '');
    expect(message && coreHeader(message, 'From')).toBeUndefined();
  });

  it('3.4: headers of a namespace by whatever prefix, none before it is declared', () => {
    const message = read(
      'x.Message-ID: too-early',
      'NS: x <urn:ietf:params:imdn>',
      'x.Message-ID: 34jk324j',
      'y.Message-ID: of another',
      '',
      'Content-type: text/plain',
      '',
      '',
    );
    expect(message && imdnHeaders(message, 'Message-ID').map(({ value }) => value)).toEqual(['34jk324j']);
  });

  it('3.4: a default namespace for headers without prefix', () => {
    const message = read('NS: <urn:ietf:params:imdn>', 'Message-ID: 1', '', 'Content-type: text/plain', '', '');
    expect(message && imdnHeaders(message, 'Message-ID')).toHaveLength(1);
  });

  it('is undefined for what is none', () => {
    expect(read('no colon here', '', '')).toBeUndefined();
    expect(read('From: <im:a@b.c>')).toBeUndefined();
    expect(parseCpim(Buffer.alloc(0))).toBeUndefined();
    expect(parseCpim(Buffer.from('A: b\r\n'.repeat(10_000)))).toBeUndefined();
  });
});

describe('RFC 3862: hostile messages', () => {
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${i}`);
  const asks = ['NS: imdn <urn:ietf:params:imdn>', 'imdn.Disposition-Notification: processing'];

  it('are looked at as far as 200 lines in each part, and not at all where there are more', () => {
    const whole = read(...asks, ...lines(198), '', ...lines(199), 'Content-type: text/plain', '', 'text');
    expect(whole?.headers).toHaveLength(199);
    expect(whole?.content.size).toBe(200);
    expect(read(...asks, ...lines(199), '', 'Content-type: text/plain', '', 'text')).toBeUndefined();
    // A notification behind 200 lines would be taken for a message that asks for one.
    expect(read(...asks, '', ...lines(200), 'Content-type: message/imdn+xml', '', '<imdn/>')).toBeUndefined();
  });

  it.each([
    ['a carriage return', 'From: <im:a@b.c>\rTo: <im:evil@b.c>'],
    ['a null', 'From: \0<im:a@b.c>'],
    ['an escape', 'Subject: \u001b[2J'],
  ])('have no header with %s', (_, line) => {
    expect(read(line, '', 'Content-type: text/plain', '', 'text')).toBeUndefined();
  });

  it('hide no notification by folding or case (RFC 5322 2.2.3)', () => {
    for (const field of [
      'Content-type:\r\n message/imdn+xml',
      'CONTENT-TYPE: Message/IMDN+XML',
      'Content-Disposition:\r\n\t Notification',
    ]) {
      const message = read(...asks, '', field, '', '<imdn/>');
      expect(message && isNotification(message)).toBe(true);
      expect(message && requestedNotifications(message).size).toBe(0);
    }
  });

  it('cost no more than their size', () => {
    const mega = 'x'.repeat(1_000_000);
    for (const line of [
      mega,
      `From: ${mega}`,
      `From: ${'<'.repeat(500_000)}`,
      `${'a.'.repeat(500_000)}: b`,
      `NS: ${mega} <${mega}>`,
      `From: <a>${' '.repeat(900_000)}b`,
    ]) {
      // biome-ignore format: one line
      const message = read(line, ...asks, '', 'Content-type: text/plain', '', '');
      if (message) headerUri(coreHeader(message, 'From'));
    }
  });
});

describe('RFC 5438: what a message asks for', () => {
  const asking = (value: string, content = 'text/plain') =>
    read('NS: imdn <urn:ietf:params:imdn>', `imdn.Disposition-Notification: ${value}`, '', `Content-type: ${content}`, '', '');

  it('10: values separated by commas, parameters left out', () => {
    const message = asking('negative-delivery;a=b, Processing');
    expect(message && [...requestedNotifications(message)]).toEqual(['negative-delivery', 'processing']);
  });

  it('7.2.1: nothing in a notification', () => {
    const message = asking('processing', 'message/imdn+xml');
    expect(message && isNotification(message)).toBe(true);
    expect(message && requestedNotifications(message).size).toBe(0);
  });
});
