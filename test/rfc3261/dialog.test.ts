import { describe, expect, it } from 'vitest';
import { Dialog } from '../../sip/dialog/dialog.ts';
import { SipRequest, SipResponse } from '../../sip/message/message.ts';
import { parseMessage } from '../../sip/message/parse.ts';
import { fieldOf, fieldsOf, request } from './peer.ts';

const FROM = '"Älice"  <sip:alice@example.com>;tag=remote;x=Y';
const TO = 'sip:bob@example.com;Y=x';

function subscribe(fields: readonly string[], parts: { cseq?: number; to?: string } = {}): SipRequest {
  const text = request({
    method: 'SUBSCRIBE',
    from: Buffer.from(FROM).toString('latin1'),
    to: parts.to ?? TO,
    callId: 'd1',
    cseq: `${parts.cseq ?? 7} SUBSCRIBE`,
    fields,
  });
  const message = parseMessage(Buffer.from(text, 'latin1'));
  if (!(message instanceof SipRequest)) throw new Error('a response');
  return message;
}

const CONTACT = 'Contact: <sip:alice@192.0.2.1:5070;ob>;expires=60';
const accept = (fields: readonly string[] = [CONTACT]): Dialog => Dialog.accept(subscribe(fields), 'local', '<sip:127.0.0.1:5060>');

