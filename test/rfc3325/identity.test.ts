import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { header, headerLines, type SipMessage } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { fieldsOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { Stage } from '../scenarios/stage.ts';

const GATEWAY = '127.0.0.2';
const ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=a1';

let stage: Stage;
let alice: SipPeer;
let bob: SipPeer;
/** An element at an address that the admin trusts, and one elsewhere. */
let gateway: UdpPeer;
let stranger: UdpPeer;
const received: SipMessage[] = [];

beforeAll(async () => {
  stage = new Stage();
  const server = await stage.boot({ sipTrustedPeers: [`${GATEWAY}/32`] });
  alice = await stage.peer('alice');
  bob = await stage.peer('bob');
  alice.answers.set('MESSAGE', (message) => {
    received.push(message);
    return 200;
  });
  expect((await alice.register()).status).toBe(200);
  gateway = await UdpPeer.open(server.sip.port, '127.0.0.1', GATEWAY);
  stranger = await UdpPeer.open(server.sip.port);
});
afterAll(async () => {
  gateway.close();
  stranger.close();
  await stage.close();
});

const asserted = (user: string) => `P-Asserted-Identity: "${user}" <${stage.address(user)}>`;
const from = (user: string) => `<${stage.address(user)}>;tag=f1`;

async function ask(peer: UdpPeer, method: string, parts: { uri?: string; from: string; fields?: string[] }): Promise<string> {
  const fields = ['Contact: <sip:x@127.0.0.2:9>', ...(parts.fields ?? [])];
  const uri = parts.uri ?? `sip:${stage.server.domain}`;
  const to = method === 'REGISTER' ? `<${stage.address('carol')}>` : `<${uri}>`;
  return peer.ask(request({ method, uri, to, from: parts.from, fields }));
}

describe('RFC 3325 5: trusted peers', () => {
  it('need no password: whom they assert is whom the request is from', async () => {
    await stage.user('carol');
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol'), fields: [asserted('carol')] }))).toBe(200);
    expect(statusOf(await ask(gateway, 'REGISTER', { from: ANONYMOUS, fields: [asserted('carol')] }))).toBe(200);
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol'), fields: [asserted('bob')] }))).toBe(403);
  });

  it('without an assertion vouch for nobody: From proves nothing, not even an admin', async () => {
    await stage.admin();
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol') }))).toBe(401);
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('boss') }))).toBe(401);
    for (const method of ['SUBSCRIBE', 'PUBLISH']) {
      const response = await ask(gateway, method, { uri: stage.address('carol'), from: from('boss'), fields: ['Event: presence'] });
      expect([method, statusOf(response)]).toEqual([method, 401]);
    }
    // Asserted, it is the admin.
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('boss'), fields: [asserted('boss')] }))).toBe(200);
    // An empty assertion is none that could be read.
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('boss'), fields: ['P-Asserted-Identity: '] }))).toBe(400);
  });

  it('without an assertion may send to users here, as somebody unknown, and to nobody else', async () => {
    received.length = 0;
    const text = ['Content-Type: text/plain', 'Content-Length: 2'];
    const message = (uri: string, fields: string[] = []) =>
      gateway.ask(request({ method: 'MESSAGE', uri, to: `<${uri}>`, from: from('boss'), fields: [...fields, ...text], body: 'hi' }));
    expect(statusOf(await message(alice.address))).toBe(200);
    expect(received.map((each) => headerLines(each, 'p-asserted-identity'))).toEqual([[]]);
    expect(statusOf(await message('sip:zoe@127.0.0.9'))).toBe(403);
  });

  it('assert what a phone here, which is not trusted, is told, but not of who wants to be private (5, 7)', async () => {
    received.length = 0;
    const text = ['Content-Type: text/plain', 'Content-Length: 2'];
    for (const privacy of [[], ['Privacy: none'], ['Privacy: id'], ['Privacy: header', 'Privacy: user; ID']]) {
      const uri = alice.address;
      const fields = [asserted('carol'), ...privacy, ...text];
      expect(statusOf(await gateway.ask(request({ method: 'MESSAGE', uri, to: `<${uri}>`, from: ANONYMOUS, fields, body: 'hi' })))).toBe(
        200,
      );
    }
    const told = asserted('carol').replace('P-Asserted-Identity: ', '');
    expect(received.map((each) => headerLines(each, 'p-asserted-identity'))).toEqual([[told], [told], [], []]);
  });

  it('of several assertions the first that is a user here counts, else the first (9.1)', async () => {
    const tel = 'P-Asserted-Identity: <tel:+15551234>';
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol'), fields: [tel, asserted('carol')] }))).toBe(200);
    const one = `P-Asserted-Identity: <tel:+15551234>, <${stage.address('carol')}>`;
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol'), fields: [one] }))).toBe(200);
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol'), fields: [asserted('bob'), asserted('carol')] }))).toBe(403);
    const foreign = ['P-Asserted-Identity: <sip:zoe@elsewhere.test>', tel];
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol'), fields: foreign }))).toBe(403);
  });

  it('may put a Path into the REGISTER of an agent that knows nothing of it (RFC 3327 5.3)', async () => {
    const path = `<sip:${GATEWAY}:5070;lr>`;
    const response = await ask(gateway, 'REGISTER', { from: from('carol'), fields: [asserted('carol'), `Path: ${path}`] });
    expect([statusOf(response), fieldsOf(response, 'Path')]).toEqual([200, [path]]);
  });

  it('an assertion that cannot be read is answered 400', async () => {
    expect(statusOf(await ask(gateway, 'REGISTER', { from: from('carol'), fields: ['P-Asserted-Identity: <sip:carol'] }))).toBe(400);
  });

  it('from anywhere else an assertion proves nothing, and is not passed on', async () => {
    expect(statusOf(await ask(stranger, 'REGISTER', { from: from('carol'), fields: [asserted('carol')] }))).toBe(401);
    received.length = 0;
    const sent = await bob.request({
      method: 'MESSAGE',
      uri: alice.address,
      headers: [
        ['P-Asserted-Identity', `<${stage.address('carol')}>`],
        ['P-Preferred-Identity', `<${stage.address('carol')}>`],
        ['Content-Type', 'text/plain'],
      ],
      body: 'hello',
    });
    expect(sent.status).toBe(200);
    expect(received).toHaveLength(1);
    for (const message of received) {
      expect(headerLines(message, 'p-asserted-identity')).toEqual([]);
      expect(headerLines(message, 'p-preferred-identity')).toEqual([]);
    }
  });
});

