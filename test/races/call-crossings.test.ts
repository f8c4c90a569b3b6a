import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import { request, statusOf, TcpPeer, UdpPeer } from '../rfc3261/peer.ts';
import { establish, hangUp, OFFER } from '../scenarios/calls.ts';
import { Stage } from '../scenarios/stage.ts';

/** What crosses what in a call through the proxy, and connections and registrations that end in the middle of it. */

let stage: CallStage;
let alice: CallAgent;
beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
});
afterEach(() => stage.close());

const plain = { contact: false };
const BOB = 'sip:bob@example.com';
const scene = new Stage();

async function held(...kinds: string[]): Promise<number[]> {
  const { http } = stage.server;
  const text = await (await fetch(`http://${http.address}:${http.port}/metrics`)).text();
  return kinds.map((kind) => Number(new RegExp(`^rollcall_sip_held\\{kind="${kind}"\\} (\\d+)$`, 'm').exec(text)?.[1]));
}

describe('RFC 3261 14.1: re-INVITEs of both sides at once', () => {
  it('each gets its 491 through the proxy, and the one that is tried again goes through', async () => {
    const bob = await stage.registered('bob');
    const { call, invite, ok } = await establish(scene, alice, bob);
    const terms = (agent: CallAgent) => ({ ...OFFER, headers: [...OFFER.headers, ['Contact', `<${agent.contact}>`] as const] });
    const ours = alice.inDialog('INVITE', call.message, ok, terms(alice));
    const theirs = bob.backwards('INVITE', invite, terms(bob));
    const [atBob, atAlice] = [await bob.take('INVITE'), await alice.take('INVITE')];
    atBob.answer(491);
    atAlice.answer(491);
    expect([(await ours.final()).status, (await theirs.final()).status]).toEqual([491, 491]);
    await bob.take('ACK');
    await alice.take('ACK');
    const again = bob.backwards('INVITE', invite, terms(bob));
    (await alice.take('INVITE')).answer(200, OFFER);
    const answer = await again.final();
    expect(answer.status).toBe(200);
    bob.backwards('ACK', invite, { cseq: Number.parseInt(header(again.message, 'cseq') ?? '', 10) });
    await alice.take('ACK');
    await hangUp(scene, alice, bob, { call, ok });
  });

  it('a BYE that crosses a re-INVITE ends the call; what the re-INVITE is answered comes back', async () => {
    const bob = await stage.registered('bob');
    const { call, invite, ok } = await establish(scene, alice, bob);
    const again = alice.inDialog('INVITE', call.message, ok, { ...OFFER, headers: [...OFFER.headers, ['Contact', `<${alice.contact}>`]] });
    const bye = bob.backwards('BYE', invite);
    const [atBob, atAlice] = [await bob.take('INVITE'), await alice.take('BYE')];
    atAlice.answer(200, plain);
    atBob.answer(481);
    expect([(await bye.final()).status, (await again.final()).status]).toEqual([200, 481]);
    await bob.take('ACK');
  });
});

