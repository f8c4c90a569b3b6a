import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CallStage, within } from '../helpers/call-stage.ts';
import { header, headerLines, headerList } from '../helpers/sip-message.ts';

let stage: CallStage;

beforeEach(async () => {
  stage = await CallStage.open();
});
afterEach(() => stage.close());

describe('RFC 3261 16.3: before a request is forwarded', () => {
  it('step 3: Max-Forwards 0 is answered 483', async () => {
    const alice = await stage.agent('alice');
    const bob = await stage.registered('bob');
    for (const method of ['MESSAGE', 'INVITE', 'ALLOCATE']) {
      expect((await alice.send(method, bob.address, { maxForwards: 0 }).final()).status).toBe(483);
    }
    expect(bob.untaken).toEqual([]);
  });

  it('step 5: an extension for proxies that is not known is answered 420', async () => {
    const alice = await stage.agent('alice');
    const refused = await alice.send('MESSAGE', 'sip:bob@example.com', { headers: [['Proxy-Require', 'foo, bar']] }).final();
    expect([refused.status, header(refused, 'unsupported')]).toEqual([420, 'foo, bar']);
  });

  it('step 6: a user of ours is asked for credentials with 407, and may not be another', async () => {
    const alice = await stage.agent('alice');
    const bob = await stage.registered('bob');
    const asked = await alice.send('MESSAGE', bob.address).final();
    expect(asked.status).toBe(407);
    expect(headerLines(asked, 'proxy-authenticate').length).toBeGreaterThan(0);
    const carol = { ...alice.authorized('MESSAGE', bob.address, asked, {}), from: '<sip:carol@example.com>;tag=1' };
    expect((await alice.send('MESSAGE', bob.address, carol).final()).status).toBe(403);
    expect(bob.untaken).toEqual([]);
  });

  it('the wrong password gets no further', async () => {
    const thief = await stage.agent('alice', { password: 'wrong' });
    const bob = await stage.registered('bob');
    expect((await thief.request('MESSAGE', bob.address)).status).toBe(407);
    expect(bob.untaken).toEqual([]);
  });

  it('others may reach our users without credentials', async () => {
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const bob = await stage.registered('bob');
    const asked = zoe.request('MESSAGE', bob.address);
    (await bob.take('MESSAGE')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });

  it('22.3: credentials for another proxy are neither ours to judge nor to remove', async () => {
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const bob = await stage.registered('bob');
    const theirs = 'Digest username="zoe", realm="elsewhere.test", nonce="n", uri="sip:bob@example.com", response="0"';
    const asked = zoe.send('OPTIONS', bob.address, { headers: [['Proxy-Authorization', theirs]] });
    const incoming = await bob.take('OPTIONS');
    expect(headerLines(incoming.message, 'proxy-authorization')).toEqual([theirs]);
    incoming.answer(200, { contact: false });
    expect((await asked.final()).status).toBe(200);
  });

  it('ACK and CANCEL are never challenged', async () => {
    const alice = await stage.agent('alice');
    const stray = alice.send('CANCEL', 'sip:bob@example.com');
    expect((await stray.final()).status).toBe(481);
    alice.send('ACK', 'sip:bob@example.com');
    await within(100);
    expect(alice.transcript.entries.filter(({ message }) => message?.kind === 'response')).toHaveLength(1);
  });
});

describe('RFC 3261 26.3.1: no open relay', () => {
  it('for strangers nothing is forwarded to other domains', async () => {
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const target = await stage.agent('target', { domain: 'elsewhere.test' });
    for (const method of ['MESSAGE', 'INVITE', 'SUBSCRIBE', 'PUBLISH', 'OPTIONS']) {
      expect((await zoe.send(method, target.contact).final()).status).toBe(403);
    }
    expect(target.untaken).toEqual([]);
  });

  it('nor by a Route to us, a To tag or a Record-Route of another call', async () => {
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const target = await stage.agent('target', { domain: 'elsewhere.test' });
    const { address, port } = stage.server.sip;
    const bob = await stage.registered('bob');
    const open = zoe.send('INVITE', bob.address, { headers: [['Contact', `<${zoe.contact}>`]] });
    const invite = await bob.take('INVITE');
    const [recorded = ''] = headerList(invite.message, 'record-route');
    invite.answer(486);
    expect((await open.final()).status).toBe(486);
    await bob.take('ACK');
    for (const route of [`<sip:${address}:${port};lr>`, recorded]) {
      const sending = { to: '<sip:target@elsewhere.test>;tag=9', headers: [['Route', route] as const] };
      expect((await zoe.send('BYE', target.contact, sending).final()).status).toBe(403);
      zoe.send('ACK', target.contact, sending);
    }
    await within(100);
    expect(target.untaken).toEqual([]);
  });

  it('our users may send to other domains, REGISTER apart', async () => {
    const alice = await stage.agent('alice');
    const target = await stage.agent('target', { domain: 'elsewhere.test' });
    for (const method of ['MESSAGE', 'SUBSCRIBE', 'PUBLISH', 'NOTIFY', 'OPTIONS', 'ALLOCATE']) {
      const asked = alice.request(method, target.contact, {
        headers: [
          ['Event', 'presence'],
          ['Contact', `<${alice.contact}>`],
        ],
      });
      const incoming = await target.take(method);
      expect(headerLines(incoming.message, 'proxy-authorization')).toEqual([]);
      incoming.answer(488);
      expect((await asked).status).toBe(488);
    }
  });
});

describe('with authentication off', () => {
  it('users are reached, other domains only from whom a trusted peer asserts', async () => {
    await stage.close();
    stage = await CallStage.open({ auth: 'none' });
    const target = await stage.agent('target', { domain: 'elsewhere.test' });
    const alice = await stage.agent('alice');
    expect((await alice.send('MESSAGE', target.contact).final()).status).toBe(403);
    await stage.close();
    stage = await CallStage.open({ auth: 'none', sipTrustedPeers: ['127.0.0.1'] });
    const other = await stage.agent('target', { domain: 'elsewhere.test' });
    const gateway = await stage.agent('alice');
    expect((await gateway.send('MESSAGE', other.contact).final()).status).toBe(403);
    const headers = [['P-Asserted-Identity', '<sip:alice@example.com>'] as const];
    const asked = gateway.send('MESSAGE', other.contact, { headers });
    (await other.take('MESSAGE')).answer(200, { contact: false });
    expect((await asked.final()).status).toBe(200);
  });
});
