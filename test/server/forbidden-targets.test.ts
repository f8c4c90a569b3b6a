import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { forbiddenTargets } from '../../server/forbidden-targets.ts';
import { Locator } from '../../sip/transport/locate.ts';
import { NameService } from '../../sip/transport/name-service.ts';
import { CallAgent } from '../helpers/call-agent.ts';
import { CallStage } from '../helpers/call-stage.ts';
import { NameServer } from '../helpers/name-server.ts';
import { listenerOf } from '../helpers/server.ts';
import { fieldOf, fieldsOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';

type Given = Parameters<typeof forbiddenTargets>[0];
const given = (more: Partial<Given> = {}): Given => ({ forbiddenTargets: ['local'], sip: [{ host: '0.0.0.0', port: 5060 }], nextHops: [], sipTrustedPeers: [], ...more }); // biome-ignore format: one line

describe('forbidden-target', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.255.0.9', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['::ffff:7f00:1', true],
    ['169.254.169.254', true],
    ['fe80::1', true],
    ['192.168.1.20', false],
    ['10.0.0.1', false],
    ['192.0.2.1', false],
    ['2001:db8::1', false],
    ['fd00::1', false],
  ])('local: is %s forbidden to a server of a network? %s', (address, forbidden) => {
    expect(forbiddenTargets(given())(address, address)).toBe(forbidden);
  });

  it.each([
    ['127.0.0.1', [false, true]],
    ['::1', [false, true]],
    ['localhost', [false, true]],
    ['169.254.7.1', [true, false]],
    ['fe80::7', [true, false]],
    ['192.0.2.1', [true, true]],
  ])('local: where SIP is served at %s, the agents are there, too', (host, expected) => {
    const isForbidden = forbiddenTargets(given({ sip: [{ host, port: 5060 }] }));
    expect(['127.0.0.2', '169.254.1.1'].map((address) => isForbidden(address, address))).toEqual(expected);
  });

  it('lets through to where the admin sends requests, and to known peers', () => {
    const nextHops = [
      { domain: 'example.org', uri: 'sip:127.0.0.5:5070' },
      { domain: '*', uri: 'sip:Gateway.Example;transport=tcp' },
    ];
    const isForbidden = forbiddenTargets(given({ nextHops, sipTrustedPeers: ['127.0.0.6'] }));
    expect(isForbidden('127.0.0.5', '127.0.0.5')).toBe(false);
    expect(isForbidden('127.0.0.7', 'gateway.example')).toBe(false);
    expect(isForbidden('127.0.0.6', '127.0.0.6')).toBe(false);
    expect(isForbidden('127.0.0.7', '127.0.0.7')).toBe(true);
  });

  it('keeps nobody out who has come from such an address', async () => {
    const names = new NameService();
    const locator = new Locator({ names, speaks: () => true, isForbidden: forbiddenTargets(given({ forbiddenTargets: ['local', '10.0.0.0/8'] })) }); // biome-ignore format: one line
    for (const [target, near, found] of [
      ['127.0.0.1', [], 0],
      ['127.0.0.1', ['192.0.2.1', undefined], 0],
      ['127.0.0.1', ['192.0.2.1', '127.0.0.9'], 1],
      ['10.0.0.1', ['192.0.2.1'], 0],
      ['10.0.0.1', [undefined, '10.1.1.1'], 1],
      ['[fe80::1]', ['fe80::2%eth0'], 1],
      ['169.254.169.254', ['192.0.2.1'], 0],
    ] as const) {
      expect(await locator.locate(`sip:bob@${target}`, near)).toHaveLength(found);
    }
    names.close();
  });

  it('none: nothing', () => expect(forbiddenTargets(given({ forbiddenTargets: ['none'] }))('127.0.0.1', '127.0.0.1')).toBe(false));
});

const FORBIDDEN = '127.0.0.9';
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

