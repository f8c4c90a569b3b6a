import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Registrar } from '../../sip/core/registrar.ts';
import { fieldOf, fieldsOf, request, statusOf, TcpPeer, UdpPeer } from '../rfc3261/peer.ts';
import { MemoryStateStore, type Stack, startStack, users } from '../rfc3261/stack.ts';

const ALICE = 'sip:alice@example.com';
const PHONE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"';
const DESK = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E129>"';
const OUTBOUND = 'Supported: path, Outbound';

let stack: Stack;
let udp: UdpPeer;
let store: MemoryStateStore;
let registrar: Registrar;
let cseq = 0;
const peers: TcpPeer[] = [];

function attach(): void {
  registrar = new Registrar({ users, stateStore: store, wheel: stack.wheel });
  stack.router.handle('REGISTER', registrar.handler);
}

beforeEach(async () => {
  stack = await startStack({ supported: ['path', 'outbound'] });
  udp = await UdpPeer.open(stack.port);
  store = new MemoryStateStore();
  attach();
});
afterEach(async () => {
  expect(stack.failures).toEqual([]);
  udp.close();
  for (const peer of peers.splice(0)) peer.close();
  registrar.stop();
  await stack.close();
});

async function connection(): Promise<TcpPeer> {
  const peer = await TcpPeer.open(stack.port);
  peers.push(peer);
  return peer;
}

function register(fields: readonly string[], transport = 'UDP', via?: string): string {
  const parts = { method: 'REGISTER', callId: 'outbound', cseq: `${++cseq} REGISTER`, transport, fields };
  const text = request(parts);
  return via === undefined ? text : text.replace('Max-Forwards', `Via: ${via}\r\nMax-Forwards`);
}

const overTcp = (...fields: readonly string[]): string => register(fields, 'TCP');
const ids = (): (number | undefined)[] => registrar.bindings(ALICE).map(({ regId }) => regId);

