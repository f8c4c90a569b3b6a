import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { CallAgent, CallAgentOptions } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { listenerOf } from '../helpers/server.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import type { PeerTransport, ViaTransport } from '../helpers/sip-socket.ts';

/** RFC 3261 26.2.2: a SIPS URI is reached by TLS on every hop. RFC 7118 5: calls from and to a WebSocket. */

const authority = createAuthority('Test authority');
const own = authority.issue('rollcall', ['DNS:example.com', 'IP:127.0.0.1']);
const phone = authority.issue('phone', ['IP:127.0.0.1']);
let stage: CallStage;

beforeAll(async () => {
  const at = (transport: 'tls' | 'ws' | 'wss') => ({ host: '127.0.0.1', port: 0, transport });
  stage = await CallStage.open({
    sip: [{ host: '127.0.0.1', port: 0 }, at('tls'), at('ws'), at('wss')],
    tlsCertificate: own.certFile,
    tlsKey: own.keyFile,
    tlsAuthorities: authority.file,
  });
});
/** Where nobody listens. */
const CLOSED = { address: '127.0.0.1', port: 9 };
const agents: CallAgent[] = [];
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.request('REGISTER', 'sip:example.com', removing(agent));
});
afterAll(async () => {
  await stage.close();
  authority.remove();
});

function removing({ address }: CallAgent) {
  return { to: `<${address}>`, from: `<${address}>;tag=r`, headers: [['Contact', '*'] as const, ['Expires', '0'] as const] };
}

async function agentBy(user: string, transport: PeerTransport, options: Partial<CallAgentOptions> = {}): Promise<CallAgent> {
  const server = listenerOf(stage.server, transport.toUpperCase() as ViaTransport);
  const agent = await stage.agent(user, { transport, server, tls: { ca: authority.pem, cert: phone.cert, key: phone.key }, ...options });
  if (['alice', 'bob'].includes(user)) agents.push(agent);
  return agent;
}

/** A call set up, used in both directions and ended by the callee. */
async function call(caller: CallAgent, callee: CallAgent, uri: string): Promise<{ readonly routes: readonly string[] }> {
  const invite = await caller.invite(uri);
  const incoming = await callee.take('INVITE');
  incoming.answer(180);
  incoming.answer(200);
  const ok = await invite.final();
  caller.inDialog('ACK', invite.message, ok);
  expect((await callee.take('ACK')).message.requestUri).toBe(callee.contact);
  const info = caller.inDialog('INFO', invite.message, ok);
  (await callee.take('INFO')).answer(200, { contact: false });
  expect((await info.final()).status).toBe(200);
  const bye = callee.backwards('BYE', incoming);
  const ended = await caller.take('BYE');
  expect(ended.message.requestUri).toBe(caller.contact);
  ended.answer(200, { contact: false });
  expect((await bye.final()).status).toBe(200);
  return { routes: headerList(incoming.message, 'record-route') };
}

