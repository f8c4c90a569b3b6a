import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startRollcall } from '../../server/server.ts';
import { CallAgent } from '../helpers/call-agent.ts';
import { CallStage } from '../helpers/call-stage.ts';
import { headerList } from '../helpers/sip-message.ts';

let stage: CallStage;
let alice: CallAgent;
let own: string;

beforeEach(async () => {
  stage = await CallStage.open();
  alice = await stage.agent('alice');
  own = `${stage.server.sip.address}:${stage.server.sip.port}`;
});
afterEach(() => stage.close());

describe('RFC 3261 16.4: Route', () => {
  it('a value that names us is removed, by address or by domain', async () => {
    const bob = await stage.registered('bob');
    for (const route of [`<sip:${own};lr>`, '<sip:example.com;lr>', `<sip:${own};lr>, <sip:${own};transport=tcp;lr>`]) {
      const asked = alice.request('MESSAGE', bob.address, { headers: [['Route', route]] });
      const incoming = await bob.take('MESSAGE');
      expect(headerList(incoming.message, 'route')).toEqual([]);
      incoming.answer(200, { contact: false });
      expect((await asked).status).toBe(200);
    }
  });

  it('the next one is where the request goes', async () => {
    const hop = await stage.agent('hop', { domain: 'hop.test' });
    const next = `<${hop.contact.replace('hop@', '')};lr>`;
    const asked = alice.request('MESSAGE', 'sip:zoe@elsewhere.test', { headers: [['Route', `<sip:${own};lr>, ${next}`]] });
    const incoming = await hop.take('MESSAGE');
    expect([incoming.message.requestUri, headerList(incoming.message, 'route')]).toEqual(['sip:zoe@elsewhere.test', [next]]);
    incoming.answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });

  it('16.6 step 6: a strict router gets its URI as Request-URI and the target as last Route', async () => {
    const hop = await stage.agent('hop', { domain: 'hop.test' });
    const asked = alice.request('MESSAGE', 'sip:zoe@elsewhere.test', { headers: [['Route', `<sip:${own};lr>, <${hop.contact}>`]] });
    const incoming = await hop.take('MESSAGE');
    expect([incoming.message.requestUri, headerList(incoming.message, 'route')]).toEqual([hop.contact, ['<sip:zoe@elsewhere.test>']]);
    incoming.answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });

  it('16.4: what a strict router made of our Record-Route is undone', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    invite.answer(200);
    const ok = await call.final();
    const [recorded = ''] = headerList(ok, 'record-route');
    const uri = recorded.replace(/^<|>$/g, '');
    const info = alice.inDialog('INFO', call.message, ok).message.raw.toString('latin1');
    (await bob.take('INFO')).answer(200, { contact: false });
    // The same as a strict router would send it.
    const strict = info
      .replace(/^INFO \S+/, `INFO ${uri}`)
      .replace(/Route: [^\r]*/, `Route: <${bob.contact}>`)
      .replace(/branch=[^;]*/, 'branch=z9hG4bKstrict01')
      .replace(/CSeq: \d+/, 'CSeq: 77');
    const sent = alice.sendBytes(Buffer.from(strict, 'latin1'));
    const incoming = await bob.take('INFO');
    expect([incoming.message.requestUri, headerList(incoming.message, 'route')]).toEqual([bob.contact, []]);
    incoming.answer(200, { contact: false });
    expect((await sent.final()).status).toBe(200);
  });

  it('maddr and port that name us are taken from the Request-URI', async () => {
    const bob = await stage.registered('bob');
    const [address, port] = own.split(':');
    const asked = alice.request('MESSAGE', `sip:bob@example.com:${port};maddr=${address};transport=udp`, { to: '<sip:bob@example.com>' });
    (await bob.take('MESSAGE')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });

  it('a call goes on after a restart of the server', async () => {
    const bob = await stage.registered('bob');
    const call = await alice.invite(bob.address);
    const invite = await bob.take('INVITE');
    invite.answer(200);
    const ok = await call.final();
    alice.inDialog('ACK', call.message, ok);
    await bob.take('ACK');
    const { config } = stage.server.running;
    await stage.server.running.stop();
    const again = await startRollcall({ ...config, sip: [{ host: '127.0.0.1', port: stage.server.sip.port }] });
    const bye = alice.inDialog('BYE', call.message, ok);
    (await bob.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
    await again.stop();
  });
});

describe('RFC 3261 16.5: next hops by setting', () => {
  it('a domain with a next hop is reached there, Request-URI as it was', async () => {
    const gateway = await CallAgent.open({ user: 'gw', domain: 'gw.test', server: stage.server.sip });
    await stage.close();
    stage = await CallStage.open({ nextHops: [{ domain: 'elsewhere.test', uri: gateway.contact.replace('gw@', '') }] });
    alice = await stage.agent('alice');
    const asked = alice.request('MESSAGE', 'sip:zoe@elsewhere.test');
    const incoming = await gateway.take('MESSAGE');
    expect([incoming.message.requestUri, headerList(incoming.message, 'route')]).toEqual(['sip:zoe@elsewhere.test', []]);
    incoming.answer(200, { contact: false });
    expect((await asked).status).toBe(200);
    await gateway.close();
  });
});
