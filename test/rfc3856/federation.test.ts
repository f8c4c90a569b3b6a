import { afterEach, describe, expect, it } from 'vitest';
import { Federation, type Trust } from '../helpers/federation.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import { fieldsOf, request, statusOf, TcpPeer, UdpPeer } from '../rfc3261/peer.ts';
import { TlsPeer } from '../rfc5922/tls-peer.ts';
import { pidf, rulesDocument, rulesPath } from '../scenarios/documents.ts';

/** RFC 3856 7, RFC 3325, RFC 5922: presence between domains, by identities that TLS or a trusted peer vouches for. */

let federation: Federation;
const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) one.close();
  await federation.close();
});

/** A rule for everybody of a domain, with everything shown. */
const domainRule = (domain: string, handling: string): string => `<cr:rule id="d-${handling}">
  <cr:conditions><cr:identity><cr:many domain="${domain}"/></cr:identity></cr:conditions>
  <cr:actions><sub-handling>${handling}</sub-handling></cr:actions>
  <cr:transformations><provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons>
    <provide-devices><all-devices/></provide-devices><provide-all-attributes/></cr:transformations>
</cr:rule>`;

describe.each([
  ['mutual TLS', 'tls'],
  ['mutual TLS with certificates that name no addresses', 'domains'],
  ['P-Asserted-Identity of trusted peers', 'peers'],
] as const)('two servers that know each other by %s', (_, trust) => {
  it('let a user of one domain watch a user of the other, whose rules decide', async () => {
    federation = await Federation.open(trust);
    const { a, b } = federation;
    const alice = await a.peer('alice');
    const bob = await b.peer('bob');
    const rules = await b.xcap('bob');
    await rules.put(rulesPath('bob'), rulesDocument(domainRule('a.test', 'allow')));
    expect((await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 })).status).toBe(200);

    const watch = await alice.subscribe(bob.address, { expires: 600, notifier: Federation.listener(b, trust) });
    expect([watch.response.status, watch.granted]).toEqual([200, 600]);
    const first = await watch.notify();
    expect([first.state, readPidf(first.body).tuples[0]?.basic]).toEqual(['active', 'open']);
    // RFC 6665 4.3, 4.4.1: the route set of the NOTIFY is that of the answer.
    expect(headerList(first.message, 'record-route')).toEqual(watch.routeSet);
    expect(watch.routeSet.length).toBeGreaterThan(0);
    await bob.publish(pidf(bob.address, { basic: 'closed' }), { expires: 600 });
    expect(readPidf((await watch.notify()).body).tuples.map(({ basic }) => basic)).toContain('closed');

    // Refresh, by the same way; then the rules change, and the watcher is told at once.
    expect((await watch.refresh(300)).status).toBe(200);
    expect((await watch.notify()).state).toBe('active');
    await rules.put(rulesPath('bob'), rulesDocument(domainRule('c.test', 'allow')));
    expect((await watch.notify()).state).toBe('pending');
    await rules.put(rulesPath('bob'), rulesDocument(domainRule('a.test', 'block')));
    const last = await watch.notify();
    expect([last.state, last.reason]).toEqual(['terminated', 'rejected']);
    expect((await alice.subscribe(bob.address, { notifier: Federation.listener(b, trust) })).response.status).toBe(403);
  });

  it('name the watcher to the watched user', async () => {
    federation = await Federation.open(trust);
    const { a, b } = federation;
    const alice = await a.peer('alice');
    const bob = await b.peer('bob');
    const winfo = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
    await winfo.notify();
    const watch = await alice.subscribe(bob.address, { expires: 600, notifier: Federation.listener(b, trust) });
    expect((await watch.notify()).state).toBe('pending');
    const told = await winfo.notify();
    expect(told.body).toContain('sip:alice@a.test');
    expect(told.body).toContain('status="pending"');
    expect((await watch.unsubscribe()).status).toBe(200);
    expect((await watch.notify()).state).toBe('terminated');
  });

  it('let nobody publish for a user of the other domain (RFC 3903 6), nor for one of their own there', async () => {
    federation = await Federation.open(trust);
    const { a, b } = federation;
    const alice = await a.peer('alice');
    const bob = await b.peer('bob');
    const body = pidf(bob.address, { basic: 'open' });
    expect((await alice.publish(body, { uri: bob.address, expires: 60, byProxy: true })).status).toBe(403);
    expect((await alice.publish(pidf('sip:alice@b.test', { basic: 'open' }), { uri: 'sip:alice@b.test', byProxy: true })).status).toBe(404);
  });

  it('ask their own users who they are before they vouch for them', async () => {
    federation = await Federation.open(trust);
    const { a, b } = federation;
    await a.peer('alice');
    await b.peer('bob');
    const thief = await UdpPeer.open(a.server.sip.port, a.address, '127.0.0.1');
    closing.push(thief);
    const subscribe = (fields: string[] = []) =>
      request({
        method: 'SUBSCRIBE',
        uri: 'sip:bob@b.test',
        from: '<sip:alice@a.test>;tag=f1',
        to: '<sip:bob@b.test>',
        fields: ['Event: presence', 'Contact: <sip:alice@127.0.0.1:9>', ...fields],
      });
    expect(statusOf(await thief.ask(subscribe()))).toBe(407);
    expect(statusOf(await thief.ask(subscribe(['P-Asserted-Identity: <sip:alice@a.test>'])))).toBe(407);
  });

  it('vouch for nobody in a dialog that somebody else has begun', async () => {
    federation = await Federation.open(trust);
    const { a, b } = federation;
    const alice = await a.peer('alice');
    const bob = await b.peer('bob');
    let route = '';
    alice.answers.set('REFER', (message) => {
      route = header(message, 'record-route') ?? '';
      return 202;
    });
    bob.answers.set('MESSAGE', () => 200);
    await alice.register();
    await bob.register();
    // A stranger may send to a user here, and so learns of a Route that our server takes for one of its dialogs.
    const stranger = await UdpPeer.open(a.server.sip.port, a.address, '127.0.0.1');
    closing.push(stranger);
    const callId = `stranger-${trust}`;
    const begun = request({
      method: 'REFER',
      uri: alice.address,
      to: `<${alice.address}>`,
      from: '<sip:zoe@elsewhere.test>;tag=z1',
      callId,
      fields: ['Contact: <sip:zoe@127.0.0.1:9>', 'Refer-To: <sip:x@y.test>'],
    });
    expect(statusOf(await stranger.ask(begun))).toBe(202);
    expect(route).toContain(';lr');
    const asAlice = request({
      method: 'MESSAGE',
      uri: bob.address,
      to: `<${bob.address}>;tag=any`,
      from: `<${alice.address}>;tag=z1`,
      callId,
      cseq: '2 MESSAGE',
      fields: [`Route: ${route}`, 'Content-Type: text/plain', 'Content-Length: 2'],
      body: 'hi',
    });
    expect(statusOf(await stranger.ask(asAlice))).toBe(407);
  });
});