describe('RFC 3261 26.2.2: sips', () => {
  it('from TLS to TLS, with Record-Route that is SIPS too (16.6 step 4)', async () => {
    const [alice, bob] = [await agentBy('alice', 'tls', { scheme: 'sips' }), await agentBy('bob', 'tls', { scheme: 'sips' })];
    await bob.register();
    const { routes } = await call(alice, bob, 'sips:bob@example.com');
    for (const route of routes) expect(route).toMatch(/^<sips:127\.0\.0\.1:\d+;/);
  });

  it('is not forwarded to a contact that is none', async () => {
    const [alice, bob] = [await agentBy('alice', 'tls'), await agentBy('bob', 'tls')];
    await bob.register();
    expect((await alice.request('OPTIONS', 'sips:bob@example.com')).status).toBe(480);
    expect(bob.untaken).toEqual([]);
  });

  it.each(['tcp', 'ws', 'udp'] as const)('nor, whatever was asked for, over the %s that its contact came by', async (transport) => {
    const [alice, bob] = [await agentBy('alice', 'tls'), await agentBy('bob', transport, { scheme: 'sips', behind: CLOSED })];
    await bob.register();
    for (const scheme of ['sip', 'sips']) {
      const { status } = await alice.request('OPTIONS', `${scheme}:bob@example.com`);
      expect(status).toBeGreaterThanOrEqual(480);
    }
    expect(bob.untaken).toEqual([]);
  });

  it('nor to a next hop that its Route names without TLS (16.6 step 7)', async () => {
    const alice = await agentBy('alice', 'tls');
    const hop = await agentBy('hop', 'udp', { domain: 'hop.test' });
    const route = `<${hop.contact.replace('hop@', '')};lr>`;
    const refused = await alice.request('OPTIONS', 'sips:zoe@elsewhere.test', { headers: [['Route', route]] });
    expect(refused.status).toBeGreaterThanOrEqual(500);
    expect(hop.untaken).toEqual([]);
    const secure = await agentBy('secure', 'tls', { domain: 'hop.test' });
    const { address, port } = secure.socket.local;
    const asked = alice.request('OPTIONS', 'sips:zoe@elsewhere.test', { headers: [['Route', `<sip:${address}:${port};lr>`]] });
    (await secure.take('OPTIONS')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });
});

describe('RFC 7118 5: calls', () => {
  it.each([
    ['wss', 'udp'],
    ['udp', 'wss'],
    ['ws', 'tcp'],
    ['wss', 'ws'],
  ] as const)('from a phone by %s to one by %s, with requests in the dialog both ways', async (from, to) => {
    const [alice, bob] = [await agentBy('alice', from), await agentBy('bob', to)];
    await bob.register();
    const { routes } = await call(alice, bob, bob.address);
    // One Record-Route for each side, in its transport (RFC 7118 5.2 has one name for both kinds of WebSocket).
    const named = (transport: PeerTransport): RegExp =>
      transport === 'udp' ? /^<sip:[^;]*;lr/ : transport === 'tcp' ? /;transport=tcp/ : /;transport=ws/;
    expect([routes.length, routes[0], routes[1]]).toEqual([2, expect.stringMatching(named(to)), expect.stringMatching(named(from))]);
  });

  it('a phone whose WebSocket is gone gets nothing by another way, and the call can be given up', async () => {
    const [alice, bob] = [await agentBy('alice', 'udp'), await agentBy('bob', 'wss')];
    await bob.register();
    const invite = await alice.invite(bob.address);
    await bob.take('INVITE');
    bob.socket.disconnect();
    expect((await invite.final()).status).toBe(480);
  });
});

describe('RFC 5626: flows over UDP', () => {
  const NOWHERE = { address: '192.0.2.9', port: 5060 };

  it('4.3: `ob` in a Contact brings the requests of the dialog back over the flow', async () => {
    const alice = await agentBy('alice', 'udp', { behind: NOWHERE, contactParams: ';ob' });
    const bob = await agentBy('bob', 'udp');
    await bob.register();
    await call(alice, bob, bob.address);
  });

  it('5.3: what is for a binding with a reg-id goes over its flow, and so do the requests of the dialog', async () => {
    const alice = await agentBy('alice', 'udp');
    const bob = await agentBy('bob', 'udp', { behind: NOWHERE, contactParams: ';ob' });
    await bob.register(';reg-id=1;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>"', bob.contact, [
      ['Supported', 'path, outbound'],
    ]);
    await call(alice, bob, bob.address);
  });

  it('5.3: also what is large, for behind a NAT nobody takes a connection', async () => {
    const alice = await agentBy('alice', 'udp');
    const bob = await agentBy('bob', 'udp', { behind: NOWHERE });
    // Somebody else has the port, and says nothing.
    const other = createServer().listen(bob.socket.local.port, '127.0.0.1');
    await once(other, 'listening');
    await bob.register();
    const body = `v=0\r\n${'a=x-long:yes\r\n'.repeat(150)}`;
    const call = await alice.invite(bob.address, { headers: [['Content-Type', 'application/sdp']], body });
    (await bob.take('INVITE')).answer(486);
    expect((await call.final()).status).toBe(486);
    // A MESSAGE of that size must not go so (RFC 3428 8).
    const tcp = await agentBy('alice', 'tcp');
    expect((await tcp.request('MESSAGE', bob.address, { headers: [['Content-Type', 'text/plain']], body: 'x'.repeat(1500) })).status).toBe(
      513,
    );
    await new Promise((resolve) => other.close(resolve));
  });

  it('RFC 3581 4: without `ob` too, where Contact repeats a Via that a NAT has made unreachable', async () => {
    const alice = await agentBy('alice', 'udp', { behind: { address: '10.1.2.3', port: 5062 } });
    const bob = await agentBy('bob', 'udp', { behind: NOWHERE });
    await bob.register();
    await call(alice, bob, bob.address);
    // What has waited comes the same way.
    await bob.request('REGISTER', 'sip:example.com', removing(bob));
    expect((await alice.request('MESSAGE', bob.address, { headers: [['Content-Type', 'text/plain']], body: 'later' })).status).toBe(202);
    await bob.register();
    const message = await bob.take('MESSAGE');
    message.answer(200, { contact: false });
    expect(header(message.message, 'to')).toBe('<sip:bob@example.com>');
    await within(20);
  });
});