describe('a request to a forbidden target', () => {
  it.each(['uri', 'maddr', 'name', 'route'])('goes nowhere: no connection is opened by %s', async (way) => {
    let connections = 0;
    const listener = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    open.push({ close: () => listener.close() });
    const port = await new Promise<number>((resolve) => listener.listen(0, FORBIDDEN, () => resolve((listener.address() as { port: number }).port))); // biome-ignore format: one line
    const dns = await NameServer.open();
    open.push(dns);
    dns.a('rebound.test', FORBIDDEN);
    const stage = await CallStage.open({ forbiddenTargets: [`${FORBIDDEN}/32`], dnsServers: [dns.address] });
    open.push(stage);
    const alice = await stage.agent('alice');
    const uri = { uri: `sip:x@${FORBIDDEN}:${port};transport=tcp`, maddr: `sip:x@far.test:${port};transport=tcp;maddr=${FORBIDDEN}`, name: `sip:x@rebound.test:${port};transport=tcp`, route: 'sip:x@far.test' }[way] ?? ''; // biome-ignore format: one line
    const route: [string, string][] = way === 'route' ? [['Route', `<sip:${FORBIDDEN}:${port};transport=tcp;lr>`]] : [];
    const headers: [string, string][] = [['Content-Type', 'text/plain'], ...route];
    expect((await alice.request('MESSAGE', uri, { headers, body: 'x' })).status).toBe(502);
    expect(connections).toBe(0);
  });

  it('nor by a Contact, unless the agent has come from there itself', async () => {
    const stage = await CallStage.open({ forbiddenTargets: [FORBIDDEN], auth: 'none' });
    open.push(stage);
    const victim = await UdpPeer.open(stage.server.sip.port, '127.0.0.1', FORBIDDEN);
    const elsewhere = await UdpPeer.open(stage.server.sip.port);
    open.push(victim, elsewhere);
    const register = (from: UdpPeer, contact: UdpPeer, sentBy: string) =>
      from.ask(request({ method: 'REGISTER', sentBy, from: '<sip:bob@example.com>;tag=1', to: '<sip:bob@example.com>', fields: [`Contact: <sip:bob@${FORBIDDEN}:${contact.port}>`] })); // biome-ignore format: one line
    const alice = await stage.agent('alice');
    const headers = [['Content-Type', 'text/plain'] as const];
    // As a proxy that is passed on the way would be: the address in Via is not that of the Contact, which is left as it is.
    expect(statusOf(await register(elsewhere, victim, `127.0.0.1:${elsewhere.port}`))).toBe(200);
    expect((await alice.request('INFO', 'sip:bob@example.com', { headers, body: 'x' })).status).toBe(502);
    expect(victim.inbox.left).toBe(0);
    expect(statusOf(await register(victim, victim, `${FORBIDDEN}:${victim.port}`))).toBe(200);
    const asked = alice.request('INFO', 'sip:bob@example.com', { headers, body: 'x' });
    const got = await victim.inbox.next();
    const copied = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].flatMap((name) => fieldsOf(got, name).map((value) => `${name}: ${value}`));
    expect(fieldOf(got, 'To')).toMatch('bob');
    victim.send(['SIP/2.0 200 OK', ...copied, 'Content-Length: 0', '', ''].join('\r\n').replace(/^(To: [^\r]*)/m, '$1;tag=b'));
    expect((await asked).status).toBe(200);
  });

  it.each([
    ['udp', true],
    ['ws', false],
  ] as const)('by %s from there: a web server in front of us says nothing about where a browser is', async (transport, isTried) => {
    const sip = [{ host: '127.0.0.1', port: 0 }, { host: '127.0.0.1', port: 0, transport: 'ws' as const }]; // biome-ignore format: one line
    const stage = await CallStage.open({ forbiddenTargets: ['127.0.0.0/8'], sip });
    open.push(stage);
    const server = transport === 'ws' ? listenerOf(stage.server, 'WS') : stage.server.sip;
    const alice = await stage.agent('alice', { transport, server });
    // Nobody is there; to be told so takes 32 seconds.
    const call = await alice.invite(`sip:x@${FORBIDDEN}:9`);
    if (isTried) expect((await call.provisional.next('100')).status).toBe(100);
    else expect((await call.final()).status).toBe(502);
  });

  it('the admin’s next hop may be there', async () => {
    const stage = await CallStage.open();
    open.push(stage);
    const zoe = await CallAgent.open({ user: 'zoe', domain: 'far.test', server: stage.server.sip });
    open.push(zoe);
    const { address, port } = zoe.socket.local;
    const forbidding = await CallStage.open({ forbiddenTargets: ['127.0.0.0/8'], nextHops: [{ domain: 'far.test', uri: `sip:${address}:${port}` }] }); // biome-ignore format: one line
    open.push(forbidding);
    const alice = await forbidding.agent('alice');
    const asked = alice.request('MESSAGE', zoe.address, { headers: [['Content-Type', 'text/plain']], body: 'hello' });
    (await zoe.take('MESSAGE')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });
});
