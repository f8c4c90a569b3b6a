import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { CallAgent } from '../helpers/call-agent.ts';
import { within } from '../helpers/call-stage.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../helpers/certificates.ts';
import { Federation, type Side } from '../helpers/federation.ts';
import { LogLines } from '../helpers/log-lines.ts';
import { NameServer } from '../helpers/name-server.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { header, headerList } from '../helpers/sip-message.ts';

/** RFC 5922 7.3 and 7.5, RFC 3261 26.3.2: calls that a proxy takes to another domain by TLS, and never to one that does not prove to be it. */

const authority = createAuthority('Authority of the domains');
const stranger = createAuthority('Authority that nobody knows');
afterAll(() => {
  authority.remove();
  stranger.remove();
});

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

interface Home {
  readonly server: InProcessServer;
  readonly alice: CallAgent;
  readonly log: LogLines;
  readonly dns: NameServer;
}

/** A server of example.com and its user alice, and the DNS, in which `peer.test` is at the port by TLS. */
async function home(port: number, settings: Partial<Config>): Promise<Home> {
  const dns = await NameServer.open();
  open.push({ close: () => dns.close() });
  dns.naptr('peer.test', 1, 1, 's', 'SIPS+D2T', '_sips._tcp.peer.test');
  dns.srv('_sips._tcp.peer.test', 1, 0, port, 'host.peer.test');
  dns.a('host.peer.test', '127.0.0.1');
  const log = new LogLines();
  const server = await startServer({ dnsServers: [dns.address], ...settings }, log.logger);
  open.push({ close: () => server.stop() });
  await server.addUser('alice', 'alice');
  const alice = await CallAgent.open({ user: 'alice', domain: server.domain, server: server.sip, password: 'alice' });
  open.push(alice);
  return { server, alice, log, dns };
}

/** A server of peer.test that takes connections by TLS from whoever proves to be somebody. */
async function peer({ cert, key }: IssuedCertificate, { pem }: Authority = authority): Promise<CallAgent> {
  const agent = await CallAgent.open({
    user: 'zoe',
    domain: 'peer.test',
    server: { address: '127.0.0.1', port: 9 },
    transport: 'tls',
    tls: { ca: pem, cert, key, demanding: true },
  });
  open.push(agent);
  return agent;
}

const ours = () => authority.issue('us', ['DNS:example.com', 'IP:127.0.0.1']);
const secured = ({ certFile, keyFile }: IssuedCertificate): Partial<Config> => ({
  sip: [{ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port: 0, transport: 'tls' }], // biome-ignore format: one line
  tlsCertificate: certFile,
  tlsKey: keyFile,
  tlsAuthorities: authority.file,
});

