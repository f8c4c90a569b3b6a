import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CallStage } from '../helpers/call-stage.ts';
import { changedOnTheWay } from '../helpers/sip-checks-forwarded.ts';
import { parseNameAddress, parseUri } from '../helpers/sip-headers.ts';
import { header, headerLines, headerList } from '../helpers/sip-message.ts';

let stage: CallStage;

beforeEach(async () => {
  stage = await CallStage.open();
});
afterEach(() => stage.close());

const SDP = { headers: [['Content-Type', 'application/sdp'] as const], body: 'v=0\r\n' };

describe('RFC 3261 16: a request to a user', () => {
  it('16.6: goes to the binding, nothing of it changed but what a proxy has to change', async () => {
    const alice = await stage.agent('alice');
    const bob = await stage.registered('bob');
    const headers = [
      ['Content-Type', 'text/plain'],
      ['X-Odd', 'a;b="c,d"  ,  e'],
      ['x-odd', '\u00e4'],
    ] as const;
    const asked = alice.request('MESSAGE', bob.address, { headers, body: 'hello' });
    const incoming = await bob.take('MESSAGE');
    incoming.answer(200, { contact: false, headers: [['X-Back', 'yes']] });
    const response = await asked;
    expect([response.status, header(response, 'x-back'), headerList(response, 'via').length]).toEqual([200, 'yes', 1]);
    expect(incoming.message.requestUri).toBe(bob.contact);
    const sent = alice.transcript.entries.findLast(({ direction }) => direction === 'sent')?.message;
    expect(sent && changedOnTheWay(sent, incoming.message)).toEqual([]);
  });

  it('16.6 step 3: a request without Max-Forwards gets one', async () => {
    const bob = await stage.registered('bob');
    const caller = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const { address, port } = caller.socket.local;
    caller.sendBytes(
      Buffer.from(
        [
          `INFO ${bob.address} SIP/2.0`,
          `Via: SIP/2.0/UDP ${address}:${port};branch=z9hG4bKwithout1;rport`,
          'From: <sip:zoe@elsewhere.test>;tag=1',
          `To: <${bob.address}>`,
          'Call-ID: without-hops',
          'CSeq: 1 INFO',
          'Content-Length: 0',
          '\r\n',
        ].join('\r\n'),
      ),
    );
    const { message } = await bob.take('INFO');
    expect(header(message, 'max-forwards')).toBe('70');
  });

  it('16.7: makes a call with 100 hop by hop, ACK and BYE by the recorded route, either side may end it', async () => {
    const alice = await stage.registered('alice');
    const bob = await stage.registered('bob');
    for (const ending of ['caller', 'callee']) {
      const call = await alice.invite(bob.address, SDP);
      const invite = await bob.take('INVITE');
      expect(changedOnTheWay(call.message, invite.message)).toEqual([]);
      invite.answer(100);
      invite.answer(183, SDP);
      const progress = await call.provisional.next('183');
      // Ours may have come before it, theirs is theirs and ours.
      const next = progress.status === 100 ? await call.provisional.next('183') : progress;
      expect([next.status, next.body.toString()]).toEqual([183, 'v=0\r\n']);
      invite.answer(200, SDP);
      const ok = await call.final();
      alice.inDialog('ACK', call.message, ok);
      const ack = await bob.take('ACK');
      expect(ack.message.requestUri).toBe(bob.contact);
      expect(headerLines(ack.message, 'route')).toEqual([]);
      const bye = ending === 'caller' ? alice.inDialog('BYE', call.message, ok) : bob.backwards('BYE', invite);
      (await (ending === 'caller' ? bob : alice).take('BYE')).answer(200, { contact: false });
      expect((await bye.final()).status).toBe(200);
    }
  });

  it('13.3.1.4: passes on each copy of the 2xx and each ACK', async () => {
    const alice = await stage.agent('alice');
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address, SDP);
    const invite = await bob.take('INVITE');
    invite.answer(200);
    const ok = await call.final();
    invite.repeat();
    expect((await call.final()).raw.equals(ok.raw)).toBe(true);
    const ack = alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    alice.sendBytes(ack.message.raw);
    // A copy has the branch of the first, which the telephone knows it by.
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    expect(bob.untaken).toEqual([]);
  });

  it('16.6 step 4: records a route for each side when their transports differ', async () => {
    const alice = await stage.agent('alice', { transport: 'tcp' });
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address, SDP);
    const invite = await bob.take('INVITE');
    const routes = headerList(invite.message, 'record-route').map((value) => parseUri(parseNameAddress(value).uri));
    expect(routes.map(({ params }) => params.get('transport') ?? 'udp')).toEqual(['udp', 'tcp']);
    invite.answer(200);
    const ok = await call.final();
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    // Alice's Contact names a port of hers; what she gets comes over the connection that she opened.
    const bye = bob.backwards('BYE', invite);
    (await alice.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('16.12: a registrant over TCP gets calls over its own connection, and what follows in the dialog too', async () => {
    const alice = await stage.agent('alice');
    const bob = await stage.agent('bob', { transport: 'tcp' });
    // Nobody listens there, as behind an address translator.
    await bob.register('', 'sip:bob@192.0.2.55:5060;transport=tcp');
    const call = await alice.invite(bob.address, SDP);
    const invite = await bob.take('INVITE');
    expect(invite.message.requestUri).toBe('sip:bob@192.0.2.55:5060;transport=tcp');
    invite.answer(200, { contact: false, headers: [['Contact', '<sip:bob@192.0.2.55:5060;transport=tcp>']] });
    const ok = await call.final();
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    const bye = alice.inDialog('BYE', call.message, ok);
    (await bob.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('answers 404 for nobody, 480 for a user without bindings, 416 for what is no SIP URI', async () => {
    const alice = await stage.agent('alice');
    expect((await alice.request('OPTIONS', 'sip:nobody@example.com')).status).toBe(404);
    expect((await alice.request('OPTIONS', 'sip:carol@example.com')).status).toBe(480);
    expect((await alice.request('MESSAGE', 'tel:+4912345', { to: '<sip:carol@example.com>' })).status).toBe(416);
  });

  it('RFC 4320 4.1: tells the sender of a slow request 100, not before Timer E has come to T2', async () => {
    const alice = await stage.agent('alice');
    const bob = await stage.registered('bob');
    const first = await alice.send('MESSAGE', bob.address).final();
    const slow = alice.send('MESSAGE', bob.address, alice.authorized('MESSAGE', bob.address, first, {}));
    const since = performance.now();
    const incoming = await bob.take('MESSAGE');
    // RFC 4320 4.1: of provisional responses to other requests than INVITE nothing is passed on.
    incoming.answer(180, { contact: false });
    expect((await slow.provisional.next('100', 8000)).status).toBe(100);
    expect(performance.now() - since).toBeGreaterThan(3400);
    incoming.answer(200, { contact: false });
    expect((await slow.final()).status).toBe(200);
    expect(slow.provisional.left).toEqual([]);
  });
});