describe('RFC 3261 22 and 26.3.2.4: whose From', () => {
  const asEve = (peer: SipPeer, method: string, uri: string, headers: [string, string][] = [], body?: string) =>
    peer.request({ method, uri, from: `<${stage.address('eve')}>;tag=e1`, headers, ...(body === undefined ? {} : { body }) });

  it.each([
    ['REGISTER', [['Contact', '<sip:x@127.0.0.1:9>']]],
    ['SUBSCRIBE', [['Event', 'presence']]],
    ['PUBLISH', [['Event', 'presence']]],
    ['MESSAGE', [['Content-Type', 'text/plain']]],
    ['INVITE', []],
  ] as const)('%s from another than the authenticated user is 403', async (method, headers) => {
    const uri = method === 'REGISTER' ? `sip:${stage.server.domain}` : alice.address;
    const fields: [string, string][] = [...headers.map(([name, value]): [string, string] => [name, value])];
    if (method === 'SUBSCRIBE' || method === 'INVITE') fields.push(['Contact', `<${bob.contact}>`]);
    const response = await asEve(bob, method, uri, fields, method === 'MESSAGE' ? 'hello' : undefined);
    expect(response.status).toBe(403);
  });

  it('who is anonymous takes nobody else’s name (RFC 3323)', async () => {
    received.length = 0;
    const sent = await bob.request({
      method: 'MESSAGE',
      uri: alice.address,
      from: ANONYMOUS,
      headers: [['Content-Type', 'text/plain']],
      body: 'guess who',
    });
    expect(sent.status).toBe(200);
    expect(header(received[0] as SipMessage, 'from')).toBe(ANONYMOUS);
  });

  it('REGISTER for another user is for admins alone (third-party registration)', async () => {
    const contact = '<sip:forwarded@192.0.2.1>';
    const register = (peer: SipPeer) =>
      peer.request({ method: 'REGISTER', uri: `sip:${stage.server.domain}`, to: `<${alice.address}>`, headers: [['Contact', contact]] });
    expect((await register(bob)).status).toBe(403);
    const boss = await stage.admin();
    const response = await register(boss);
    expect([response.status, headerLines(response, 'contact').some((value) => value.includes('forwarded@192.0.2.1'))]).toEqual([200, true]);
    await boss.request({
      method: 'REGISTER',
      uri: `sip:${stage.server.domain}`,
      to: `<${alice.address}>`,
      headers: [['Contact', `${contact};expires=0`]],
    });
  });

  it('ACK and CANCEL are never challenged', async () => {
    const cancel = await stranger.ask(request({ method: 'CANCEL', uri: alice.address, from: from('bob'), to: `<${alice.address}>` }));
    expect(statusOf(cancel)).toBe(481);
    stranger.send(request({ method: 'ACK', uri: alice.address, from: from('bob'), to: `<${alice.address}>;tag=x` }));
    // Nothing answers an ACK: the next response is that of the next request.
    expect(fieldsOf(await stranger.ask(request({ method: 'OPTIONS', uri: `sip:${stage.server.domain}` })), 'CSeq')).toEqual(['1 OPTIONS']);
  });
});

it('sip-from any: whoever has logged in may write any From', async () => {
  const other = new Stage();
  try {
    await other.boot({ sipFrom: 'any' });
    const carol = await other.peer('carol');
    const response = await carol.subscribe(carol.address, { event: 'reg' });
    expect(response.response.status).toBe(200);
    const borrowed = await carol.request({
      method: 'REGISTER',
      uri: `sip:${other.server.domain}`,
      from: `<${other.address('dave')}>;tag=d1`,
      to: `<${carol.address}>`,
      headers: [['Contact', `<${carol.contact}>`]],
    });
    expect(borrowed.status).toBe(200);
  } finally {
    await other.close();
  }
});
