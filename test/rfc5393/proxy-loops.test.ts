import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header } from '../helpers/sip-message.ts';

let stage: CallStage;
let alice: CallAgent;

beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
});
afterEach(() => stage.close());

describe('RFC 5393 4: loop detection', () => {
  it('a binding that leads back to us ends in 482', async () => {
    const { address, port } = stage.server.sip;
    const bob = await stage.agent('bob');
    await bob.register('', `sip:bob@example.com:${port};maddr=${address}`);
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    expect((await zoe.request('MESSAGE', 'sip:bob@example.com')).status).toBe(482);
  });

  it('two users bound to each other are found out too', async () => {
    const { address, port } = stage.server.sip;
    const route = `<sip:${address}:${port};lr>`;
    const bob = await stage.agent('bob');
    const carol = await stage.agent('carol');
    const path = [['Path', route] as const, ['Supported', 'path'] as const];
    await bob.register('', 'sip:carol@example.com', path);
    await carol.register('', 'sip:bob@example.com', path);
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    expect((await zoe.request('MESSAGE', 'sip:bob@example.com')).status).toBe(482);
  });

  it('a spiral, which comes back for another target, goes on', async () => {
    const hop = await stage.agent('hop', { domain: 'hop.test' });
    const bob = await stage.registered('bob');
    const carol = await stage.agent('carol');
    await carol.register('', hop.contact);
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const asked = zoe.request('MESSAGE', 'sip:carol@example.com');
    const first = await hop.take('MESSAGE');
    // The next element sends it back to us, for bob.
    const text = first.message.raw.toString('latin1');
    const via = `Via: SIP/2.0/UDP ${hop.socket.local.address}:${hop.socket.local.port};branch=z9hG4bKspiral1;rport\r\n`;
    const back = text.replace(/^MESSAGE \S+/, 'MESSAGE sip:bob@example.com').replace(/Via:/, `${via}Via:`);
    hop.sendBytes(Buffer.from(back, 'latin1'));
    (await bob.take('MESSAGE')).answer(200, { contact: false });
    // And again for carol: that is a loop.
    const loop = text.replace(/^MESSAGE \S+/, 'MESSAGE sip:carol@example.com').replace(/Via:/, `${via.replace('spiral1', 'loop1')}Via:`);
    const refused = hop.sendBytes(Buffer.from(loop, 'latin1'));
    expect((await refused.final()).status).toBe(482);
    first.answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });
});

describe('RFC 5393 5.3.3: Max-Breadth', () => {
  it('is added, bounded, and shared among branches', async () => {
    const phones = [await stage.registered('bob'), await stage.registered('bob')];
    for (const [given, sum] of [
      [undefined, 60],
      ['1000', 60],
      ['7', 7],
    ] as const) {
      const headers = given === undefined ? [] : [['Max-Breadth', given] as const];
      const asked = alice.request('MESSAGE', 'sip:bob@example.com', { headers });
      const incoming = await Promise.all(phones.map((phone) => phone.take('MESSAGE')));
      const shares = incoming.map(({ message }) => Number(header(message, 'max-breadth')));
      expect(Math.min(...shares)).toBeGreaterThan(0);
      expect(shares.reduce((all, one) => all + one, 0)).toBeLessThanOrEqual(sum);
      for (const one of incoming) one.answer(200, { contact: false });
      expect((await asked).status).toBe(200);
    }
  });

  it('of 1 lets fork only one after the other', async () => {
    const phones = [await stage.registered('bob'), await stage.registered('bob')];
    const asked = alice.request('OPTIONS', 'sip:bob@example.com', { headers: [['Max-Breadth', '1']] });
    const taken: Promise<void>[] = [];
    let under = 0;
    for (const phone of phones) {
      taken.push(
        phone.take('OPTIONS').then(async (incoming) => {
          expect(++under).toBe(1);
          await within(100);
          under--;
          incoming.answer(480, { contact: false });
        }),
      );
    }
    await Promise.all(taken);
    expect((await asked).status).toBe(480);
  });

  it('of 0 is answered 440', async () => {
    await stage.registered('bob');
    expect((await alice.request('MESSAGE', 'sip:bob@example.com', { headers: [['Max-Breadth', '0']] })).status).toBe(440);
  });
});
