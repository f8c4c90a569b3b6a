import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Registrar, type RegistrarOptions } from '../../sip/core/registrar.ts';
import { fieldOf, fieldsOf, reasonOf, request, statusOf, TcpPeer, UdpPeer } from './peer.ts';
import { MemoryStateStore, type Stack, startStack, users } from './stack.ts';

const ALICE = 'sip:alice@example.com';

let stack: Stack;
let peer: UdpPeer;
let store: MemoryStateStore;
let registrar: Registrar;
let cseq = 0;

function attach(options: Partial<RegistrarOptions> = {}): void {
  registrar = new Registrar({ users, stateStore: store, wheel: stack.wheel, ...options });
  stack.router.handle('REGISTER', registrar.handler);
}

beforeEach(async () => {
  stack = await startStack();
  peer = await UdpPeer.open(stack.port);
  store = new MemoryStateStore();
  attach();
});
afterEach(async () => {
  expect(stack.failures).toEqual([]);
  peer.close();
  await stack.close();
});

/** A REGISTER of alice's one phone with the next CSeq. */
function register(fields: readonly string[], parts: { callId?: string; cseq?: number; to?: string; from?: string } = {}): string {
  return request({
    method: 'REGISTER',
    callId: parts.callId ?? 'phone',
    cseq: `${parts.cseq ?? ++cseq} REGISTER`,
    to: parts.to ?? '<sip:alice@example.com>',
    ...(parts.from === undefined ? {} : { from: parts.from }),
    fields,
  });
}

