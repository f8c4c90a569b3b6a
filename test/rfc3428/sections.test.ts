import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent, Sending } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { changedOnTheWay } from '../helpers/sip-checks-forwarded.ts';
import { header, headerLines, type SipMessage } from '../helpers/sip-message.ts';
import { request, statusOf, UdpPeer } from '../rfc3261/peer.ts';

let stage: CallStage;
let alice: CallAgent;
let bob: CallAgent;
beforeEach(async () => {
  stage = await CallStage.open();
  [alice, bob] = [await stage.agent('alice'), await stage.registered('bob')];
});
afterEach(() => stage.close());

const text = (body: string, more: Sending = {}): Sending => ({
  ...more,
  headers: [['Content-Type', 'text/plain'], ...(more.headers ?? [])],
  body,
});
const plain = { contact: false };
const fields = (message: SipMessage, ...names: string[]) => names.map((name) => headerLines(message, name).length);

describe('RFC 3428 3, 6: a MESSAGE through the proxy', () => {
  it('goes to the binding with nothing changed but what a proxy changes, and makes no dialog', async () => {
    const asked = alice.request('MESSAGE', bob.address, text('Watson, come here.', { headers: [['Date', 'Sat, 21 Nov 2026 12:00:00 GMT'], ['Expires', '60'], ['Reply-To', '<sip:other@example.com>'], ['In-Reply-To', 'abc@x'], ['Priority', 'urgent']] })); // biome-ignore format: one line
    const { message, answer } = await taken(bob);
    expect(message.requestUri).toBe(bob.contact);
    expect(message.body.toString()).toBe('Watson, come here.');
    expect(fields(message, 'contact', 'record-route', 'date', 'expires', 'reply-to', 'in-reply-to', 'priority')).toEqual([
      0, 0, 1, 1, 1, 1, 1,
    ]);
    answer();
    const response = await asked;
    expect(response.status).toBe(200);
    expect([fields(response, 'contact', 'record-route'), response.body.length]).toEqual([[0, 0], 0]);
  });

  it('keeps the body byte for byte, whatever its type', async () => {
    const body = Buffer.from([0, 255, 13, 10, 46, 13, 10, 128]);
    for (const type of ['application/octet-stream', 'message/cpim', 'multipart/signed;boundary=x', 'text/plain;charset=utf-16']) {
      const sent = alice.send('MESSAGE', bob.address, { headers: [['Content-Type', type], ['Content-Disposition', 'render']], body }); // biome-ignore format: one line
      const first = await sent.final();
      const asked = alice.send('MESSAGE', bob.address, alice.authorized('MESSAGE', bob.address, first, { headers: [['Content-Type', type]], body })); // biome-ignore format: one line
      const incoming = await bob.take('MESSAGE');
      expect(changedOnTheWay(asked.message, incoming.message).filter((change) => !/authorization/i.test(change))).toEqual([]);
      expect([header(incoming.message, 'content-type'), incoming.message.body.equals(body)]).toEqual([type, true]);
      incoming.answer(200, plain);
      expect((await asked.final()).status).toBe(200);
    }
  });

  it('6: forks to all bindings; of their final responses one is passed on', async () => {
    const others = [await stage.registered('bob'), await stage.registered('bob')];
    const asked = alice.send('MESSAGE', bob.address, text('to all'));
    const sent = alice.send('MESSAGE', bob.address, alice.authorized('MESSAGE', bob.address, await asked.final(), text('to all')));
    for (const phone of [bob, ...others]) (await phone.take('MESSAGE')).answer(200, plain);
    expect((await sent.final()).status).toBe(200);
    await within(50);
    expect(sent.finals.left).toEqual([]);
  });

  it('7: 4xx, 5xx and 6xx of the recipient come back as they are, and are not taken for absence', async () => {
    for (const status of [403, 415, 488, 500, 603]) {
      const asked = alice.request('MESSAGE', bob.address, text('no'));
      (await bob.take('MESSAGE')).answer(status, { contact: false, headers: status === 415 ? [['Accept', 'text/plain']] : [] });
      expect((await asked).status).toBe(status === 500 ? 202 : status);
    }
  });

  it('4, 8: in a dialog it goes by its route, and is not kept when nobody takes it', async () => {
    const invite = await alice.invite(bob.address);
    const incoming = await bob.take('INVITE');
    incoming.answer(200);
    const ok = await invite.final();
    alice.inDialog('ACK', invite.message, ok);
    await bob.take('ACK');
    const asked = alice.inDialog('MESSAGE', invite.message, ok, text('within the call'));
    const { message } = await bob.take('MESSAGE').then((one) => {
      one.answer(480, plain);
      return one;
    });
    expect(message.body.toString()).toBe('within the call');
    expect((await asked.final()).status).toBe(480);
    const back = bob.backwards('MESSAGE', incoming, text('and back'));
    (await alice.take('MESSAGE')).answer(200, plain);
    expect((await back.final()).status).toBe(200);
  });
});

