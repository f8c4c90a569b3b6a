import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { CallStage, within } from '../helpers/call-stage.ts';
import { listenerOf } from '../helpers/server.ts';
import { header } from '../helpers/sip-message.ts';

let stage: CallStage;
let alice: CallAgent;
let bob: CallAgent;

beforeEach(async () => {
  stage = await CallStage.open({
    sip: [
      { host: '127.0.0.1', port: 0 },
      { host: '127.0.0.1', port: 0, transport: 'ws' },
    ],
  });
  alice = await stage.agent('alice');
  bob = await stage.registered('bob');
});
afterEach(() => stage.close());

function lines(...all: string[]): Buffer {
  return Buffer.from(`${all.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`, 'latin1');
}

describe('RFC 3261 16.7: responses', () => {
  it('step 3: a response that is for nobody but us is 502 to the sender', async () => {
    const asked = alice.request('OPTIONS', bob.address);
    const { message } = await bob.take('OPTIONS');
    const via = header(message, 'via')?.split(',')[0] ?? '';
    const copied = ['From', 'To', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(message, name)}`);
    await bob.socket.send(lines('SIP/2.0 200 OK', `Via: ${via}`, ...copied), stage.server.sip);
    expect((await asked).status).toBe(502);
  });

  it('RFC 6026 8.9: one that belongs to no transaction is not forwarded', async () => {
    const { address, port } = stage.server.sip;
    const { local } = alice.socket;
    for (const method of ['INVITE', 'MESSAGE']) {
      const stray = lines(
        'SIP/2.0 200 OK',
        `Via: SIP/2.0/UDP ${address}:${port};branch=z9hG4bKnever.0123456789abcdef`,
        `Via: SIP/2.0/UDP ${local.address}:${local.port};branch=z9hG4bKalso`,
        'From: <sip:alice@example.com>;tag=1',
        'To: <sip:bob@example.com>;tag=2',
        'Call-ID: stray',
        `CSeq: 1 ${method}`,
      );
      await bob.socket.send(stray, stage.server.sip);
    }
    await within(150);
    expect(alice.transcript.entries).toEqual([]);
  });

  it('RFC 4320 4.2: of another request than INVITE a 408 and what comes late are not passed on', async () => {
    const first = await alice.send('OPTIONS', bob.address).final();
    const sent = alice.send('OPTIONS', bob.address, alice.authorized('OPTIONS', bob.address, first, {}));
    const incoming = await bob.take('OPTIONS');
    incoming.answer(408);
    await within(100);
    incoming.answer(200, { contact: false });
    await within(100);
    expect(sent.done).toBe(false);
  });

  it('a garbled Contact or an unknown status is not the proxy’s to judge', async () => {
    const asked = alice.request('OPTIONS', bob.address);
    (await bob.take('OPTIONS')).answer(499, { contact: false, headers: [['X-Strange', '<<>>, "never ended']] });
    expect((await asked).status).toBe(499);
  });
});

describe('RFC 7118: a telephone on a WebSocket', () => {
  it('is called over its own connection, and speaks in the call both ways', async () => {
    const carol = await stage.agent('carol', { transport: 'ws', server: listenerOf(stage.server, 'WS') });
    const contact = 'sip:carol@df7jal23ls0d.invalid;transport=ws';
    await carol.register('', contact);
    const call = await alice.invite(carol.address);
    const invite = await carol.take('INVITE');
    expect(invite.message.requestUri).toBe(contact);
    invite.answer(180);
    invite.answer(200, { contact: false, headers: [['Contact', `<${contact}>`]] });
    const ok = await call.final();
    alice.inDialog('ACK', call.message, ok);
    await carol.take('ACK');
    const info = carol.backwards('INFO', invite);
    (await alice.take('INFO')).answer(200, { contact: false });
    expect((await info.final()).status).toBe(200);
    const bye = alice.inDialog('BYE', call.message, ok);
    (await carol.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('that is gone is not reached: 480', async () => {
    const carol = await stage.agent('carol', { transport: 'ws', server: listenerOf(stage.server, 'WS') });
    await carol.register('', 'sip:carol@df7jal23ls0d.invalid;transport=ws');
    carol.socket.disconnect();
    await expect.poll(async () => (await alice.request('OPTIONS', 'sip:carol@example.com')).status).toBe(480);
  });
});

describe('what does not work out', () => {
  it('a domain that does not exist is answered 502', async () => {
    expect((await alice.request('OPTIONS', 'sip:zoe@nowhere.invalid')).status).toBe(502);
  });

  it('a Route that cannot be read is answered 400', async () => {
    expect((await alice.request('OPTIONS', bob.address, { headers: [['Route', '<sip:[::1;lr>']] })).status).toBe(400);
    expect((await alice.request('OPTIONS', bob.address, { headers: [['Max-Breadth', 'wide']] })).status).toBe(400);
  });

  it('a body that is no text arrives as it was', async () => {
    const body = Buffer.from(Array.from({ length: 600 }, (_, i) => i % 256));
    const asked = alice.request('INFO', bob.address, { headers: [['Content-Type', 'application/octet-stream']], body });
    const incoming = await bob.take('INFO');
    expect(incoming.message.body.equals(body)).toBe(true);
    incoming.answer(200, { contact: false, body, headers: [['Content-Type', 'application/octet-stream']] });
    expect((await asked).body.equals(body)).toBe(true);
  });
});
