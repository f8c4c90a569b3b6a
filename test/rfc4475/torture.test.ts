import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, fieldsOf, reasonOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { type Stack, startStack } from '../rfc3261/stack.ts';

let stack: Stack;
let peer: UdpPeer;

beforeAll(async () => {
  stack = await startStack();
  for (const method of ['SUBSCRIBE', 'REGISTER']) stack.router.handle(method, (context) => context.respond(200));
  peer = await UdpPeer.open(stack.port);
});
afterAll(async () => {
  peer.close();
  await stack.close();
});
afterEach(() => {
  expect(stack.failures).toEqual([]);
  expect(peer.inbox.left).toBe(0);
});

/** A SUBSCRIBE in which `pattern` is replaced. */
function changed(pattern: RegExp | string, replacement: string): string {
  const text = request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com' });
  const result = text.replace(pattern, replacement);
  if (result === text) throw new Error('nothing was replaced');
  return result;
}

describe('RFC 4475 3.1.1: valid messages', () => {
  it('3.1.1.1: odd spacing, folding, compact and unknown fields', async () => {
    const response = await peer.ask(
      [
        'SUBSCRIBE sip:vivekg@example.com;unknownparam SIP/2.0',
        'TO :',
        ' sip:vivekg@example.com ;   tag    = 1918181833n',
        'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>',
        '  ;',
        '  tag = 98asjd8',
        'MaX-fOrWaRdS: 0068',
        'Call-ID: tortuous.1@192.0.2.1',
        'cseq: 0009',
        '  SUBSCRIBE',
        'Via  : SIP  /   2.0',
        ' /UDP',
        '    192.0.2.2;branch=390skdjuw;rport',
        's :',
        'NewFangledHeader:   newfangled value',
        ' continued newfangled value',
        'UnknownHeaderWithUnusualValue: ;;,,;;,;',
        'Route:',
        ' <sip:services.example.com;lr;unknownwith=value;unknown-no-value>',
        'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =',
        '      newvalue ;',
        '  secondparam ; q = 0.33',
        '',
        '',
      ].join('\r\n'),
    );
    expect(statusOf(response)).toBe(200);
    expect(fieldOf(response, 'To')).toBe('sip:vivekg@example.com ;   tag    = 1918181833n');
    expect(fieldOf(response, 'Call-ID')).toBe('tortuous.1@192.0.2.1');
  });

  it('3.1.1.2: the characters a token, a word and a user part may have', async () => {
    const method = "!sub%Scr1be_*+`.'~-";
    expect(statusOf(await peer.ask(request({ method })))).toBe(501);
    const uri = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com";
    const callId = `in.word!%_*+\`'~()<>:\\"/[]?{}`;
    const response = await peer.ask(request({ method: 'SUBSCRIBE', uri, callId }));
    expect(statusOf(response)).toBe(200);
    expect(fieldOf(response, 'Call-ID')).toBe(callId);
  });

  it('3.1.1.3 to 5: percent signs as escape and not', async () => {
    expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', uri: 'sip:sips%3Auser%40example.com@example.com' })))).toBe(200);
    expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', to: 'sip:null-%00-null@example.com' })))).toBe(200);
    expect(statusOf(await peer.ask(request({ method: 'SUB%53CRIBE' })))).toBe(501);
  });

  it('3.1.1.6: no white space between the display name and <', async () => {
    expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', from: 'caller<sip:caller@example.com>;tag=323' })))).toBe(200);
  });

  it('3.1.1.7: long values', async () => {
    const long = 'long'.repeat(500);
    const response = await peer.ask(
      request({ method: 'SUBSCRIBE', from: `"${long}" <sip:${long}@example.com>;tag=${long}`, callId: long, via: `;rport;p=${long}` }),
    );
    expect(statusOf(response)).toBe(200);
    expect(fieldOf(response, 'Call-ID')).toBe(long);
  });

  it('3.1.1.8: octets behind the body', async () => {
    expect(statusOf(await peer.ask(`${request({ method: 'REGISTER' })}SUBSCRIBE sip:bob@example.com SIP/2.0\r\n\r\n`))).toBe(200);
  });

  it('3.1.1.9, 10: parameters in the user part, unknown transports', async () => {
    const response = await peer.ask(
      request({ method: 'SUBSCRIBE', uri: 'sip:user;par=u%40example.net@example.com', via: ';rport,SIP/2.0/NEWTRANSPORT t5.example.com' }),
    );
    expect(statusOf(response)).toBe(200);
    expect(fieldOf(response, 'Via')).toContain('NEWTRANSPORT');
  });
});