describe('an impostor', () => {
  const asAlice = (transport: string, fields: string[] = []): string =>
    request({
      method: 'SUBSCRIBE',
      uri: 'sip:bob@b.test',
      transport,
      from: '<sip:alice@a.test>;tag=f1',
      to: '<sip:bob@b.test>',
      fields: ['Event: presence', `Contact: <sip:alice@127.0.0.1:9;transport=${transport.toLowerCase()}>`, ...fields],
    });
  const ASSERTED = ['P-Asserted-Identity: <sip:alice@a.test>'];

  async function start(trust: Trust): Promise<Federation['b']> {
    federation = await Federation.open(trust);
    await federation.b.peer('bob');
    return federation.b;
  }

  it.each([
    ['of another domain', ['DNS:c.test']],
    ['of no domain', []],
    ['of a name below', ['DNS:sip.a.test']],
    ['of a wildcard', ['DNS:*.test']],
    ['of our own domain, whose users have passwords', ['DNS:b.test']],
  ] as const)('with the certificate %s is asked for a password, whatever it asserts (RFC 5922 7)', async (_, names) => {
    const b = await start('tls');
    const { cert, key } = federation.authority.issue('c.test', names);
    const { port } = Federation.listener(b, 'tls');
    const peer = await TlsPeer.listen({ cert, key, ca: federation.authority.pem });
    closing.push(peer);
    const socket = await peer.connect(port, { cert, key, ca: federation.authority.pem }, b.address);
    for (const fields of [[], ASSERTED]) {
      socket.write(asAlice('TLS', fields));
      expect(statusOf(await peer.inbox.next())).toBe(401);
    }
  });

  it('with the certificate of the domain is taken at its word, for its own users alone', async () => {
    const b = await start('tls');
    const { cert, key } = federation.authority.issue('a.test', ['DNS:a.test']);
    const peer = await TlsPeer.listen({ cert, key, ca: federation.authority.pem });
    closing.push(peer);
    const socket = await peer.connect(Federation.listener(b, 'tls').port, { cert, key, ca: federation.authority.pem }, b.address);
    socket.write(asAlice('TLS').replaceAll('alice@a.test', 'alice@c.test'));
    expect(statusOf(await peer.inbox.next())).toBe(401);
    socket.write(asAlice('TLS').replaceAll('alice@a.test', 'bob@b.test'));
    expect(statusOf(await peer.inbox.next())).toBe(401);
    socket.write(asAlice('TLS'));
    expect(statusOf(await peer.inbox.next())).toBe(200);
    // And is told there.
    expect(await peer.inbox.next()).toMatch(/^NOTIFY sip:alice@127\.0\.0\.1:9;transport=tls SIP\/2\.0\r\n/);
  });

  it('at no trusted address is asked for a password, by UDP and TCP', async () => {
    const b = await start('peers');
    const udp = await UdpPeer.open(b.server.sip.port, b.address, '127.0.0.4');
    const tcp = await TcpPeer.open(b.server.sip.port, b.address);
    closing.push(udp, tcp);
    for (const fields of [[], ASSERTED]) {
      expect(statusOf(await udp.ask(asAlice('UDP', fields)))).toBe(401);
      expect(statusOf(await tcp.ask(asAlice('TCP', fields)))).toBe(401);
    }
  });

  it('without any trust between the servers nobody is believed', async () => {
    federation = await Federation.open('none');
    const { a, b } = federation;
    await b.peer('bob');
    const alice = await a.peer('alice');
    const refused = await alice.request({
      method: 'SUBSCRIBE',
      uri: 'sip:bob@b.test',
      byProxy: true,
      headers: [
        ['Event', 'presence'],
        ['Contact', `<${alice.contact}>`],
      ],
    });
    expect(refused.status).toBe(401);
    expect(header(refused, 'www-authenticate')).toContain('realm="b.test"');
  });

  it('is told no more of the sender than it may know: no P-Asserted-Identity to who is not trusted', async () => {
    federation = await Federation.open('peers');
    const { a } = federation;
    const alice = await a.peer('alice');
    const outside = await UdpPeer.open(a.server.sip.port, a.address, '127.0.0.5');
    closing.push(outside);
    const asked = alice.request({ method: 'OPTIONS', uri: `sip:zoe@127.0.0.5:${outside.port}`, timeout: 3000, byProxy: true });
    const relayed = await outside.inbox.next();
    expect(fieldsOf(relayed, 'P-Asserted-Identity')).toEqual([]);
    const copied = relayed.split('\r\n').filter((line) => /^(Via|From|To|Call-ID|CSeq):/i.test(line));
    const tagged = copied.map((line) => (/^To:/i.test(line) ? `${line};tag=o1` : line));
    outside.send(['SIP/2.0 200 OK', ...tagged, 'Content-Length: 0', '', ''].join('\r\n'));
    expect((await asked).status).toBe(200);
  });
});
