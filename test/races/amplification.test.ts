import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header } from '../helpers/sip-message.ts';

/** RFC 5393 5: how much of one request can be made by those who register contacts. */

const USERS = ['u1', 'u2', 'u3', 'u4', 'u5', 'u6', 'u7'];
const MAX_BREADTH = 60;
let stage: CallStage;
let zoe: CallAgent;
beforeEach(async () => {
  stage = await CallStage.open({}, [...USERS, 'bob']);
  zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
});
afterEach(() => stage.close());

/** INVITEs that the server has taken in and not forgotten yet (32 seconds). */
async function taken(): Promise<number> {
  const { http } = stage.server;
  const text = await (await fetch(`http://${http.address}:${http.port}/metrics`)).text();
  return Number(/^rollcall_sip_held\{kind="serverTransactions"\} (\d+)$/m.exec(text)?.[1]);
}

describe('users whose contacts are each other, by way of us', () => {
  it.each([
    ['at once', () => ''],
    ['one after the other', (n: number) => `;q=0.${n}`],
  ])(
    'tried %s: one INVITE does not go round in all their orders, of which there are some 2,000',
    { timeout: 30_000 },
    async (_, params) => {
      const { address, port } = stage.server.sip;
      const path = [['Path', `<sip:${address}:${port};lr>`] as const, ['Supported', 'path'] as const];
      for (const user of USERS) {
        const agent = await stage.agent(user);
        for (const [n, other] of USERS.entries()) if (other !== user) await agent.register(params(n), `sip:${other}@example.com`, path);
      }
      const before = await taken();
      const call = zoe.send('INVITE', 'sip:u1@example.com', { headers: [['Contact', `<${zoe.contact}>`]] });
      expect((await call.final(20_000)).status).toBe(482);
      // No more than Max-Breadth ways in all, none longer than there are users.
      expect((await taken()) - before).toBeLessThanOrEqual(MAX_BREADTH * USERS.length);
    },
  );

  it('a chain of users, each the contact of the one before, reaches the phone at its end', async () => {
    const { address, port } = stage.server.sip;
    const path = [['Path', `<sip:${address}:${port};lr>`] as const, ['Supported', 'path'] as const];
    for (const [n, user] of USERS.entries()) {
      const agent = await stage.agent(user);
      const next = USERS[n + 1];
      if (next === undefined) await agent.register();
      else await agent.register('', `sip:${next}@example.com`, path);
      if (next !== undefined) continue;
      const phones = [agent, await stage.registered(user), await stage.registered(user)];
      const call = zoe.send('INVITE', 'sip:u1@example.com', { headers: [['Contact', `<${zoe.contact}>`]] });
      const rung = await Promise.all(phones.map((phone) => phone.take('INVITE')));
      for (const one of rung) one.answer(486);
      expect((await call.final()).status).toBe(486);
    }
  });
});

describe('contacts that are all at a third party', () => {
  it('get each request once, twenty in all, their Max-Breadth within that of the request; more cannot be registered', async () => {
    const bob = await stage.agent('bob');
    const victim = await stage.agent('victim', { domain: 'elsewhere.test' });
    const { address, port } = victim.socket.local;
    for (let n = 0; n < 20; n++) await bob.register('', `sip:${n}@${address}:${port}`);
    await expect(bob.register('', `sip:20@${address}:${port}`)).rejects.toThrow(/403/);
    const asked = zoe.send('OPTIONS', bob.address);
    const got = await Promise.all(Array.from({ length: 20 }, () => victim.take('OPTIONS')));
    expect(new Set(got.map(({ message }) => message.requestUri)).size).toBe(20);
    const shares = got.map(({ message }) => Number(header(message, 'max-breadth')));
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(shares.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(MAX_BREADTH);
    for (const one of got) one.answer(404, { contact: false });
    expect((await asked.final()).status).toBe(404);
    await within(50);
    expect(victim.untaken).toEqual([]);
  });
});
