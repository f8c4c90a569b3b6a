import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Registrar } from '../../sip/core/registrar.ts';
import { fieldOf, fieldsOf, request, statusOf, UdpPeer } from '../rfc3261/peer.ts';
import { MemoryStateStore, type Stack, startStack, users } from '../rfc3261/stack.ts';

const ALICE = 'sip:alice@example.com';

let stack: Stack;
let peer: UdpPeer;
let store: MemoryStateStore;
let registrar: Registrar;
let cseq = 0;

beforeEach(async () => {
  stack = await startStack({ supported: ['path'] });
  peer = await UdpPeer.open(stack.port);
  store = new MemoryStateStore();
  registrar = new Registrar({ users, stateStore: store, wheel: stack.wheel });
  stack.router.handle('REGISTER', registrar.handler);
});
afterEach(async () => {
  expect(stack.failures).toEqual([]);
  peer.close();
  await stack.close();
});

const register = (...fields: readonly string[]): Promise<string> =>
  peer.ask(request({ method: 'REGISTER', callId: 'path', cseq: `${++cseq} REGISTER`, fields: ['Contact: <sip:a@192.0.2.1>', ...fields] }));

describe('RFC 3327 5.3: Path at the registrar', () => {
  it('is kept with the binding in its order, and returned', async () => {
    const response = await register(
      'Supported: path',
      'Path: <sip:p3.example.com;lr>,<sip:p1.example.org;lr>',
      'Path: <sip:p0.example.org;lr>',
    );
    const path = ['<sip:p3.example.com;lr>', '<sip:p1.example.org;lr>', '<sip:p0.example.org;lr>'];
    expect(statusOf(response)).toBe(200);
    expect(fieldsOf(response, 'Path').join(',')).toBe(path.join(','));
    expect(registrar.bindings(ALICE)).toMatchObject([{ path }]);
    const again = new Registrar({ users, stateStore: store.restart(), wheel: stack.wheel });
    expect(again.bindings(ALICE)).toMatchObject([{ path }]);
  });

  it('is that of the last registration', async () => {
    await register('Supported: path', 'Path: <sip:p1.example.org;lr>');
    expect(fieldOf(await register('Supported: path'), 'Path')).toBeUndefined();
    expect(registrar.bindings(ALICE)).toMatchObject([{ path: [] }]);
  });

  it('put in on the way of an agent that does not know it: 420, and nothing is bound', async () => {
    const response = await register('Path: <sip:p1.example.org;lr>');
    expect([statusOf(response), fieldOf(response, 'Unsupported')]).toEqual([420, 'path']);
    expect(registrar.bindings(ALICE)).toEqual([]);
  });

  it('may be required', async () => {
    expect(statusOf(await register('Supported: path', 'Require: path', 'Path: <sip:p1.example.org;lr>'))).toBe(200);
  });

  it.each(['not an address', '<sip:p1.example.org;lr', '<sip:p1.example.org:99999;lr>', '<sip:;lr>'])('400 for %s', async (path) => {
    expect(statusOf(await register('Supported: path', `Path: ${path}`))).toBe(400);
  });

  it('bounds what one contact keeps', async () => {
    expect(statusOf(await register('Supported: path', `Path: <sip:${'p'.repeat(5000)}.example.org;lr>`))).toBe(403);
    expect(registrar.bindings(ALICE)).toEqual([]);
  });
});