describe('RFC 3261 12: dialogs', () => {
  it('12.2.1.1: a request in the dialog, From and To as they came but in angle brackets, CSeq rising', () => {
    const dialog = accept();
    const text = dialog.createRequest('NOTIFY').toBuffer().toString();
    expect(text).toMatch(/^NOTIFY sip:alice@192\.0\.2\.1:5070;ob SIP\/2\.0\r\n/);
    expect(fieldOf(text, 'From')).toBe('<sip:bob@example.com>;Y=x;tag=local');
    expect(fieldOf(text, 'To')).toBe(FROM);
    expect(fieldOf(text, 'Call-ID')).toBe('d1');
    expect(fieldOf(text, 'CSeq')).toBe('1 NOTIFY');
    expect(fieldOf(text, 'Contact')).toBe('<sip:127.0.0.1:5060>');
    expect(fieldOf(text, 'Max-Forwards')).toBe('70');
    expect(fieldsOf(text, 'Route')).toEqual([]);
    expect(dialog.createRequest('NOTIFY').cseq).toEqual({ sequence: 2, method: 'NOTIFY' });
    expect(dialog.localCSeq).toBe(2);
  });

  it('12.1.1, 12.2.1.1: loose routers go into Route, in the order of Record-Route', () => {
    const dialog = accept([CONTACT, 'Record-Route: <sip:one;lr>, <sip:two;lr>', 'Record-Route: <sip:three;lr>']);
    const sent = dialog.createRequest('NOTIFY');
    const text = sent.toBuffer().toString();
    expect(sent.uri).toBe('sip:alice@192.0.2.1:5070;ob');
    expect(fieldsOf(text, 'Route')).toEqual(['<sip:one;lr>', '<sip:two;lr>', '<sip:three;lr>']);
    expect(sent.nextHop).toBe('sip:one;lr');
  });

  it('12.2.1.1: a strict router gets the Request-URI, and the target goes last', () => {
    const sent = accept([CONTACT, 'Record-Route: <sip:one;method=X?a=b>, <sip:two;lr>']).createRequest('NOTIFY');
    expect(sent.uri).toBe('sip:one');
    expect(sent.headers.all('Route')).toEqual(['<sip:two;lr>', '<sip:alice@192.0.2.1:5070;ob>']);
  });

  it('12.2.2: takes a new target, refuses an old CSeq with 500', () => {
    const dialog = accept();
    dialog.createRequest('NOTIFY');
    dialog.receive(subscribe(['Contact: <sip:alice@192.0.2.9>'], { cseq: 9 }));
    expect(dialog.createRequest('NOTIFY').uri).toBe('sip:alice@192.0.2.9');
    expect(() => dialog.receive(subscribe([CONTACT], { cseq: 8 }))).toThrow(/^500 /);
    expect(dialog.remoteTarget).toBe('sip:alice@192.0.2.9');
    dialog.receive(subscribe([], { cseq: 10 }));
    expect(dialog.remoteTarget).toBe('sip:alice@192.0.2.9');
  });

  it('12.2.1.2: takes a new target from a 2xx to its own request, and nothing from one that names none', () => {
    const dialog = accept();
    const success = (contact: string): SipResponse => {
      const message = parseMessage(Buffer.from(`SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\n${contact}CSeq: 1 NOTIFY\r\n\r\n`));
      if (!(message instanceof SipResponse)) throw new Error('a request');
      return message;
    };
    dialog.createRequest('NOTIFY');
    expect(dialog.receiveSuccess(success(''))).toBe(false);
    expect(dialog.receiveSuccess(success('Contact: <tel:1>\r\n'))).toBe(false);
    expect(dialog.receiveSuccess(success('Contact: <\r\n'))).toBe(false);
    expect(dialog.createRequest('NOTIFY').uri).toBe('sip:alice@192.0.2.1:5070;ob');
    expect(dialog.receiveSuccess(success('m: <sip:alice@192.0.2.9>\r\n'))).toBe(true);
    expect(dialog.createRequest('NOTIFY').uri).toBe('sip:alice@192.0.2.9');
    expect(dialog.receiveSuccess(success('m: <sip:alice@192.0.2.9>\r\n'))).toBe(false);
  });

  it('12.2.2: a copy of the last CSeq number is no lower one, and does not set the next back', () => {
    const dialog = accept();
    dialog.receive(subscribe([CONTACT], { cseq: 9 }));
    dialog.receive(subscribe([CONTACT], { cseq: 9 }));
    expect(dialog.remoteCSeq).toBe(9);
    expect(() => dialog.receive(subscribe([CONTACT], { cseq: 8 }))).toThrow(/^500 /);
  });

  it('12.2.1.1: of several strict routers each gets its turn', () => {
    const sent = accept([CONTACT, 'Record-Route: <sip:one>', 'Record-Route: <sip:two>']).createRequest('NOTIFY');
    expect([sent.uri, sent.nextHop]).toEqual(['sip:one', 'sip:one']);
    expect(sent.headers.all('Route')).toEqual(['<sip:two>', '<sip:alice@192.0.2.1:5070;ob>']);
  });

  it('12.1.1: 400 without a Contact to answer to', () => {
    expect(() => accept([])).toThrow(/^400 Missing Contact/);
    expect(() => accept(['Contact: <tel:123>'])).toThrow(/^400 /);
    expect(() => accept(['Contact: *'])).toThrow(/^400 /);
  });

  it('is found by Call-ID and tags', () => {
    expect(Dialog.idOf(subscribe([CONTACT]))).toBeUndefined();
    expect(Dialog.idOf(subscribe([CONTACT], { to: '<sip:bob@example.com>;tag=local' }))).toBe(accept().id);
  });

  it('goes on after a restart where it was', () => {
    const dialog = accept([CONTACT, 'Record-Route: <sip:one;lr>']);
    dialog.createRequest('NOTIFY');
    const copy = Dialog.restore(JSON.parse(JSON.stringify(dialog.stateAt(dialog.localCSeq))));
    expect(copy.id).toBe(dialog.id);
    copy.localCSeq += 10;
    const [one, other] = [dialog.createRequest('NOTIFY'), copy.createRequest('NOTIFY')].map((sent) => sent.toBuffer().toString());
    expect(other).toBe(one?.replace('CSeq: 2 ', 'CSeq: 12 '));
    expect(() => copy.receive(subscribe([CONTACT], { cseq: 6 }))).toThrow(/^500 /);
  });

  it('goes on as an earlier version stored it', () => {
    const dialog = accept([CONTACT, 'Record-Route: <sip:one;lr>']);
    const copy = Dialog.restore({
      callId: dialog.callId,
      localTag: dialog.localTag,
      remoteTag: dialog.remoteTag,
      local: dialog.createRequest('NOTIFY').headers.get('From') ?? '',
      remote: dialog.createRequest('NOTIFY').headers.get('To') ?? '',
      remoteTarget: dialog.remoteTarget,
      routeSet: ['<sip:one;lr>'],
      localContact: dialog.createRequest('NOTIFY').headers.get('Contact') ?? '',
      localCSeq: dialog.localCSeq,
      remoteCSeq: dialog.remoteCSeq,
    });
    expect(copy.createRequest('NOTIFY').toBuffer().toString()).toBe(dialog.createRequest('NOTIFY').toBuffer().toString());
    expect(copy.id).toBe(dialog.id);
  });
});
