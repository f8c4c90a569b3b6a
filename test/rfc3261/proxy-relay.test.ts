import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CallAgent } from '../helpers/call-agent.ts';
import { type InProcessServer, startServer, TEST_DOMAIN } from '../helpers/server.ts';
import { changedOnTheWay } from '../helpers/sip-checks-forwarded.ts';
import { header, headerList } from '../helpers/sip-message.ts';

let server: InProcessServer;
let agents: CallAgent[] = [];

async function agent(user: string, transport: 'udp' | 'tcp' = 'udp'): Promise<CallAgent> {
  const opened = await CallAgent.open({ user, domain: TEST_DOMAIN, server: server.sip, transport, password: user });
  agents.push(opened);
  return opened;
}

beforeEach(async () => {
  server = await startServer();
  for (const user of ['alice', 'bob']) await server.addUser(user, user);
});
afterEach(async () => {
  const closed = await Promise.allSettled(agents.map((one) => one.close()));
  agents = [];
  await server.stop();
  for (const one of closed) if (one.status === 'rejected') throw one.reason;
});

describe('RFC 3261 16: a request to a user', () => {
  it('goes to the binding, and its response the same way back', async () => {
    const alice = await agent('alice');
    const bob = await agent('bob');
    await bob.register();
    const asked = alice.request('MESSAGE', bob.address, {
      headers: [
        ['Content-Type', 'text/plain'],
        ['X-Odd', 'a;b="c,d"'],
      ],
      body: 'hello',
    });
    const { message } = await bob.take('MESSAGE').then((incoming) => {
      incoming.answer(200, { contact: false, headers: [['X-Back', 'yes']] });
      return incoming;
    });
    const response = await asked;
    expect(response.status).toBe(200);
    expect(header(response, 'x-back')).toBe('yes');
    expect(headerList(response, 'via')).toHaveLength(1);
    expect(message.requestUri).toBe(bob.contact);
    const sent = alice.transcript.entries.findLast(({ direction }) => direction === 'sent')?.message;
    if (!sent) throw new Error('nothing was sent');
    expect(changedOnTheWay(sent, message)).toEqual([]);
  });

  it('makes a call: 100 hop by hop, 180 and 200 passed on, ACK and BYE by the recorded route', async () => {
    const alice = await agent('alice');
    const bob = await agent('bob');
    await bob.register();
    const call = await alice.invite(bob.address, { headers: [['Content-Type', 'application/sdp']], body: 'v=0\r\n' });
    const invite = await bob.take('INVITE');
    expect(changedOnTheWay(call.message, invite.message)).toEqual([]);
    invite.answer(100);
    invite.answer(180);
    expect((await call.provisional.next('180')).status).toBe(180);
    invite.answer(200);
    const ok = await call.final();
    expect(ok.status).toBe(200);
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    const bye = alice.inDialog('BYE', call.message, ok);
    (await bob.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
    expect(bob.untaken).toEqual([]);
  });
});
