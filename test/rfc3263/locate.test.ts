import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Destination, Protocol } from '../../sip/transport/flow.ts';
import { Locator } from '../../sip/transport/locate.ts';
import { NameService } from '../../sip/transport/name-service.ts';
import { NextHops } from '../../sip/transport/next-hops.ts';
import { NameServer } from '../helpers/name-server.ts';

let dns: NameServer;
let names: NameService;
let locator: Locator;
const services: NameService[] = [];

beforeAll(async () => {
  dns = await NameServer.open();
});
afterAll(() => {
  for (const service of services) service.close();
  dns.close();
});
beforeEach(() => {
  names = new NameService({ servers: [dns.address], timeoutMs: 200, tries: 1 });
  services.push(names);
  locator = new Locator({ names, speaks: () => true });
  dns.questions.length = 0;
});

async function located(uri: string, from = locator): Promise<string[]> {
  return (await from.locate(uri)).map(written);
}

function written({ protocol, address, port, name }: Destination): string {
  return `${protocol} ${address} ${port}${name === undefined ? '' : ` as ${name}`}`;
}

describe('RFC 3263 4.1, 4.2: numeric hosts', () => {
  it.each([
    ['sip:192.0.2.1', 'UDP 192.0.2.1 5060'],
    ['sip:bob@192.0.2.1:5070', 'UDP 192.0.2.1 5070'],
    ['sip:192.0.2.1;transport=tcp', 'TCP 192.0.2.1 5060'],
    ['sip:192.0.2.1;transport=TCP', 'TCP 192.0.2.1 5060'],
    ['sip:[2001:db8::1]', 'UDP 2001:db8::1 5060'],
    ['sip:[2001:db8::1]:5070;transport=tcp', 'TCP 2001:db8::1 5070'],
    ['sips:192.0.2.1', 'TLS 192.0.2.1 5061'],
    ['sips:bob@192.0.2.1:5071;transport=tcp', 'TLS 192.0.2.1 5071'],
    ['sip:192.0.2.1;transport=tls', 'TLS 192.0.2.1 5061'],
    ['sips:example.com;maddr=192.0.2.9', 'TLS 192.0.2.9 5061 as example.com'],
    ['sip:example.com;maddr=192.0.2.9', 'UDP 192.0.2.9 5060'],
    ['sip:example.com:5070;maddr=[2001:db8::9]', 'UDP 2001:db8::9 5070'],
  ])('%s goes to %s, without a question and at once', (uri, expected) => {
    const found = locator.locate(uri);
    expect(Array.isArray(found) && found.map(written)).toEqual([expected]);
    expect(locator.locate(uri)).toBe(found);
    expect(dns.questions).toEqual([]);
  });

  it.each(['sip:192.0.2.1;transport=sctp', 'sip:192.0.2.1;transport=', 'sips:192.0.2.1;transport=udp'])(
    'nothing for %s: a transport that we do not speak',
    (uri) => expect(locator.locate(uri)).toEqual([]),
  );

  it.each([
    '0.0.0.0',
    '0.1.2.3',
    '224.0.0.1',
    '239.255.255.250',
    '240.0.0.1',
    '255.255.255.255',
    '[::]',
    '[0:0:0:0:0:0:0:0]',
    '[0::0]',
    '[ff02::1]',
    '[FF05::2]',
    '[::ffff:224.0.0.1]',
  ])('none that is not of one host: %s', async (host) => {
    // biome-ignore format: a list
    for (const params of ['', ';transport=tcp', ';transport=tls']) expect(await located(`sip:bob@${host}${params}`)).toEqual([]);
  });

  it.each(['1.0.0.1', '127.0.0.1', '223.255.255.255', '[::1]', '[2001:db8::ff02]', '[fe80::1]', '[::ffff:192.0.2.1]', '[fd00::]'])(
    'any that is: %s',
    async (host) => {
      // biome-ignore format: a list
      expect(await located(`sip:bob@${host}`)).toHaveLength(1);
    },
  );

  it('nor does a name lead to what is not of one host', async () => {
    dns.a('all.example.test', '255.255.255.255');
    dns.a('all.example.test', '192.0.2.7');
    dns.a('all.example.test', '224.0.0.5');
    expect(await located('sip:all.example.test:5070')).toEqual(['UDP 192.0.2.7 5070']);
  });

  it('what is no SIP URI is refused', () => {
    expect(() => locator.locate('tel:+1')).toThrow(/^416 /);
    expect(() => locator.locate('sip:')).toThrow(/^400 /);
  });

  it('only address families that can be spoken', async () => {
    dns.a('both.example', '192.0.2.1');
    dns.aaaa('both.example', '2001:db8:0:0:0:0:0:1');
    const four = new Locator({ names, speaks: (_, family) => family === 4 });
    expect(four.locate('sip:[2001:db8::1]')).toEqual([]);
    expect(await located('sip:both.example:5060', four)).toEqual(['UDP 192.0.2.1 5060']);
    expect(dns.questions).toEqual(['A both.example']);
  });
});

