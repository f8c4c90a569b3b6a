import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header, headerLines, headerList } from '../helpers/sip-message.ts';
import { TcpPeer } from '../rfc3261/peer.ts';

const INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"';
/** An address that leads nowhere, as an agent behind a NAT may name it. */
const NOWHERE = { address: '192.0.2.9', port: 5060 };
const plain = { contact: false };

let stage: CallStage;
let alice: CallAgent;
beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
});
afterEach(() => stage.close());

/** A flow of bob's only phone. */
async function flow(regId: number, transport: 'tcp' | 'udp' = 'tcp', params = ''): Promise<CallAgent> {
  const agent = await stage.agent('bob', { transport, behind: NOWHERE, contactParams: ';ob' });
  await agent.register(`;reg-id=${regId};${INSTANCE}${params}`, agent.contact, [['Supported', 'path, outbound']]);
  return agent;
}

const BOB = 'sip:bob@example.com';

describe('RFC 5626 7: an instance with two flows', () => {
  it.each([486, 404, 500, 603])('that answers %i has answered: its other flow is not asked', async (status) => {
    const flows = [await flow(1, 'tcp', ';q=0.9'), await flow(2, 'tcp', ';q=0.8')];
    const asked = alice.request('OPTIONS', BOB);
    const answered = await Promise.race(flows.map((one) => one.take('OPTIONS').then((incoming) => ({ one, incoming }), () => new Promise<never>(() => {})))); // biome-ignore format: one line
    answered.incoming.answer(status, plain);
    expect((await asked).status).toBe(status);
    await within(50);
    for (const one of flows) expect(one.untaken).toEqual([]);
  });

  it.each([408, 430])('is asked over the other when one answers %i', async (status) => {
    const [first, second] = [await flow(1, 'tcp', ';q=0.9'), await flow(2, 'tcp', ';q=0.8')];
    const asked = alice.request('OPTIONS', BOB);
    (await first.take('OPTIONS')).answer(status, plain);
    (await second.take('OPTIONS')).answer(200, plain);
    expect((await asked).status).toBe(200);
  });

  it('is never asked over both at once', async () => {
    const flows = [await flow(1), await flow(2), await flow(3)];
    const asked = alice.request('OPTIONS', BOB);
    await within(100);
    const asking = flows.filter((one) => one.untaken.length > 0);
    expect(asking).toHaveLength(1);
    (await (asking[0] as CallAgent).take('OPTIONS')).answer(200, plain);
    expect((await asked).status).toBe(200);
  });

  it('is asked over the flow that is left when one has ended, and not at all when none is', async () => {
    const [first, second] = [await flow(1, 'tcp', ';q=0.9'), await flow(2, 'tcp', ';q=0.8')];
    first.socket.disconnect();
    await within(50);
    const asked = alice.request('OPTIONS', BOB);
    (await second.take('OPTIONS')).answer(200, plain);
    expect((await asked).status).toBe(200);
    second.socket.disconnect();
    await within(50);
    expect((await alice.request('OPTIONS', BOB)).status).toBe(480);
  });
});

describe('RFC 5626 6, 7: the flow of a registration', () => {
  it.each(['tcp', 'udp'] as const)('is where requests go, wherever the Contact leads (%s)', async (transport) => {
    const bob = await flow(1, transport);
    const asked = alice.request('OPTIONS', BOB);
    const { message } = await bob.take('OPTIONS').then((incoming) => {
      incoming.answer(200, plain);
      return incoming;
    });
    expect(message.requestUri).toBe(bob.contact);
    expect(headerList(message, 'route')).toEqual([]);
    expect((await asked).status).toBe(200);
  });

  it('is that of the last REGISTER', async () => {
    const old = await flow(1);
    const now = await flow(1);
    const asked = alice.request('OPTIONS', BOB);
    (await now.take('OPTIONS')).answer(200, plain);
    expect((await asked).status).toBe(200);
    expect(old.untaken).toEqual([]);
  });
});

describe('RFC 5626 5.3: requests of a dialog', () => {
  it('go over the flow both ways, and nothing else may name it', async () => {
    const bob = await flow(1);
    const caller = await stage.agent('alice', { transport: 'tcp', behind: NOWHERE, contactParams: ';ob' });
    const invite = await caller.invite(BOB);
    const incoming = await bob.take('INVITE');
    incoming.answer(200);
    const ok = await invite.final();
    caller.inDialog('ACK', invite.message, ok);
    await bob.take('ACK');
    const info = bob.backwards('INFO', incoming);
    (await caller.take('INFO')).answer(200, plain);
    expect((await info.final()).status).toBe(200);
    // 5.3.1: a token that somebody has changed is worth nothing.
    const stranger = await stage.agent('zoe', { domain: 'elsewhere.test' });
    for (const route of headerList(incoming.message, 'record-route')) {
      for (const forged of [route.replace(/rct=[0-9a-f]/, 'rct=x'), route.replace(/rcf=[^;>]*/, 'rcf=u3132372e302e302e31.9')]) {
        const sent = stranger.send('INFO', 'sip:bob@192.0.2.9;ob', { to: '<sip:bob@example.com>;tag=1', headers: [['Route', forged]] });
        expect((await sent.final()).status).toBeGreaterThanOrEqual(400);
      }
    }
    const bye = bob.backwards('BYE', incoming);
    (await caller.take('BYE')).answer(200, plain);
    expect((await bye.final()).status).toBe(200);
    expect([bob.untaken, caller.untaken]).toEqual([[], []]);
  });
});

describe('RFC 5626 5.4: keep-alives over a connection', () => {
  it('a double CRLF between messages gets a CRLF at once, a single one nothing, and messages are not disturbed', async () => {
    const peer = await TcpPeer.open(stage.server.sip.port);
    peer.send('\r\n\r\n');
    expect(await peer.inbox.next()).toBe('\r\n');
    const options = (n: number) => `OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKping${n}\r\nMax-Forwards: 70\r\nFrom: <sip:zoe@elsewhere.test>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: ping${n}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`; // biome-ignore format: one line
    peer.send(`\r\n${options(1)}\r\n\r\n${options(2)}`);
    const got = [await peer.inbox.next(), await peer.inbox.next(), await peer.inbox.next()];
    expect(got.filter((message) => message === '\r\n')).toHaveLength(1);
    expect(got.filter((message) => message.startsWith('SIP/2.0 200'))).toHaveLength(2);
    await within(50);
    expect(peer.inbox.left).toBe(0);
    peer.close();
  });
});

describe('RFC 5626 11: names', () => {
  it('11.4: the option tag stands in Supported, and may be required', async () => {
    const options = await alice.request('OPTIONS', 'sip:example.com');
    expect(headerList(options, 'supported')).toContain('outbound');
    const bob = await stage.agent('bob', { transport: 'tcp' });
    const response = await bob.register(`;reg-id=1;${INSTANCE}`, bob.contact, [['Supported', 'path, outbound'], ['Require', 'outbound']]); // biome-ignore format: one line
    expect([header(response, 'require'), headerLines(response, 'flow-timer').length]).toEqual(['outbound', 1]);
  });
});