describe('RFC 5626 6: registrar', () => {
  it('binds instance and reg-id to the flow, and says so', async () => {
    const peer = await connection();
    const response = await peer.ask(overTcp(OUTBOUND, `Contact: <sip:a@192.0.2.1;transport=tcp;ob>;reg-id=1;${PHONE};expires=600`));
    expect(statusOf(response)).toBe(200);
    expect(fieldsOf(response, 'Contact')).toEqual([`<sip:a@192.0.2.1;transport=tcp;ob>;reg-id=1;${PHONE};expires=600`]);
    expect(fieldOf(response, 'Require')).toBe('outbound');
    expect(Number(fieldOf(response, 'Flow-Timer'))).toBeGreaterThan(0);
    expect(registrar.bindings(ALICE)).toMatchObject([
      { regId: 1, instance: 'urn:uuid:00000000-0000-1000-8000-000A95A0E128', flow: { protocol: 'TCP', remotePort: peer.port } },
    ]);
  });

  it('tells an agent on datagrams to keep its flow alive before translators forget it', async () => {
    const response = await udp.ask(register([OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=1;${PHONE}`]));
    expect(Number(fieldOf(response, 'Flow-Timer'))).toBeLessThan(30);
  });

  it('replaces by instance and reg-id, whatever the Contact URI, and takes up the new flow', async () => {
    const first = await connection();
    await first.ask(overTcp(OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=1;${PHONE}`));
    await first.ask(overTcp(OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=2;${PHONE}`));
    await first.ask(overTcp(OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=1;${DESK}`));
    expect(registrar.bindings(ALICE)).toHaveLength(3);
    const [known] = registrar.bindings(ALICE).filter(({ regId, instance }) => regId === 1 && instance?.endsWith('128'));
    const second = await connection();
    const response = await second.ask(overTcp(OUTBOUND, `Contact: <sip:a@198.51.100.7:4000>;reg-id=1;${PHONE}`));
    expect(fieldsOf(response, 'Contact')).toHaveLength(3);
    const [moved] = registrar.bindings(ALICE);
    expect(moved).toMatchObject({ contact: 'sip:a@198.51.100.7:4000', id: known?.id, flow: { remotePort: second.port } });
  });

  it('keeps contacts with and without reg-id beside each other, and lets an agent take over what it had without', async () => {
    await udp.ask(register(['Contact: <sip:plain@192.0.2.9>']));
    await udp.ask(register([`Contact: <sip:a@192.0.2.1>;${PHONE}`]));
    await udp.ask(register([OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=7;${PHONE}`]));
    expect(ids()).toEqual([7, undefined]);
    await udp.ask(register(['Contact: <sip:a@192.0.2.1>;expires=0']));
    expect(ids()).toEqual([undefined]);
  });

  it('says nothing of outbound without a reg-id, nor to an agent that does not know it', async () => {
    const plain = await udp.ask(register([OUTBOUND, `Contact: <sip:a@192.0.2.1>;${PHONE}`]));
    const silent = await udp.ask(register([`Contact: <sip:a@192.0.2.1>;reg-id=1;${PHONE}`]));
    for (const response of [plain, silent]) {
      expect(statusOf(response)).toBe(200);
      expect([fieldOf(response, 'Require'), fieldOf(response, 'Flow-Timer')]).toEqual([undefined, undefined]);
    }
    expect(ids()).toEqual([1]);
  });

  it.each(['reg-id=1', `reg-id=0;${PHONE}`, `reg-id=2147483648;${PHONE}`, `reg-id=one;${PHONE}`, `reg-id;${PHONE}`])(
    'ignores what is no reg-id of an instance: %s',
    async (params) => {
      const response = await udp.ask(register([OUTBOUND, `Contact: <sip:a@192.0.2.1>;${params}`]));
      expect([statusOf(response), fieldOf(response, 'Require')]).toEqual([200, undefined]);
      expect(ids()).toEqual([undefined]);
    },
  );

  it('refuses to bind more than the one contact that has a reg-id, but lets others be removed beside it', async () => {
    await udp.ask(register(['Contact: <sip:old@192.0.2.1>']));
    const two = await udp.ask(register([OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=1;${PHONE}, <sip:b@192.0.2.1>`]));
    expect(statusOf(two)).toBe(400);
    expect(registrar.bindings(ALICE).map(({ contact }) => contact)).toEqual(['sip:old@192.0.2.1']);
    const one = await udp.ask(register([OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=1;${PHONE}, <sip:old@192.0.2.1>;expires=0`]));
    expect(statusOf(one)).toBe(200);
    expect(ids()).toEqual([1]);
  });

  it('behind a proxy that is not marked: 439 for who wants outbound, else the reg-id does not count', async () => {
    const via = 'SIP/2.0/UDP 192.0.2.55;branch=z9hG4bKedge';
    const contact = `Contact: <sip:a@192.0.2.1>;reg-id=1;${PHONE}`;
    expect(statusOf(await udp.ask(register([OUTBOUND, contact], 'UDP', via)))).toBe(439);
    expect(statusOf(await udp.ask(register([OUTBOUND, contact, 'Path: <sip:edge.example.com;lr>'], 'UDP', via)))).toBe(439);
    const ignored = await udp.ask(register([contact], 'UDP', via));
    expect([statusOf(ignored), fieldOf(ignored, 'Require')]).toEqual([200, undefined]);
    expect(registrar.bindings(ALICE)).toMatchObject([{ regId: undefined, flow: undefined }]);
  });

  it('behind an edge proxy that marks itself: reached by the path', async () => {
    const via = 'SIP/2.0/UDP 192.0.2.55;branch=z9hG4bKedge';
    const path = '<sip:inner.example.com;lr>, <sip:token@edge.example.com;lr;ob>';
    const fields = [OUTBOUND, `Contact: <sip:a@192.0.2.1>;reg-id=1;${PHONE}`, `Path: ${path}`];
    const response = await udp.ask(register(fields, 'UDP', via));
    expect([statusOf(response), fieldOf(response, 'Require'), fieldOf(response, 'Flow-Timer')]).toEqual([200, 'outbound', undefined]);
    expect(registrar.bindings(ALICE)).toMatchObject([{ regId: 1, path: path.split(', '), flow: undefined }]);
  });
});

describe('RFC 5626 7: a flow that has ended', () => {
  it('takes the bindings that use it with it, and leaves RFC 3261 bindings at their contact', async () => {
    const ended: string[] = [];
    registrar.onChange((_, gone) => ended.push(...gone.map(({ event, binding }) => `${event} ${binding.contact}`)));
    const [first, second] = [await connection(), await connection()];
    await first.ask(overTcp(OUTBOUND, `Contact: <sip:one@192.0.2.1>;reg-id=1;${PHONE}`));
    await second.ask(overTcp(OUTBOUND, `Contact: <sip:two@192.0.2.1>;reg-id=2;${PHONE}`));
    await first.ask(overTcp('Contact: <sip:plain@192.0.2.1;transport=tcp>'));
    first.close();
    await expect.poll(() => ended).toEqual(['deactivated sip:one@192.0.2.1']);
    expect(registrar.bindings(ALICE)).toMatchObject([
      { contact: 'sip:plain@192.0.2.1;transport=tcp', flow: undefined },
      { contact: 'sip:two@192.0.2.1', flow: { remotePort: second.port } },
    ]);
    const listed = await udp.ask(register([]));
    expect(fieldsOf(listed, 'Contact')).toHaveLength(2);
  });

  it('across a restart: datagrams find their way again, a connection does not until the agent registers anew', async () => {
    const tcp = await connection();
    await tcp.ask(overTcp(OUTBOUND, `Contact: <sip:one@192.0.2.1>;reg-id=1;${PHONE}`));
    await udp.ask(register([OUTBOUND, `Contact: <sip:two@192.0.2.1>;reg-id=1;${DESK}`]));
    registrar.stop();
    store = store.restart();
    attach();
    expect(registrar.registered(ALICE)).toHaveLength(2);
    expect(registrar.bindings(ALICE)).toEqual([]);
    registrar.reconnect((source) => stack.transport.flowTo(source));
    expect(registrar.bindings(ALICE)).toMatchObject([
      { contact: 'sip:two@192.0.2.1', flow: { protocol: 'UDP', remotePort: udp.port, localPort: stack.port } },
    ]);
    await tcp.ask(overTcp(OUTBOUND, `Contact: <sip:one@192.0.2.1>;reg-id=1;${PHONE}`));
    expect(registrar.bindings(ALICE)).toHaveLength(2);
  });

  it('what ends because the server stops stays bound', async () => {
    const tcp = await connection();
    await tcp.ask(overTcp(OUTBOUND, `Contact: <sip:one@192.0.2.1>;reg-id=1;${PHONE}`));
    registrar.stop();
    tcp.close();
    await expect.poll(() => registrar.bindings(ALICE)).toEqual([]);
    expect([...store.table('bindings').load()]).toHaveLength(1);
  });
});
