import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent, Incoming } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header, headerLines, headerList } from '../helpers/sip-message.ts';

let stage: CallStage;
let alice: CallAgent;

beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
});
afterEach(() => stage.close());

/** Telephones of bob, each with its q. */
async function phones(...qs: string[]): Promise<CallAgent[]> {
  const agents: CallAgent[] = [];
  for (const q of qs) agents.push(await stage.registered('bob', {}, `;q=${q}`));
  return agents;
}

function ringAll(agents: readonly CallAgent[]): Promise<Incoming[]> {
  return Promise.all(agents.map((agent) => agent.take('INVITE')));
}

describe('RFC 3261 16.7: parallel forking among bindings of one q', () => {
  it('the first 2xx wins and the others are cancelled', async () => {
    const agents = await phones('0.5', '0.5', '0.5');
    const call = await alice.invite('sip:bob@example.com');
    const invites = await ringAll(agents);
    const breadths = invites.map(({ message }) => Number(header(message, 'max-breadth')));
    expect(breadths.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(60);
    expect(new Set(invites.map(({ message }) => header(message, 'via')?.split(',')[0])).size).toBe(3);
    for (const invite of invites) invite.answer(180);
    invites[1]?.answer(200);
    const ok = await call.final();
    expect(headerLines(ok, 'contact')[0]).toContain(agents[1]?.contact);
    for (const index of [0, 2]) {
      const cancel = await agents[index]?.take('CANCEL');
      expect(cancel && header(cancel.message, 'reason')).toMatch(/^SIP;cause=200/);
      invites[index]?.answer(487);
      await agents[index]?.take('ACK');
    }
    alice.inDialog('ACK', call.message, ok);
    await agents[1]?.take('ACK');
    expect(agents.flatMap(({ untaken }) => untaken)).toEqual([]);
    expect(call.finals.left).toEqual([]);
  });

  it('a 2xx that crosses the CANCEL is passed on too, and the caller ends that call', async () => {
    const agents = await phones('1', '1');
    const call = await alice.invite('sip:bob@example.com');
    const [first, second] = await ringAll(agents);
    second?.answer(180);
    await call.provisional.next('180');
    first?.answer(200);
    const ok = await call.final();
    await agents[1]?.take('CANCEL');
    second?.answer(200);
    const other = await call.final();
    expect(headerLines(other, 'contact')).not.toEqual(headerLines(ok, 'contact'));
    alice.inDialog('ACK', call.message, other);
    await agents[1]?.take('ACK');
    const bye = alice.inDialog('BYE', call.message, other);
    (await agents[1]?.take('BYE'))?.answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('step 6: of failures the best is passed on, once all have failed', async () => {
    const cases: [number[], number][] = [
      [[486, 404], 404],
      [[500, 486], 486],
      [[486, 301], 301],
      [[404, 484], 484],
      [[503, 480], 480],
      [[408, 486], 486],
    ];
    const agents = await phones('1', '1');
    for (const [statuses, expected] of cases) {
      const call = await alice.invite('sip:bob@example.com');
      const invites = await ringAll(agents);
      invites[0]?.answer(statuses[0] ?? 0, { headers: statuses[0] === 301 ? [['Contact', '<sip:x@y.test>']] : [] });
      await agents[0]?.take('ACK');
      expect(call.done).toBe(false);
      invites[1]?.answer(statuses[1] ?? 0, { headers: statuses[1] === 301 ? [['Contact', '<sip:x@y.test>']] : [] });
      await agents[1]?.take('ACK');
      const { status } = await call.final();
      if (expected === 404 || expected === 486) expect([404, 486]).toContain(status);
      else expect(status).toBe(expected);
    }
  });

  it('step 5: a 6xx cancels the others and is the answer', async () => {
    const agents = await phones('1', '1');
    const call = await alice.invite('sip:bob@example.com');
    const invites = await ringAll(agents);
    invites[1]?.answer(180);
    await call.provisional.next('180');
    invites[0]?.answer(603);
    await agents[0]?.take('ACK');
    await agents[1]?.take('CANCEL');
    expect(call.done).toBe(false);
    invites[1]?.answer(487);
    await agents[1]?.take('ACK');
    expect((await call.final()).status).toBe(603);
  });

  it('step 7: the challenges of all targets are in the answer', async () => {
    const agents = await phones('1', '1');
    const call = await alice.invite('sip:bob@example.com');
    const invites = await ringAll(agents);
    invites[0]?.answer(407, { headers: [['Proxy-Authenticate', 'Digest realm="one", nonce="a"']] });
    invites[1]?.answer(401, { headers: [['WWW-Authenticate', 'Digest realm="two", nonce="b"']] });
    const response = await call.final();
    for (const agent of agents) await agent.take('ACK');
    expect([401, 407]).toContain(response.status);
    expect(headerLines(response, 'proxy-authenticate')).toEqual(['Digest realm="one", nonce="a"']);
    expect(headerLines(response, 'www-authenticate')).toEqual(['Digest realm="two", nonce="b"']);
  });

  it("step 6: a 503 of the last hop is not the sender's, who is told 500", async () => {
    const [phone] = await phones('1');
    const call = await alice.invite('sip:bob@example.com');
    (await phone?.take('INVITE'))?.answer(503, { headers: [['Retry-After', '60']] });
    await phone?.take('ACK');
    const response = await call.final();
    expect([response.status, header(response, 'retry-after')]).toEqual([500, undefined]);
  });

  it('other requests are forked too, and the first 2xx is the only final response', async () => {
    const agents = await phones('1', '1');
    const asked = alice.request('MESSAGE', 'sip:bob@example.com');
    const incoming = await Promise.all(agents.map((agent) => agent.take('MESSAGE')));
    for (const one of incoming) one.answer(200, { contact: false });
    expect((await asked).status).toBe(200);
    await within(100);
  });
});

describe('RFC 3261 16.6: sequential forking by q', () => {
  it('tries the next when all of a higher q have failed', async () => {
    const [low, high, middle] = await phones('0.1', '0.9', '0.5');
    const call = await alice.invite('sip:bob@example.com');
    for (const phone of [high, middle]) {
      const invite = await phone?.take('INVITE');
      expect(low?.untaken).toEqual([]);
      invite?.answer(486);
      await phone?.take('ACK');
      expect(call.done).toBe(false);
    }
    (await low?.take('INVITE'))?.answer(200);
    const ok = await call.final();
    expect(headerLines(ok, 'contact')[0]).toContain(low?.contact);
    alice.inDialog('ACK', call.message, ok);
    await low?.take('ACK');
  });

  it('stops at a 6xx', async () => {
    const [low, high] = await phones('0.1', '0.9');
    const call = await alice.invite('sip:bob@example.com');
    (await high?.take('INVITE'))?.answer(600);
    await high?.take('ACK');
    expect((await call.final()).status).toBe(600);
    expect(low?.untaken).toEqual([]);
  });
});

describe('RFC 5626 7: one instance is one target', () => {
  it('of two contacts of an instance one is asked, the other when there was no way to the first', async () => {
    const instance = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"';
    const one = await stage.agent('bob', { transport: 'tcp' });
    await one.register(`;reg-id=1${instance}`, 'sip:bob@192.0.2.1:5060;transport=tcp;ob', [['Supported', 'path, outbound']]);
    const two = await stage.agent('bob', { transport: 'tcp' });
    await two.register(`;reg-id=2${instance}`, 'sip:bob@192.0.2.1:5060;transport=tcp;ob', [['Supported', 'path, outbound']]);
    const asked = alice.request('MESSAGE', 'sip:bob@example.com');
    const taken = await Promise.race([one.take('MESSAGE', 3000), two.take('MESSAGE', 3000)]);
    taken.answer(486, { contact: false });
    expect((await asked).status).toBe(486);
    expect([...one.untaken, ...two.untaken]).toEqual([]);
  });

  it('a flow that has ended leads nowhere: the sender is told 480, never 430', async () => {
    const bob = await stage.agent('bob', { transport: 'tcp' });
    const instance = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"';
    await bob.register(`;reg-id=1${instance}`, 'sip:bob@192.0.2.1:5060;transport=tcp;ob', [['Supported', 'path, outbound']]);
    const asked = alice.request('OPTIONS', 'sip:bob@example.com');
    await bob.take('OPTIONS');
    bob.socket.disconnect();
    expect((await asked).status).toBe(480);
    expect((await alice.request('OPTIONS', 'sip:bob@example.com')).status).toBe(480);
  });
});

describe('RFC 3327 5.3: a binding with a path', () => {
  it('is reached through it', async () => {
    const edge = await stage.agent('edge', { domain: 'edge.test' });
    const bob = await stage.agent('bob');
    const path = `<${edge.contact.replace('edge@', '')};lr>`;
    await bob.register('', 'sip:bob@192.0.2.7', [
      ['Path', path],
      ['Supported', 'path'],
    ]);
    const asked = alice.request('MESSAGE', 'sip:bob@example.com');
    const incoming = await edge.take('MESSAGE');
    expect([incoming.message.requestUri, headerList(incoming.message, 'route')]).toEqual(['sip:bob@192.0.2.7', [path]]);
    incoming.answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });
});