describe('RFC 3261 10.3: the registrar', () => {
  it('step 8: binds, refreshes, lists and removes, with expires and Date in the answer', async () => {
    const first = await peer.ask(
      register(['Contact: <sip:alice@192.0.2.1>;expires=600;q=0.5;+sip.instance="<urn:uuid:1>"', 'User-Agent: test']),
    );
    expect(statusOf(first)).toBe(200);
    expect(fieldsOf(first, 'Contact')).toEqual(['<sip:alice@192.0.2.1>;q=0.5;+sip.instance="<urn:uuid:1>";expires=600']);
    expect(Date.parse(fieldOf(first, 'Date') ?? '')).toBeGreaterThan(Date.now() - 5000);
    expect(registrar.bindings(ALICE)).toMatchObject([
      {
        contact: 'sip:alice@192.0.2.1',
        q: 0.5,
        instance: 'urn:uuid:1',
        callId: 'phone',
        userAgent: 'test',
        flow: { protocol: 'UDP', remotePort: peer.port },
      },
    ]);
    const second = await peer.ask(register(['Contact: sip:alice@192.0.2.2', 'Expires: 7200'], { callId: 'desk' }));
    expect(fieldsOf(second, 'Contact')).toEqual([
      expect.stringMatching(/^<sip:alice@192\.0\.2\.1>.*;expires=(600|599)$/),
      '<sip:alice@192.0.2.2>;expires=7200',
    ]);
    expect(registrar.bindings(ALICE).map(({ contact }) => contact)).toEqual(['sip:alice@192.0.2.2', 'sip:alice@192.0.2.1']);
    const listed = await peer.ask(register([]));
    expect(fieldsOf(listed, 'Contact')).toHaveLength(2);
    const removed = await peer.ask(register(['Contact: <sip:alice@192.0.2.1>;expires=0']));
    expect(fieldsOf(removed, 'Contact')).toEqual([expect.stringContaining('192.0.2.2')]);
  });

  it('step 7: expires parameter over Expires over the default, a malformed parameter is an hour', async () => {
    const response = await peer.ask(
      register(['Contact: <sip:a@192.0.2.1>;expires=100, <sip:b@192.0.2.1>, <sip:c@192.0.2.1>;expires=soon', 'Expires: 200']),
    );
    expect(fieldsOf(response, 'Contact').map((contact) => Number(/expires=(\d+)/.exec(contact)?.[1]))).toEqual([100, 200, 3600]);
    expect(fieldsOf(await peer.ask(register(['Contact: <sip:d@192.0.2.1>'])), 'Contact')[3]).toMatch(/expires=3600$/);
    expect(fieldsOf(await peer.ask(register(['Contact: <sip:d@192.0.2.1>;expires=999999999'])), 'Contact')[3]).toMatch(/expires=86400$/);
  });

  it('step 7: 423 with Min-Expires below the minimum, and nothing changes', async () => {
    const response = await peer.ask(register(['Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>;expires=59']));
    expect(statusOf(response)).toBe(423);
    expect(fieldOf(response, 'Min-Expires')).toBe('60');
    expect(registrar.bindings(ALICE)).toEqual([]);
  });

  it('step 6: the star removes all, but alone and with Expires: 0 only', async () => {
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>']));
    expect(statusOf(await peer.ask(register(['Contact: *'])))).toBe(400);
    expect(statusOf(await peer.ask(register(['Contact: *', 'Expires: 1'])))).toBe(400);
    expect(statusOf(await peer.ask(register(['Contact: *, <sip:c@192.0.2.1>', 'Expires: 0'])))).toBe(400);
    expect(statusOf(await peer.ask(register(['Contact: *', 'Expires: 0'], { cseq })))).toBe(200);
    expect(registrar.bindings(ALICE)).toEqual([]);
  });

  it('steps 6 and 7: a CSeq that is not higher is out of order, with the same Call-ID only', async () => {
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=600'], { cseq: 10 }));
    const late = await peer.ask(register(['Contact: <sip:b@192.0.2.1>, <sip:a@192.0.2.1>;expires=900'], { cseq: 10 }));
    expect(statusOf(late)).toBe(400);
    expect(reasonOf(late)).toContain('CSeq');
    expect(statusOf(await peer.ask(register(['Contact: *', 'Expires: 0'], { cseq: 9 })))).toBe(400);
    expect(registrar.bindings(ALICE).map(({ contact }) => contact)).toEqual(['sip:a@192.0.2.1']);
    expect(statusOf(await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=700'], { cseq: 3, callId: 'reborn' })))).toBe(200);
    expect(registrar.bindings(ALICE)).toMatchObject([{ callId: 'reborn', cseq: 3 }]);
  });

  it('step 7: finds the binding by the URI comparison rules', async () => {
    await peer.ask(register(['Contact: <sip:a@host.example.net;ob>']));
    const response = await peer.ask(register(['Contact: <sip:%61@HOST.example.net>;expires=100']));
    expect(fieldsOf(response, 'Contact')).toEqual(['<sip:%61@HOST.example.net>;expires=100']);
  });

  it('steps 4 and 5: another user is 403, no user 404', async () => {
    const contact = ['Contact: <sip:a@192.0.2.1>'];
    expect(statusOf(await peer.ask(register(contact, { to: '<sip:bob@example.com>' })))).toBe(403);
    const nobody = '<sip:nobody@example.com>';
    expect(statusOf(await peer.ask(register(contact, { to: nobody, from: `${nobody};tag=1` })))).toBe(404);
    const foreign = '<sip:alice@elsewhere.test>';
    expect(statusOf(await peer.ask(register(contact, { to: foreign, from: `${foreign};tag=1` })))).toBe(404);
  });

  it('step 5: takes the canonical address of To', async () => {
    const spelled = '"Alice" <sip:%61lice@EXAMPLE.com:5060;user=ip>';
    expect(statusOf(await peer.ask(register(['Contact: <sip:a@192.0.2.1>'], { to: spelled })))).toBe(200);
    expect(registrar.bindings(ALICE)).toHaveLength(1);
  });

  it.each(['Contact: <sip:a@192.0.2.1>;q=2', 'Contact: <sip:a@192.0.2.1', 'Contact: <sip:a@@b>', 'Expires: x\r\nContact: <sip:a@b>'])(
    '400 for %j',
    async (line) => {
      expect(statusOf(await peer.ask(register([line])))).toBe(400);
      expect(registrar.bindings(ALICE)).toEqual([]);
    },
  );

  it('bounds the contacts of an address', async () => {
    attach({ maxContacts: 2 });
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>']));
    expect(statusOf(await peer.ask(register(['Contact: <sip:c@192.0.2.1>'])))).toBe(403);
    expect(statusOf(await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=0, <sip:c@192.0.2.1>'])))).toBe(200);
  });

  it('tells of every change, expiry included', async () => {
    attach({ minExpires: 0 });
    const changes: string[] = [];
    registrar.onChange((aor) => changes.push(`${aor} ${registrar.bindings(aor).length}`));
    registrar.onChange(() => {
      throw new Error('a bug of a listener');
    });
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=1']));
    await peer.ask(register([]));
    expect(changes).toEqual([`${ALICE} 1`]);
    await expect.poll(() => changes, { timeout: 3000 }).toEqual([`${ALICE} 1`, `${ALICE} 0`]);
    expect([...store.table('bindings').load()]).toEqual([]);
  });

  it('answers when the bindings would outlive the process, not before', async () => {
    store.hold();
    peer.send(register(['Contact: <sip:a@192.0.2.1>']));
    expect(fieldOf(await peer.ask(request()), 'CSeq')).toBe('1 OPTIONS');
    store.commit();
    expect(fieldOf(await peer.inbox.next(), 'CSeq')).toBe(`${cseq} REGISTER`);
  });

  it('takes up the bindings of the last run, without those whose time is over', async () => {
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=600;x="y", <sip:b@192.0.2.1>;expires=60']));
    store = store.restart();
    // A record lasts for one refresh that need not be written; what ends with the process itself is written as it is.
    attach({ now: () => Date.now() + 119_000 });
    expect(registrar.bindings(ALICE)).toHaveLength(2);
    attach({ now: () => Date.now() + 121_000 });
    const after = registrar.bindings(ALICE);
    expect(after).toMatchObject([{ contact: 'sip:a@192.0.2.1', params: ';x="y"', cseq, callId: 'phone' }]);
    expect(after[0]?.flow).toBeUndefined();
    expect(statusOf(await peer.ask(register(['Contact: <sip:a@192.0.2.1>'], { cseq })))).toBe(400);
  });

  it('ends the bindings of a user who is gone', async () => {
    let isUser = true;
    attach({ users: { ...users, hasUser: (address) => isUser && users.hasUser(address) } });
    const ended: string[] = [];
    registrar.onChange((_, gone) => ended.push(...gone.map(({ event, binding }) => `${event} ${binding.contact}`)));
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>']));
    await registrar.usersChanged();
    expect(ended).toEqual([]);
    isUser = false;
    await registrar.usersChanged();
    expect(ended).toEqual(['rejected sip:a@192.0.2.1']);
    expect([...store.table('bindings').load()]).toEqual([]);
  });

  it('stores a refresh only when the record has no time for it, and all of them exactly at the end', async () => {
    let clock = Date.now();
    attach({ now: () => clock });
    const stored = (): number[] =>
      [...store.table<{ expiresAt: number }[]>('bindings').load()].flatMap(([, all]) => all.map((b) => b.expiresAt));
    const start = clock;
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=600']));
    expect(stored()).toEqual([start + 1_200_000]);
    clock += 500_000;
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=600']));
    expect(stored()).toEqual([start + 1_200_000]);
    clock += 500_000;
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=600']));
    expect(stored()).toEqual([start + 2_200_000]);
    await peer.ask(register(['Contact: <sip:a@192.0.2.1>;expires=600;q=0.5']));
    expect(stored()).toEqual([clock + 1_200_000]);
    registrar.stop();
    expect(stored()).toEqual([clock + 600_000]);
  });

  it('remembers the connection a registration came over', async () => {
    const tcp = await TcpPeer.open(stack.port);
    await tcp.ask(register(['Contact: <sip:a@192.0.2.1;transport=tcp>']).replace('/UDP', '/TCP'));
    const flow = registrar.bindings(ALICE)[0]?.flow;
    expect(flow).toMatchObject({ protocol: 'TCP', closed: false, remotePort: tcp.port });
    tcp.close();
    await expect.poll(() => flow?.closed).toBe(true);
  });
});