describe('CANCEL', () => {
  it('that crosses the 200s of two phones: both calls are there, and end with BYE each', async () => {
    const phones = [await stage.registered('bob'), await stage.registered('bob')];
    const call = await alice.invite(BOB);
    const invites = await Promise.all(phones.map((phone) => phone.take('INVITE')));
    for (const invite of invites) invite.answer(180);
    await call.provisional.next('180');
    const cancelled = alice.cancel(call);
    for (const invite of invites) invite.answer(200);
    expect((await cancelled).status).toBe(200);
    const answers = [await call.final(), await call.final()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    for (const ok of answers) {
      alice.inDialog('ACK', call.message, ok);
      const bye = alice.inDialog('BYE', call.message, ok);
      const tag = /;tag=([^;]+)/.exec(header(ok, 'to') ?? '')?.[1];
      const phone = phones[invites.findIndex((invite) => invite.tag === tag)] as CallAgent;
      const methods: string[] = [];
      while (methods.length < 3) {
        const incoming = await takeAny(phone);
        if (incoming.message.method === 'BYE') incoming.answer(200, plain);
        methods.push(incoming.message.method);
      }
      expect(methods.sort()).toEqual(['ACK', 'BYE', 'CANCEL']);
      expect((await bye.final()).status).toBe(200);
    }
  });

  it('sent again and again, before and after the end, is answered each time and does nothing more', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(BOB);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await call.provisional.next('180');
    expect((await alice.cancel(call)).status).toBe(200);
    await bob.take('CANCEL');
    for (let n = 0; n < 5; n++) expect([200, 481]).toContain((await alice.cancel(call)).status);
    invite.answer(487);
    expect((await call.final()).status).toBe(487);
    await bob.take('ACK');
    for (let n = 0; n < 5; n++) expect([200, 481]).toContain((await alice.cancel(call)).status);
    await within(50);
    expect(bob.untaken).toEqual([]);
  });

  it('of somebody else, who has guessed the Call-ID but not the branch, ends no call', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(BOB);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    const thief = await UdpPeer.open(stage.server.sip.port);
    const [from, to, callId] = ['from', 'to', 'call-id'].map((name) => header(call.message, name) ?? '');
    const cancel = request({ method: 'CANCEL', uri: BOB, from: from ?? '', to: to ?? '', callId: callId ?? '', cseq: (header(call.message, 'cseq') ?? '').replace('INVITE', 'CANCEL') }); // biome-ignore format: one line
    expect(statusOf(await thief.ask(cancel))).toBe(481);
    thief.close();
    invite.answer(486);
    expect((await call.final()).status).toBe(486);
    await bob.take('ACK');
    expect(bob.untaken).toEqual([]);
  });
});

describe('registrations that end while it rings', () => {
  it('by REGISTER: the phone that rings still has the call, and may take it', async () => {
    const phones = [await stage.registered('bob'), await stage.registered('bob')];
    const call = await alice.invite(BOB);
    const [one, other] = await Promise.all(phones.map((phone) => phone.take('INVITE')));
    one?.answer(180);
    other?.answer(180);
    for (const phone of phones) await phone.register(';expires=0');
    one?.answer(200);
    const ok = await call.final();
    expect(ok.status).toBe(200);
    await phones[1]?.take('CANCEL');
    other?.answer(487);
    alice.inDialog('ACK', call.message, ok);
    await phones[0]?.take('ACK');
    const bye = alice.inDialog('BYE', call.message, ok);
    (await (phones[0] as CallAgent).take('BYE')).answer(200, plain);
    expect((await bye.final()).status).toBe(200);
  });

  it('by expiry, before the phones of a lower q are tried: these are tried all the same', async () => {
    await stage.close();
    stage = await CallStage.open({ minExpires: 1 });
    alice = await stage.agent('alice');
    const first = await stage.registered('bob', {}, ';q=0.9');
    const second = await stage.registered('bob', {}, ';q=0.5;expires=1');
    const call = await alice.invite(BOB);
    const invite = await first.take('INVITE');
    await within(1200);
    invite.answer(486);
    await first.take('ACK');
    (await second.take('INVITE')).answer(486);
    expect((await call.final()).status).toBe(486);
    await second.take('ACK');
  });
});