describe('RFC 3428 5: im: URIs', () => {
  it('of users of ours lead to their bindings', async () => {
    const asked = alice.request('MESSAGE', 'im:bob@example.com', text('hi', { to: '<im:bob@example.com>' }));
    const incoming = await bob.take('MESSAGE');
    expect([incoming.message.requestUri, header(incoming.message, 'to')]).toEqual([bob.contact, '<im:bob@example.com>']);
    incoming.answer(200, plain);
    expect((await asked).status).toBe(200);
  });

  it('of nobody are answered 404, and those that are none 400 or 416', async () => {
    expect((await alice.request('MESSAGE', 'im:nobody@example.com', text('hi'))).status).toBe(404);
    for (const uri of ['im:', 'im:example.com', 'im:@example.com', 'imx:bob@example.com']) {
      const { status } = await alice.request('MESSAGE', uri, text('hi', { to: '<sip:bob@example.com>' }));
      expect([400, 404, 416]).toContain(status);
    }
    expect(bob.untaken).toEqual([]);
  });
});

describe('RFC 3428 7: a relay', () => {
  it('answers 202 with neither body nor Contact for what it keeps', async () => {
    await bob.register(';expires=0');
    const response = await alice.request('MESSAGE', bob.address, text('later'));
    expect([response.status, response.body.length, fields(response, 'contact')]).toEqual([202, 0, [0]]);
  });

  it('takes a message whose Expires has run out since its Date for one that is over, and keeps none of it', async () => {
    await bob.register(';expires=0');
    const old = new Date(Date.now() - 60_000).toUTCString();
    const { status } = await alice.request('MESSAGE', bob.address, text('old', { headers: [['Date', old], ['Expires', '10']] })); // biome-ignore format: one line
    expect([202, 480]).toContain(status);
    await bob.register();
    await within(100);
    expect(bob.untaken).toEqual([]);
  });
});

describe('RFC 3428 9: the method', () => {
  it('has its name in capitals: `Message` is another, and kept for nobody', async () => {
    await bob.register(';expires=0');
    const stranger = await UdpPeer.open(stage.server.sip.port);
    const answers: number[] = [];
    for (const method of ['Message', 'MESSAGE']) {
      answers.push(statusOf(await stranger.ask(request({ method, uri: bob.address, to: `<${bob.address}>`, from: '<sip:zoe@elsewhere.test>;tag=z', callId: method, fields: ['Content-Type: text/plain', 'Content-Length: 2'], body: 'hi' })))); // biome-ignore format: one line
    }
    stranger.close();
    expect(answers).toEqual([480, 202]);
  });

  it('stands in Allow', async () => {
    const response = await alice.request('OPTIONS', 'sip:example.com');
    expect(header(response, 'allow')).toMatch(/\bMESSAGE\b/);
  });
});

async function taken(phone: CallAgent): Promise<{ message: SipMessage; answer(): void }> {
  const incoming = await phone.take('MESSAGE');
  return { message: incoming.message, answer: () => incoming.answer(200, plain) };
}