describe('a call to a domain that is found by TLS', () => {
  it.each([
    ['sip', ['DNS:example.com', 'IP:127.0.0.1'], /^<sip:127\.0\.0\.1:\d+;transport=tls;/],
    ['sips', ['DNS:example.com', 'IP:127.0.0.1'], /^<sips:127\.0\.0\.1:\d+;/],
    ['sip', ['DNS:www.example.net', 'URI:sip:example.com'], /^<sip:example\.com;transport=tls;/],
    ['sips', ['DNS:*.example.com', 'DNS:sip.example.net'], /^<sips:sip\.example\.net:\d+;/],
  ] as const)('goes there by %s: once the certificate names the domain, and ours (%j) names us', async (scheme, names, recorded) => {
    const zoe = await peer(authority.issue('host.peer.test', ['URI:sip:peer.test']));
    const { alice } = await home(zoe.socket.local.port, secured(authority.issue('us', names)));
    const invite = await alice.invite(`${scheme}:zoe@peer.test`);
    const incoming = await zoe.take('INVITE');
    expect(headerList(incoming.message, 'via')[0]).toMatch(/^SIP\/2\.0\/TLS 127\.0\.0\.1:/);
    // RFC 5922 7.5: what comes back to us by it must find its host in our certificate.
    expect(headerList(incoming.message, 'record-route')[0]).toMatch(recorded);
    incoming.answer(180);
    incoming.answer(200);
    const ok = await invite.final();
    expect(ok.status).toBe(200);
    // The Contact is an address, which the certificate does not name; the dialog's peer has proved to be its domain.
    alice.inDialog('ACK', invite.message, ok);
    await zoe.take('ACK');
    zoe.socket.disconnect();
    // Until the server, which runs in this process, has seen it.
    await within(50);
    const bye = alice.inDialog('BYE', invite.message, ok);
    (await zoe.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('goes on to another address in the dialog only where that, too, proves to be the domain', async () => {
    const zoe = await peer(authority.issue('host.peer.test', ['URI:sip:peer.test']));
    const other = await peer(authority.issue('other', ['URI:sip:other.test']));
    const { alice, log } = await home(zoe.socket.local.port, secured(ours()));
    const invite = await alice.invite('sip:zoe@peer.test');
    (await zoe.take('INVITE')).answer(200, { contact: false, headers: [['Contact', `<${other.contact}>`]] });
    const ok = await invite.final();
    const bye = alice.inDialog('BYE', invite.message, ok);
    expect((await bye.final()).status).toBe(500);
    expect(await log.next('TLS connection could not be opened')).toMatchObject({ name: 'peer.test', port: other.socket.local.port });
    expect([zoe.untaken, other.untaken]).toEqual([[], []]);
  });

  it.each([
    ['names another domain', () => authority.issue('peer.test', ['URI:sip:evil.test', 'DNS:peer.test'])],
    ['names only the host that the DNS led to (RFC 5922 7.3)', () => authority.issue('host.peer.test', ['DNS:host.peer.test'])],
    ['is for any name below the domain (RFC 5922 7.2)', () => authority.issue('any', ['DNS:*.test'])],
    ['is signed by somebody we do not know', () => stranger.issue('peer.test', ['URI:sip:peer.test'])],
  ])('is refused, and nothing of it gets there, when the certificate %s', async (_, issue) => {
    const zoe = await peer(issue());
    const { alice, log } = await home(zoe.socket.local.port, secured(ours()));
    const invite = await alice.invite('sip:zoe@peer.test');
    // RFC 3261 16.7 step 6: the 503 of a next hop that cannot be reached is 500 to the caller.
    expect((await invite.final()).status).toBe(500);
    expect(await log.next('TLS connection could not be opened')).toMatchObject({ name: 'peer.test', source: '127.0.0.1' });
    expect(zoe.untaken).toEqual([]);
  });

  it('does not go by what is no TLS when that is all the DNS has, if it is to be secure', async () => {
    const plain = await CallAgent.open({ user: 'zoe', domain: 'peer.test', server: { address: '127.0.0.1', port: 9 }, transport: 'tcp' });
    open.push(plain);
    const { alice, dns } = await home(9, secured(ours()));
    dns.naptr('plain.test', 1, 1, 's', 'SIP+D2T', '_sip._tcp.plain.test');
    dns.srv('_sip._tcp.plain.test', 1, 0, plain.socket.local.port, 'host.peer.test');
    expect((await (await alice.invite('sips:zoe@plain.test')).final()).status).toBeGreaterThanOrEqual(500);
    expect(plain.untaken).toEqual([]);
    const invite = await alice.invite('sip:zoe@plain.test');
    (await plain.take('INVITE')).answer(486);
    expect((await invite.final()).status).toBe(486);
  });

  it('is refused by a peer that wants a certificate when we have none', async () => {
    const zoe = await peer(authority.issue('peer.test', ['URI:sip:peer.test']));
    const { alice } = await home(zoe.socket.local.port, { tlsAuthorities: authority.file });
    expect((await (await alice.invite('sip:zoe@peer.test')).final()).status).toBe(500);
    expect(zoe.untaken).toEqual([]);
  });
});

describe('two servers with certificates of their domains', () => {
  it.each(['tls', 'domains'] as const)(
    'carry a call from user to user, with requests in the dialog from both sides (%s)',
    async (trust) => {
      const federation = await Federation.open(trust);
      open.push(federation);
      const { a, b } = federation;
      const at = async (user: string, { domain, server }: Side): Promise<CallAgent> => {
        await server.addUser(user, user);
        const agent = await CallAgent.open({ user, domain, server: server.sip, password: user });
        open.push(agent);
        return agent;
      };
      const alice = await at('alice', a);
      const bob = await at('bob', b);
      await bob.register();
      const invite = await alice.invite(bob.address);
      const incoming = await bob.take('INVITE');
      expect(headerList(incoming.message, 'via')).toHaveLength(3);
      expect(headerList(incoming.message, 'via')[1]).toMatch(/^SIP\/2\.0\/TLS 127\.0\.0\.2:/);
      expect(header(incoming.message, 'p-asserted-identity')).toBeUndefined();
      incoming.answer(180);
      incoming.answer(200);
      const ok = await invite.final();
      alice.inDialog('ACK', invite.message, ok);
      await bob.take('ACK');
      const info = bob.backwards('INFO', incoming);
      (await alice.take('INFO')).answer(200, { contact: false });
      expect((await info.final()).status).toBe(200);
      // The other server believes whom ours names, so ours asks again who it is.
      const terms = { headers: [['Contact', `<${alice.contact}>`] as const] };
      const asked = await alice.inDialog('INVITE', invite.message, ok, terms).final();
      expect(asked.status).toBe(407);
      const target = bob.contact;
      const reinvite = alice.inDialog('INVITE', invite.message, ok, alice.authorized('INVITE', target, asked, terms));
      (await bob.take('INVITE')).answer(200);
      alice.inDialog('ACK', reinvite.message, await reinvite.final());
      await bob.take('ACK');
      const bye = bob.backwards('BYE', incoming);
      (await alice.take('BYE')).answer(200, { contact: false });
      expect((await bye.final()).status).toBe(200);
    },
  );
});