describe('connections that end while it rings', () => {
  it('that of the phone in the middle of its answer: the caller hears that it failed, and the other phone may take it', async () => {
    const bob = await TcpPeer.open(stage.server.sip.port);
    const helper = await stage.agent('bob', { transport: 'tcp' });
    const second = await stage.registered('bob');
    // The registration comes over the connection of a peer that can write half a message.
    const register = (authorization = ''): string =>
      `REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK${authorization.length}\r\nMax-Forwards: 70\r\nFrom: <${BOB}>;tag=1\r\nTo: <${BOB}>\r\nCall-ID: half\r\nCSeq: ${authorization.length + 1} REGISTER\r\nContact: <sip:bob@127.0.0.1:9;transport=tcp>\r\n${authorization}Content-Length: 0\r\n\r\n`; // biome-ignore format: one line
    const challenge = await bob.ask(register());
    helper.digest.accept([/^WWW-Authenticate: (.*)$/m.exec(challenge)?.[1]?.trim() ?? '']);
    expect(statusOf(await bob.ask(register(`Authorization: ${helper.digest.authorize('REGISTER', 'sip:example.com')}\r\n`)))).toBe(200);
    const call = await alice.invite(BOB);
    const invite = await bob.inbox.next();
    const atSecond = await second.take('INVITE');
    const via = invite.split('\r\n').filter((line) => /^(via|from|call-id|cseq|record-route):/i.test(line)).join('\r\n'); // biome-ignore format: one line
    bob.send(
      `SIP/2.0 200 OK\r\n${via}\r\nTo: <${BOB}>;tag=half\r\nContact: <sip:bob@127.0.0.1:9;transport=tcp>\r\nContent-Length: 500\r\n\r\nv=0`,
    );
    await within(50);
    bob.close();
    await within(50);
    atSecond.answer(200);
    const ok = await call.final();
    expect([ok.status, header(ok, 'to')]).toEqual([200, expect.stringContaining(atSecond.tag)]);
    alice.inDialog('ACK', call.message, ok);
    await second.take('ACK');
    // And where there is no other phone, the call has failed.
    await second.register(';expires=0');
    expect((await alice.request('OPTIONS', BOB)).status).toBeGreaterThanOrEqual(480);
  });

  it('that of the caller: what the phone answers goes nowhere, and nothing of it stays here', async () => {
    const bob = await stage.registered('bob');
    const caller = await stage.agent('alice', { transport: 'tcp', behind: { address: '127.0.0.1', port: 9 } });
    const call = await caller.invite(BOB);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await call.provisional.next('180');
    caller.socket.disconnect();
    await within(50);
    invite.answer(200);
    // Others are served, and the forwarding ends with the answer, delivered or not.
    const asked = alice.request('OPTIONS', BOB);
    (await bob.take('OPTIONS')).answer(200, plain);
    expect((await asked).status).toBe(200);
    await expect.poll(() => held('forwarding')).toEqual([0]);
    // The call that the phone believes in ends with its BYE, to which nobody answers, or the caller once it is back.
    const bye = bob.backwards('BYE', invite);
    expect((await bye.final()).status).toBeGreaterThanOrEqual(400);
  });
});

describe('answers without end', () => {
  it('a thousand 183 with another tag each are passed on, and nothing grows with them', async () => {
    const bob = await UdpPeer.open(stage.server.sip.port);
    const owner = await stage.agent('bob');
    await owner.register('', `sip:bob@127.0.0.1:${bob.port}`);
    const call = await alice.invite(BOB);
    const invite = await bob.inbox.next();
    const copied = invite.split('\r\n').filter((line) => /^(via|from|call-id|cseq|record-route):/i.test(line)).join('\r\n'); // biome-ignore format: one line
    const answer = (status: string, tag: string) => `SIP/2.0 ${status}\r\n${copied}\r\nTo: <${BOB}>;tag=${tag}\r\nContact: <sip:bob@127.0.0.1:${bob.port}>\r\nContent-Length: 0\r\n\r\n`; // biome-ignore format: one line
    const before = await held('observedCalls', 'timers');
    for (let n = 0; n < 1000; n++) {
      bob.send(answer('183 Session Progress', `t${n}`));
      if (n % 50 === 0) await within(5);
    }
    bob.send(answer('486 Busy Here', 't0'));
    expect((await call.final()).status).toBe(486);
    expect(headerList(call.message, 'via').length).toBe(1);
    const [calls = 0, timers = 0] = await held('observedCalls', 'timers');
    expect(calls).toBeLessThanOrEqual((before[0] ?? 0) + 100);
    expect(timers).toBeLessThanOrEqual((before[1] ?? 0) + 200);
    bob.close();
  });
});

/** The next request, whatever it is. */
async function takeAny(phone: CallAgent) {
  await expect.poll(() => phone.untaken.length).toBeGreaterThan(0);
  return phone.take(phone.untaken[0] ?? '');
}
