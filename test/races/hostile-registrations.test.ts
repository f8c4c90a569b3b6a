import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent, Sending } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header, headerLines, headerList, type SipMessage } from '../helpers/sip-message.ts';

/** What registrations try that mean harm (RFC 3261 10.3, RFC 3327 5.3, RFC 5626 6). */

let stage: CallStage;
let alice: CallAgent;
let bob: CallAgent;
let cseq = 0;

beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
  bob = await stage.agent('bob');
});
afterEach(() => stage.close());

const plain = { contact: false };

function register(agent: CallAgent, headers: Sending['headers'] = [], user = agent.options.user): Promise<SipMessage> {
  const address = `sip:${user}@example.com`;
  return agent.request('REGISTER', 'sip:example.com', {
    to: `<${address}>`,
    from: `<${agent.address}>;tag=r`,
    callId: `r${++cseq}`,
    headers: [['Expires', '600'], ...headers],
  });
}

const contact = (value: string) => ['Contact', value] as const;

describe('a REGISTER', () => {
  it('of very many contacts binds none of them', async () => {
    for (const count of [21, 500]) {
      const flood = Array.from({ length: count }, (_, i) => contact(`<sip:bob@192.0.2.1:${1000 + i}>`));
      expect((await register(bob, flood)).status).toBe(403);
      expect(headerLines(await register(bob), 'contact')).toEqual([]);
    }
  });

  it.each([
    ['a wildcard among others', [contact('*'), contact('<sip:bob@192.0.2.1>'), ['Expires', '0'] as const], 400],
    ['a wildcard without Expires: 0', [contact('*')], 400],
    ['a q that is none', [contact('<sip:bob@192.0.2.1>;q=1.1')], 400],
    ['a q that is no number', [contact('<sip:bob@192.0.2.1>;q=high')], 400],
    ['a contact of many kilobytes', [contact(`<sip:bob@192.0.2.1;x=${'x'.repeat(5000)}>`)], 403],
    [
      'a Path of many kilobytes',
      [contact('<sip:bob@192.0.2.1>'), ['Supported', 'path'], ['Path', `<sip:x@192.0.2.1;lr;x=${'x'.repeat(5000)}>`]],
      403,
    ],
    ['a Path that cannot be read', [contact('<sip:bob@192.0.2.1>'), ['Supported', 'path'], ['Path', '<sip:192.0.2.1']], 400],
    ['a port that is none', [contact('<sip:bob@192.0.2.1:70000>')], 400],
  ] as const)('with %s is refused and changes nothing', async (_, headers, status) => {
    await bob.register();
    const sent = headers.some(([name]) => name === 'Expires')
      ? bob.request('REGISTER', 'sip:example.com', { to: `<${bob.address}>`, from: `<${bob.address}>;tag=r`, headers: [...headers] })
      : register(bob, headers);
    expect((await sent).status).toBe(status);
    expect(headerLines(await register(bob), 'contact')).toHaveLength(1);
  });

  it.each(['0', '2147483648', '99999999999', '-1', 'x', '1.5'])('with reg-id %s binds a plain contact', async (id) => {
    const instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>"';
    const response = await register(bob, [contact(`<${bob.contact}>;reg-id=${id};${instance}`), ['Supported', 'path, outbound']]);
    expect([response.status, header(response, 'require')]).toEqual([200, undefined]);
  });

  it('with the instance of another user takes nothing from that user', async () => {
    const instance = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>"';
    const flow = [['Supported', 'path, outbound'] as const];
    await bob.register(`;reg-id=1;${instance}`, bob.contact, flow);
    await alice.register(`;reg-id=1;${instance}`, alice.contact, flow);
    expect(headerLines(await register(bob), 'contact')).toHaveLength(1);
    expect((await register(alice, [contact(`<${alice.contact}>`)], 'bob')).status).toBe(403);
    const asked = alice.request('OPTIONS', bob.address);
    (await bob.take('OPTIONS')).answer(200, plain);
    expect((await asked).status).toBe(200);
  });
});

describe('a contact', () => {
  it('adds no method, no header field and no Route to what is sent to it (RFC 3261 19.1.1)', async () => {
    const hidden = '?Route=%3Csip:192.0.2.7%3Blr%3E&Subject=forged&Call-ID=x';
    await register(bob, [contact(`<${bob.contact};method=BYE;keep=1${hidden}>`)]);
    const asked = alice.request('OPTIONS', bob.address);
    const { message } = await bob.take('OPTIONS').then((incoming) => {
      incoming.answer(200, plain);
      return incoming;
    });
    expect([message.requestUri, headerList(message, 'route'), header(message, 'subject')]).toEqual([
      `${bob.contact};keep=1`,
      [],
      undefined,
    ]);
    expect((await asked).status).toBe(200);
  });

  it('that cannot be a SIP target is kept and never tried', async () => {
    expect((await register(bob, [contact('<mailto:bob@example.com>')])).status).toBe(200);
    expect((await alice.request('OPTIONS', bob.address)).status).toBe(480);
  });

  it('in many spellings that all lead back here ends at once, however they fork', async () => {
    const { address, port } = stage.server.sip;
    const spellings = Array.from({ length: 12 }, (_, i) => contact(`<sip:bob@example.com:${port};maddr=${address};x=${i}>`));
    expect((await register(bob, spellings)).status).toBe(200);
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const mute = await stage.registered('carol');
    expect((await zoe.request('OPTIONS', bob.address)).status).toBe(482);
    // The server has time for others.
    const asked = zoe.request('OPTIONS', mute.address);
    (await mute.take('OPTIONS')).answer(200, plain);
    expect((await asked).status).toBe(200);
    await within(20);
  });
});