describe('RFC 4475 3.1.2: invalid messages', () => {
  it.each([
    ['3.1.2.2: Content-Length larger than the message', 'Content-Length: 0', 'Content-Length: 9999', /Content-Length/],
    ['3.1.2.3: negative Content-Length', 'Content-Length: 0', 'Content-Length: -999', /Content-Length/],
    ['3.1.2.4: overlarge CSeq', 'CSeq: 1 ', 'CSeq: 36893488147419103232 ', /CSeq/],
    ['3.1.2.4: overlarge Max-Forwards', 'Max-Forwards: 70', 'Max-Forwards: 300', /Max-Forwards/],
    ['3.1.2.6: unterminated quoted string', /^To: .*$/m, 'To: "Mr. J. User <sip:j.user@example.com>', /To/],
    ['3.1.2.7: <> around the Request-URI', 'sip:bob@example.com SIP', '<sip:bob@example.com> SIP', /Request-URI/],
    ['3.1.2.8: white space in the Request-URI', 'sip:bob@example.com SIP', 'sip:bob@example.com; lr SIP', /Request-URI/],
    ['3.1.2.9: several spaces in the request line', 'SUBSCRIBE sip', 'SUBSCRIBE   sip', /Request-URI/],
    ['3.1.2.10: spaces behind the request line', 'SIP/2.0\r\n', 'SIP/2.0  \r\n', /request line/i],
    ['3.1.2.13: no <> around a URI with headers', /^From: .*$/m, 'From: sip:alice@example.com?Route=%3Csip:x%3E;tag=1', /From/],
    ['3.1.2.17: CSeq of another method', '1 SUBSCRIBE', '1 PUBLISH', /CSeq/],
    ['3.3.1: no Call-ID', /^Call-ID: .*\r\n/m, '', /Call-ID/],
    ['3.3.8: From twice', /^(From: .*)\r\n/m, '$1\r\n$1\r\n', /From/],
    ['3.3.8: CSeq twice', /^(CSeq: .*)\r\n/m, '$1\r\nCSeq: 2 SUBSCRIBE\r\n', /CSeq/],
    ['3.3.9: two lengths', 'Content-Length: 0', 'Content-Length: 0\r\nContent-Length: 5', /Content-Length/],
  ])('%s is answered 400 with a reason', async (_, pattern, replacement, reason) => {
    const response = await peer.ask(changed(pattern, replacement));
    expect(statusOf(response)).toBe(400);
    expect(reasonOf(response)).toMatch(reason);
    expect(fieldsOf(response, 'Via')).toHaveLength(1);
  });

  it('3.1.2.4: an overlarge Expires is the largest there is', async () => {
    let expires: number | undefined;
    stack.router.handle('PUBLISH', (context) => {
      expires = context.request.expires;
      context.respond(200);
    });
    expect(statusOf(await peer.ask(request({ method: 'PUBLISH', fields: ['Expires: 10000000000000000000000'] })))).toBe(200);
    expect(expires).toBe(2 ** 32 - 1);
  });

  it('3.1.2.11, 14: URI headers and spaces in <> do no harm', async () => {
    expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', uri: 'sip:bob@example.com?Route=%3Csip:example.com%3E' })))).toBe(200);
    expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', to: '"Watson" < sip:t.watson@example.org >' })))).toBe(200);
    expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', from: 'Dr. B\xf6ll (home) <sip:a@example.com>;tag=43' })))).toBe(200);
  });

  it('3.1.2.16: 505 for another version', async () => {
    expect(statusOf(await peer.ask(changed('SIP/2.0\r\n', 'SIP/7.0\r\n')))).toBe(505);
  });

  it('3.1.2.18: an unknown method with another CSeq method is refused', async () => {
    expect(statusOf(await peer.ask(changed(/^SUBSCRIBE/, 'NEWMETHOD')))).toBe(400);
  });

  it('3.1.2.5, 19: responses with impossible numbers are dropped', async () => {
    peer.send('SIP/2.0 4294967301 better not break the receiver\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nCSeq: 1 OPTIONS\r\n\r\n');
    peer.send('SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nCSeq: 9292394834772304023312 OPTIONS\r\n\r\n');
    expect(statusOf(await peer.ask(request()))).toBe(200);
  });
});

describe('RFC 4475 3.2 to 3.4', () => {
  it('3.2.1: a branch that is nothing but the cookie', async () => {
    const sent = request({ method: 'SUBSCRIBE', branch: 'z9hG4bK' });
    const first = await peer.ask(sent);
    expect(statusOf(first)).toBe(200);
    expect(await peer.ask(sent)).toBe(first);
    expect(fieldOf(await peer.ask(request({ method: 'SUBSCRIBE', branch: 'z9hG4bK', callId: 'another' })), 'Call-ID')).toBe('another');
  });

  it('3.3.2, 3.3.3: Request-URIs of other schemes', async () => {
    for (const uri of ['nobodyKnowsThisScheme:totallyopaquecontent', 'soap.beep://192.0.2.103:3002', 'tel:+15551234']) {
      expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', uri })))).toBe(416);
    }
  });

  it('3.3.4: other schemes in To are no reason to refuse', async () => {
    expect(statusOf(await peer.ask(request({ method: 'SUBSCRIBE', to: 'isbn:2983792873' })))).toBe(200);
  });

  it('3.3.5: 420 that names each unknown extension', async () => {
    const response = await peer.ask(request({ method: 'SUBSCRIBE', fields: ['Require: nothingSupportsThis, nothingSupportsThisEither'] }));
    expect(statusOf(response)).toBe(420);
    expect(fieldOf(response, 'Unsupported')).toBe('nothingSupportsThis, nothingSupportsThisEither');
  });

  it('3.3.11: Max-Forwards of zero does not concern a server that is meant', async () => {
    expect(statusOf(await peer.ask(changed('Max-Forwards: 70', 'Max-Forwards: 0')))).toBe(200);
  });

  it('3.4.1: a request of RFC 2543, without tags, branch and Max-Forwards', async () => {
    const response = await peer.ask(
      [
        'SUBSCRIBE sip:bob@example.com SIP/2.0',
        'Via: SIP/2.0/UDP iftgw.example.com;rport',
        'From: <sip:+13035551111@ift.example.net;user=phone>',
        'To: sip:+16505552222@ss1.example.net;user=phone',
        'Call-ID: 1717@ift.example.com',
        'CSeq: 56 SUBSCRIBE',
        'Contact: <sip:+13035551111@ift.example.net;user=phone>',
        '',
        '',
      ].join('\r\n'),
    );
    expect(statusOf(response)).toBe(200);
    expect(fieldOf(response, 'To')).toMatch(/^sip:\+16505552222@ss1\.example\.net;user=phone;tag=/);
  });
});