describe('RFC 3263 4.2: names with a port', () => {
  it('are asked for addresses alone, in their order', async () => {
    dns.a('port.example', '192.0.2.2');
    dns.a('port.example', '192.0.2.1');
    dns.aaaa('port.example', '2001:db8:0:0:0:0:0:1');
    dns.srv('_sip._udp.port.example', 0, 0, 5099, 'port.example');
    expect(await located('sip:bob@Port.Example:5080')).toEqual(['UDP 192.0.2.2 5080', 'UDP 192.0.2.1 5080', 'UDP 2001:db8::1 5080']);
    expect(await located('sip:port.example.:5080;transport=tcp')).toHaveLength(3);
    expect(dns.questions.sort()).toEqual(['A port.example', 'AAAA port.example']);
  });
});

describe('RFC 3263 4.1: NAPTR', () => {
  // What follows builds on the records of this one.
  it('gives the transports in their order, and the SRV records to ask for, also in another domain', async () => {
    dns.naptr('n.example', 90, 50, 's', 'SIP+D2T', '_sip._tcp.n.example');
    dns.naptr('n.example', 100, 50, 's', 'SIP+D2U', '_sip._udp.other.example');
    dns.naptr('n.example', 90, 40, 'S', 'sip+d2u', '_sip._udp.n.example');
    dns.naptr('n.example', 10, 10, 's', 'SIP+D2S', '_sip._sctp.n.example');
    dns.naptr('n.example', 10, 10, 'u', 'E2U+sip', '', '!^.*$!sip:evil@example.org!');
    dns.srv('_sip._tcp.n.example', 0, 0, 5071, 's.n.example');
    dns.srv('_sip._udp.n.example', 0, 0, 5072, 's.n.example');
    dns.srv('_sip._udp.other.example', 0, 0, 5073, 's.n.example');
    dns.a('s.n.example', '192.0.2.1');
    expect(await located('sip:bob@n.example')).toEqual(['UDP 192.0.2.1 5072', 'TCP 192.0.2.1 5071', 'UDP 192.0.2.1 5073']);
    expect(dns.questions).not.toContain('SRV _sip._sctp.n.example');
  });

  it('leads to TLS for a SIP URI, and to nothing else for a SIPS URI; the peer must prove to be the domain of the URI', async () => {
    dns.naptr('tls.example', 50, 50, 's', 'SIPS+D2T', '_sips._tcp.tls.example');
    dns.naptr('tls.example', 90, 50, 's', 'SIP+D2T', '_sip._tcp.n.example');
    dns.srv('_sips._tcp.tls.example', 0, 0, 5099, 's.n.example');
    expect(await located('sip:bob@tls.example')).toEqual(['TLS 192.0.2.1 5099 as tls.example', 'TCP 192.0.2.1 5071']);
    expect(await located('sips:bob@TLS.example')).toEqual(['TLS 192.0.2.1 5099 as tls.example']);
    expect(await located('sips:bob@tls.example;transport=tcp')).toEqual(['TLS 192.0.2.1 5099 as tls.example']);
    expect(await located('sip:bob@tls.example;transport=tls')).toEqual(['TLS 192.0.2.1 5099 as tls.example']);
  });

  it('is not asked for where the URI names the transport', async () => {
    expect(await located('sip:bob@n.example;transport=tcp')).toEqual(['TCP 192.0.2.1 5071']);
    expect(dns.questions).not.toContain('NAPTR n.example');
  });

  it('is passed over for transports that cannot be spoken', async () => {
    const noTcp = new Locator({ names, speaks: (protocol: Protocol) => protocol !== 'TCP' });
    expect(await located('sip:bob@n.example', noTcp)).toEqual(['UDP 192.0.2.1 5072', 'UDP 192.0.2.1 5073']);
    expect(await located('sip:bob@n.example;transport=tcp', noTcp)).toEqual([]);
  });
});

