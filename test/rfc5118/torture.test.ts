import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SipRequest } from '../../sip/message/message.ts';
import { parseMessage } from '../../sip/message/parse.ts';
import { parseSipUri } from '../../sip/message/uri.ts';
import { parseVia } from '../../sip/message/via.ts';
import { NameServer } from '../helpers/name-server.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { fieldOf, fieldsOf, reasonOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { COMPLAINTS } from '../rfc4475/messages.ts';

/** The messages of RFC 5118's appendix, their lines ended as SIP wants it, and the one length that is wrong there put right. */
function bytesOf(file: string): Buffer {
  const bytes = readFileSync(join(import.meta.dirname, '../fixtures/rfc5118', `${file}.dat`));
  return file === 'ipv6-in-sdp'
    ? Buffer.from(bytes.toString('latin1').replace('Content-Length: 268', 'Content-Length: 251'), 'latin1')
    : bytes;
}

function parsed(file: string): SipRequest {
  const message = parseMessage(bytesOf(file));
  if (!(message instanceof SipRequest)) throw new Error('a response');
  return message;
}

let server: InProcessServer;
let dns: NameServer;
beforeAll(async () => {
  dns = await NameServer.open();
  server = await startServer({ auth: 'none', dnsServers: [dns.address], sip: [{ host: '127.0.0.1', port: 0 }, { host: '::1', port: 0 }] }); // biome-ignore format: a line
});
afterAll(async () => {
  await server.stop();
  dns.close();
});

describe('RFC 5118 4: sent to a running server', () => {
  it.each([
    ['4.1', 'ipv6-good', 'taken'],
    ['4.2', 'ipv6-bad', 400],
    ['4.3', 'port-ambiguous', 'taken'],
    ['4.4', 'port-unambiguous', 'taken'],
    ['4.5', 'via-received-param-with-delim', 'taken'],
    ['4.5', 'via-received-param-no-delim', 'taken'],
    ['4.6', 'ipv6-in-sdp', 'taken'],
    ['4.7', 'mult-ip-in-header', 'taken'],
    ['4.8', 'mult-ip-in-sdp', 'taken'],
    ['4.9', 'ipv4-mapped-ipv6', 'taken'],
    ['4.10', 'ipv6-bug-abnf-3-colons', 'taken'],
    ['4.10', 'ipv6-correct-abnf-2-colons', 'taken'],
  ])('%s %s', async (section, file, expected) => {
    const peer = await UdpPeer.open(server.sip.port);
    // They share branches, and would be taken for copies of one another; and the answer is to come here.
    const text = bytesOf(file)
      .toString('latin1')
      .replace(/branch=z9hG4bK/, `rport;branch=z9hG4bK${section}${file}`);
    let response = await peer.ask(text);
    while (statusOf(response) < 200) response = await peer.inbox.next();
    if (expected === 'taken') expect(COMPLAINTS, response).not.toContain(statusOf(response));
    else expect([statusOf(response), reasonOf(response)]).toEqual([expected, expect.stringMatching(/URI/)]);
    peer.close();
  });
});

describe('RFC 5118 4: as they are read', () => {
  it('4.3, 4.4: a port counts behind the bracket only', () => {
    expect(parseSipUri(parsed('port-ambiguous').uri)).toMatchObject({ host: '[2001:db8::10:5070]', port: undefined });
    expect(parseSipUri(parsed('port-unambiguous').uri)).toMatchObject({ host: '[2001:db8::10]', port: 5070 });
  });

  it('4.5: received with and without brackets', () => {
    expect(parsed('via-received-param-with-delim').via.params.get('received')).toBe('[2001:db8::9:255]');
    expect(parsed('via-received-param-no-delim').via.params.get('received')).toBe('2001:db8::9:255');
  });

  it('4.7: addresses of both families side by side', () => {
    expect(parsed('mult-ip-in-header').headers.all('Via').map((via) => parseVia(via).host)).toEqual(['[2001:db8::9:1]', '192.0.2.1', '[2001:db8::9:255]']); // biome-ignore format: a line
  });

  it('4.10: a colon too many is understood and not passed on', () => {
    const uri = parseSipUri(parsed('ipv6-bug-abnf-3-colons').uri);
    expect(uri.toString()).toBe('sip:user@[2001:db8::192.0.2.1]');
    expect(uri.toString()).toBe(parseSipUri(parsed('ipv6-correct-abnf-2-colons').uri).toString());
  });

  it.each(['[::::]', '[1:2]', '[192.0.2.1]', '[2001:db8::1::2]', '[2001:db8::g]', '[]'])('%s is no IPv6 address', (host) => {
    expect(() => parseSipUri(`sip:a@${host}`)).toThrow(/^400 /);
    expect(() => parseVia(`SIP/2.0/UDP ${host};branch=z9hG4bK1`)).toThrow(/^400 /);
  });
});

describe('RFC 3261 18.2.1, RFC 3581 4 over IPv6', () => {
  const port = () => server.running.sip.find(({ protocol, address }) => protocol === 'UDP' && address === '::1')?.port ?? 0;

  it('received stands without brackets, and rport is filled in', async () => {
    const peer = await UdpPeer.open(port(), '::1');
    const response = await peer.ask(request({ sentBy: '[2001:db8::9:1]:5070' }));
    expect(fieldsOf(response, 'Via')).toEqual([expect.stringMatching(new RegExp(`\\[2001:db8::9:1\\]:5070;.*rport=${peer.port};received=::1$`))]); // biome-ignore format: a line
    peer.close();
  });

  it('none where sent-by is the source, and the answer goes to its port', async () => {
    const peer = await UdpPeer.open(port(), '::1');
    const response = await peer.ask(request({ sentBy: `[::1]:${peer.port}`, via: '' }));
    expect(fieldOf(response, 'Via')).not.toContain('received');
    peer.close();
  });
});
