import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header, headerLines, headerList } from '../helpers/sip-message.ts';
import { openSipSocket } from '../helpers/sip-socket.ts';

/** What callers and callees try who mean harm (RFC 3261 26.1). */

let stage: CallStage;
let alice: CallAgent;
let bob: CallAgent;
let zoe: CallAgent;
let own: string;

beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
  bob = await stage.registered('bob');
  zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
  own = `${stage.server.sip.address}:${stage.server.sip.port}`;
});
afterEach(() => stage.close());

const plain = { contact: false };

describe('a Route past us (RFC 3261 16.4, 26.3.1)', () => {
  it('takes no stranger to a third party behind the name of a user of ours', async () => {
    const victim = await stage.agent('victim', { domain: 'victim.test' });
    const past = `<${victim.contact.replace('victim@', '')};lr>`;
    for (const route of [past, `<sip:${own};lr>, ${past}`]) {
      const refused = await zoe.request('MESSAGE', bob.address, { headers: [['Route', route]] });
      expect(refused.status).toBe(403);
    }
    expect(victim.untaken).toEqual([]);
  });

  it('of a user of ours is followed, and shows nobody where another user is', async () => {
    const hop = await stage.agent('hop', { domain: 'hop.test' });
    const past = `<${hop.contact.replace('hop@', '')};lr>`;
    const asked = alice.request('MESSAGE', bob.address, { headers: [['Route', `<sip:${own};lr>, ${past}`]] });
    const incoming = await hop.take('MESSAGE');
    expect([incoming.message.requestUri, headerList(incoming.message, 'route')]).toEqual([bob.address, [past]]);
    incoming.answer(200, plain);
    expect((await asked).status).toBe(200);
  });
});

describe('the Route of a dialog (RFC 3261 16.6 step 4)', () => {
  it('lets nobody in who is not of it: not under another name, and not to another user', async () => {
    const carol = await stage.registered('carol');
    const call = await alice.invite(bob.address);
    (await bob.take('INVITE')).answer(200);
    const ok = await call.final();
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    const tagged = header(ok, 'to') ?? '';
    // The name of another user, and none of ours.
    for (const from of ['<sip:carol@example.com>;tag=x', '<sip:mallory@elsewhere.test>;tag=x']) {
      const forged = await alice.inDialog('MESSAGE', call.message, ok, { from }).final();
      expect([403, 407]).toContain(forged.status);
    }
    // The way to another user goes past nobody's barring, and costs a password as ever.
    const routes = headerList(ok, 'record-route').map((route) => ['Route', route] as const);
    const elsewhere = await alice
      .send('MESSAGE', carol.address, {
        from: header(call.message, 'from') ?? '',
        to: tagged,
        callId: header(call.message, 'call-id') ?? '',
        headers: routes,
      })
      .final();
    expect(elsewhere.status).toBe(407);
    expect([carol.untaken, bob.untaken]).toEqual([[], []]);
    // The dialog goes on.
    const bye = alice.inDialog('BYE', call.message, ok);
    (await bob.take('BYE')).answer(200, plain);
    expect((await bye.final()).status).toBe(200);
  });
});

describe('credentials (RFC 3261 22.3)', () => {
  it('for us reach nobody else, whatever field they are in; those for others do', async () => {
    const ours = 'Digest username="alice", realm="Example.COM", nonce="n", uri="sip:bob@example.com", response="0123456789abcdef"';
    const theirs = 'Digest username="alice", realm="pbx.test", nonce="n", uri="sip:bob@example.com", response="0123456789abcdef"';
    const headers = ['Authorization', 'Proxy-Authorization'].flatMap((name) => [[name, theirs] as const, [name, ours] as const]);
    const asked = zoe.request('OPTIONS', bob.address, { headers });
    const incoming = await bob.take('OPTIONS');
    expect([headerLines(incoming.message, 'authorization'), headerLines(incoming.message, 'proxy-authorization')]).toEqual([
      [theirs],
      [theirs],
    ]);
    incoming.answer(200, plain);
    expect((await asked).status).toBe(200);
  });
});

describe('responses that cannot be read', () => {
  it.each([
    ['To', '<sip:bob@example.com'],
    ['To', ''],
    ['From', '"Alice <sip:alice@example.com>;tag=1'],
    ['Call-ID', ''],
  ])('a 200 with %s: %s ends the call with 502', async (name, value) => {
    const call = await alice.invite(bob.address);
    const incoming = await bob.take('INVITE');
    const fields = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].flatMap((field) =>
      field === 'Via'
        ? headerList(incoming.message, 'via').map((via) => `Via: ${via}`)
        : [
            `${field}: ${field === name ? value : field === 'To' ? `${header(incoming.message, 'to')};tag=b` : header(incoming.message, field)}`,
          ],
    );
    const bad = Buffer.from(`SIP/2.0 200 OK\r\n${fields.join('\r\n')}\r\nContact: <${bob.contact}>\r\nContent-Length: 0\r\n\r\n`, 'latin1');
    await bob.socket.send(bad, stage.server.sip);
    expect((await call.final()).status).toBe(502);
  });
});

describe('a challenge (RFC 3261 26.3.2.4)', () => {
  it('to an INVITE over UDP is sent once: nobody can aim a train of them at another', async () => {
    const socket = await openSipSocket(
      'udp',
      () => received++,
      () => {},
    );
    let received = 0;
    const { address, port } = socket.local;
    const fields = [
      `Via: SIP/2.0/UDP ${address}:${port};branch=z9hG4bKforged1`,
      'Max-Forwards: 70',
      'From: <sip:alice@example.com>;tag=1',
      'To: <sip:bob@example.com>',
      'Call-ID: forged',
      'CSeq: 1 INVITE',
      `Contact: <sip:alice@${address}:${port}>`,
      'Content-Length: 0',
    ];
    const invite = Buffer.from(`INVITE sip:bob@example.com SIP/2.0\r\n${fields.join('\r\n')}\r\n\r\n`);
    await socket.send(invite, stage.server.sip);
    // Timer G would send it twice more in that time.
    await within(1800);
    expect(received).toBe(1);
    // Whose it really is asks again where it was lost.
    await socket.send(invite, stage.server.sip);
    await within(100);
    expect(received).toBe(2);
    await socket.close();
  });
});