describe('RFC 3263 4.1, 4.2: SRV without NAPTR', () => {
  it('is asked for with each transport, UDP first', async () => {
    dns.srv('_sip._tcp.s.example', 0, 0, 5071, 's1.s.example');
    dns.srv('_sip._udp.s.example', 0, 0, 5072, 's1.s.example');
    dns.a('s1.s.example', '192.0.2.3');
    expect(await located('sip:s.example')).toEqual(['UDP 192.0.2.3 5072', 'TCP 192.0.2.3 5071']);
  });

  it('without SRV records, the default port and UDP', async () => {
    dns.a('plain.example', '192.0.2.4');
    expect(await located('sip:bob@plain.example')).toEqual(['UDP 192.0.2.4 5060']);
    expect(await located('sip:bob@plain.example;transport=tcp')).toEqual(['TCP 192.0.2.4 5060']);
    expect(await located('sips:bob@plain.example')).toEqual(['TLS 192.0.2.4 5061 as plain.example']);
  });

  it('RFC 2782: a target of "." says that there is no such service', async () => {
    dns.a('none.example', '192.0.2.5');
    dns.srv('_sip._udp.none.example', 0, 0, 0, '.');
    expect(await located('sip:none.example;transport=udp')).toEqual([]);
  });

  it('RFC 2782: lower priorities first, and equals by their weights', async () => {
    for (const [priority, weight, host] of [[20, 0, 'c'], [10, 1, 'a'], [10, 9, 'b']] as const) dns.srv('_sip._udp.w.example', priority, weight, 5060, `${host}.w.example`); // biome-ignore format: a table
    for (const [host, last] of [['a', 1], ['b', 2], ['c', 3]] as const) dns.a(`${host}.w.example`, `192.0.2.${last}`); // biome-ignore format: a table
    let heavyFirst = 0;
    for (let i = 0; i < 500; i++) {
      const found = await located('sip:w.example;transport=udp');
      expect(found).toHaveLength(3);
      expect(found[2]).toBe('UDP 192.0.2.3 5060');
      if (found[0] === 'UDP 192.0.2.2 5060') heavyFirst++;
    }
    // Expected: 9 of 11 draws (lots from 0 to 10, of which 0 and 1 fall to the first); ten standard deviations either way.
    expect(heavyFirst).toBeGreaterThan(500 * (9 / 11) - 87);
    expect(heavyFirst).toBeLessThan(500 * (9 / 11) + 87);
  });
});

describe('answers of the name server', () => {
  it('are kept for their TTL, and asked for once by many at a time', async () => {
    dns.a('kept.example', '192.0.2.1', 3600);
    await Promise.all(Array.from({ length: 50 }, () => located('sip:kept.example:5060')));
    await located('sip:kept.example:5060');
    expect(dns.questions.filter((question) => question === 'A kept.example')).toHaveLength(1);
  });

  it('are asked for again when the shortest TTL of the addresses is over', async () => {
    const brief = new NameService({ servers: [dns.address], shortestTtl: 0.02 });
    services.push(brief);
    dns.a('brief.example', '192.0.2.1', 3600);
    dns.a('brief.example', '192.0.2.2', 0);
    expect(await brief.query('A', 'brief.example')).toEqual(['192.0.2.1', '192.0.2.2']);
    dns.remove('brief.example');
    dns.a('brief.example', '192.0.2.3', 1);
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await brief.query('A', 'brief.example')).toEqual(['192.0.2.3']);
    await new Promise((resolve) => setTimeout(resolve, 40));
    await brief.query('A', 'brief.example');
    expect(dns.questions).toEqual(['A brief.example', 'A brief.example']);
  });

  it('that nothing is there is kept too', async () => {
    expect(await located('sip:absent.example')).toEqual([]);
    const asked = dns.questions.length;
    expect(await located('sip:absent.example')).toEqual([]);
    expect(dns.questions).toHaveLength(asked);
  });

  it('SERVFAIL and silence are no way there, and no error', async () => {
    dns.failing.add('broken.example');
    dns.silent.add('silent.example');
    expect(await located('sip:broken.example:5060')).toEqual([]);
    expect(await located('sip:silent.example:5060')).toEqual([]);
  });

  it('beyond the bound of questions under way a name has no records, and is asked for later', async () => {
    const few = new NameService({ servers: [dns.address], timeoutMs: 200, tries: 1, maxPending: 1 });
    services.push(few);
    dns.a('few.example', '192.0.2.1');
    dns.silent.add('slow.example');
    const slow = few.query('A', 'slow.example');
    expect(await few.query('A', 'few.example')).toEqual([]);
    expect(await slow).toEqual([]);
    expect(await few.query('A', 'few.example')).toEqual(['192.0.2.1']);
  });

  it('the oldest go beyond the bound of entries', async () => {
    const small = new NameService({ servers: [dns.address], maxEntries: 2 });
    services.push(small);
    for (const name of ['e1.example', 'e2.example', 'e3.example', 'e1.example', 'e3.example']) await small.query('A', name);
    expect(dns.questions).toEqual(['A e1.example', 'A e2.example', 'A e3.example', 'A e1.example']);
  });

  it('no question is asked for what is no host name', async () => {
    for (const host of ['-a.example', 'a..example', `${'a'.repeat(64)}`.repeat(4)]) expect(await located(`sip:${host}`)).toEqual([]);
    expect(dns.questions).toEqual([]);
  });
});

describe('RFC 3261 8.1.2: configured next hops', () => {
  const hops = new NextHops([
    { domain: 'example.org', uri: 'sip:one' },
    { domain: '*.example.org', uri: 'sip:two' },
    { domain: '*.a.example.org', uri: 'sip:three' },
  ]);

  it('the closest entry counts', () => {
    expect(hops.find('example.org')).toBe('sip:one');
    expect(hops.find('b.example.org')).toBe('sip:two');
    expect(hops.find('x.a.example.org')).toBe('sip:three');
    expect(hops.find('badexample.org')).toBeUndefined();
    expect(new NextHops([{ domain: '*', uri: 'sip:all' }]).find('[2001:db8::1]')).toBe('sip:all');
    expect(new NextHops([]).find('example.org')).toBeUndefined();
  });
});
