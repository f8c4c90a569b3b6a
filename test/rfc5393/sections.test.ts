import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent, Incoming, Sending } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import { UdpPeer } from '../rfc3261/peer.ts';

let stage: CallStage;
let zoe: CallAgent;

beforeEach(async () => {
  stage = await CallStage.open();
  zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
});
afterEach(() => stage.close());

const breadthOf = ({ message }: Incoming): number => Number(header(message, 'max-breadth'));
const branchOf = ({ message }: Incoming): string => /;branch=([^;]+)/.exec(headerList(message, 'via')[0] ?? '')?.[1] ?? '';
const BOB = 'sip:bob@example.com';

describe('RFC 5393 4.2: the branches we give', () => {
  it('4.2.1: have a second part that is the same whatever the method, and another for another Request-URI', async () => {
    const bob = await stage.registered('bob');
    const carol = await stage.registered('carol');
    const mark = async (phone: CallAgent, method: string, sending: Sending = {}): Promise<string> => {
      const asked = zoe.send(method, phone.address, sending);
      const incoming = await phone.take(method);
      expect(branchOf(incoming)).toMatch(/^z9hG4bK[0-9a-f]{20}\.[0-9a-f]{16}$/);
      incoming.answer(404, { contact: false });
      await asked.final();
      return branchOf(incoming).split('.')[1] ?? '';
    };
    const one = await mark(bob, 'OPTIONS');
    expect([await mark(bob, 'MESSAGE'), await mark(bob, 'OPTIONS', { callId: 'another' })]).toEqual([one, one]);
    expect(await mark(carol, 'OPTIONS')).not.toBe(one);
  });

  it('4.2.1: CANCEL and the ACK to a failure have the branch of their INVITE', async () => {
    const bob = await stage.registered('bob');
    const call = zoe.send('INVITE', BOB, { headers: [['Contact', `<${zoe.contact}>`]] });
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await call.provisional.next('100');
    const cancelled = zoe.cancel(call);
    const cancel = await bob.take('CANCEL');
    invite.answer(487);
    const ack = await bob.take('ACK');
    expect([branchOf(cancel), branchOf(ack)]).toEqual([branchOf(invite), branchOf(invite)]);
    // 5.4.1: it means nothing in a CANCEL.
    expect(header(cancel.message, 'max-breadth')).toBeUndefined();
    expect([(await cancelled).status, (await call.final()).status]).toEqual([200, 487]);
  });

  it.each([
    'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK776asdhds;odd;quoted="a;b,c";empty=',
    'SIP / 2.0 / TCP [2001:db8::1]:5070 ; branch=0123456789abcdef.0123456789abcdef',
    'SIP/2.0/X-OTHER host.example;x=.0123456789abcdef',
  ])('4.2.4: are looked for without stumbling over those of others, which are passed on as they are: %s', async (via) => {
    // A peer that looks at nothing: such a Via is none that we would write.
    const peer = await UdpPeer.open(stage.server.sip.port);
    await (await stage.agent('bob')).register('', `sip:bob@127.0.0.1:${peer.port}`);
    zoe.send('OPTIONS', BOB, { headers: [['Via', via]] });
    expect(await peer.inbox.next()).toContain(`\r\nVia: ${via}\r\n`);
    peer.close();
  });
});

describe('RFC 5393 5.3.3: Max-Breadth', () => {
  it('5.2: is passed on whole where there is no fork, and to each of those that are tried one after the other', async () => {
    const phones = [await stage.registered('bob', {}, ';q=0.9'), await stage.registered('bob', {}, ';q=0.5')];
    for (const [given, expected] of [
      [undefined, 60],
      ['5', 5],
      ['1000', 60],
    ] as const) {
      // biome-ignore format: a table
      const headers = given === undefined ? [] : [['Max-Breadth', given] as const];
      const asked = zoe.send('OPTIONS', BOB, { headers });
      for (const phone of phones) {
        const incoming = await phone.take('OPTIONS');
        expect([headerList(incoming.message, 'max-breadth').length, breadthOf(incoming)]).toEqual([1, expected]);
        incoming.answer(480, { contact: false });
      }
      expect((await asked.final()).status).toBe(480);
    }
  });

  it('5.5: of 2 for five targets: two at once, and the others as the first have failed', async () => {
    const phones = await Promise.all(Array.from({ length: 5 }, () => stage.registered('bob')));
    const asked = zoe.send('OPTIONS', BOB, { headers: [['Max-Breadth', '2']] });
    let under = 0;
    const most = { now: 0 };
    await Promise.all(
      phones.map(async (phone) => {
        const incoming = await phone.take('OPTIONS');
        expect(breadthOf(incoming)).toBeGreaterThan(0);
        most.now = Math.max(most.now, ++under);
        await within(30);
        under--;
        incoming.answer(480, { contact: false });
      }),
    );
    expect(most.now).toBe(2);
    expect((await asked.final()).status).toBe(480);
  });

  it.each(['x', '-1', '1;a=b', '1, 2', ''])('5.3.1: is a number without parameters: %s is answered 400', async (value) => {
    await stage.registered('bob');
    const asked = zoe.send('OPTIONS', BOB, { headers: [['Max-Breadth', value]] });
    expect((await asked.final()).status).toBe(400);
  });

  it('5.3.5: means nothing in a request to the server itself', async () => {
    expect((await zoe.send('OPTIONS', 'sip:example.com', { headers: [['Max-Breadth', '0']] }).final()).status).toBe(200);
  });
});
