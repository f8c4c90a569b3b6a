import { afterAll, beforeAll, expect, it } from 'vitest';
import { CallAgent, type CallAgentOptions } from '../helpers/call-agent.ts';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';
import { heldBy, settled } from './held-counts.ts';

/**
 * What comes and goes leaves nothing behind: after many operations of all kinds every table of the compiled server holds what it held
 * before them. `OPERATIONS=20000` makes it many more than the suite has time for.
 */

const OPERATIONS = Number(process.env.OPERATIONS ?? 300);
const WORKERS = 6;
/** Operations of one pair of telephones, which are new ones then. */
const BATCH = 60;
/** Timers H to L, the time for which ended calls are still told, and the one by which a CANCEL without an answer gives up. */
const LINGER_MS = 90_000;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess(['--log', 'warn', '--t1', '100']);
  for (let worker = 0; worker < WORKERS; worker++) {
    await server.addUser(`a${worker}`, `a${worker}`);
    await server.addUser(`b${worker}`, `b${worker}`);
  }
}, 60_000);
afterAll(() => server.stop());

const plain = { contact: false };
const text = { headers: [['Content-Type', 'text/plain'] as const], body: 'hello' };

type Operation = (caller: CallAgent, callee: CallAgent) => Promise<void>;

async function established(caller: CallAgent, callee: CallAgent): Promise<void> {
  const call = await caller.invite(callee.address);
  const incoming = await callee.take('INVITE');
  incoming.answer(180);
  incoming.answer(200);
  const ok = await call.final();
  caller.inDialog('ACK', call.message, ok);
  await callee.take('ACK');
  const bye = callee.backwards('BYE', incoming);
  (await caller.take('BYE')).answer(200, plain);
  expect((await bye.final()).status).toBe(200);
}

const ROUND: readonly Operation[] = [
  established,
  async (caller, callee) => {
    const call = await caller.invite(callee.address);
    const incoming = await callee.take('INVITE');
    incoming.answer(180);
    await call.provisional.next('180');
    await caller.cancel(call);
    await callee.take('CANCEL');
    incoming.answer(487);
    expect((await call.final()).status).toBe(487);
    await callee.take('ACK');
  },
  async (caller, callee) => {
    const call = await caller.invite(callee.address);
    (await callee.take('INVITE')).answer(486);
    expect((await call.final()).status).toBe(486);
    await callee.take('ACK');
  },
  // Answered with what nobody can read.
  async (caller, callee) => {
    const call = await caller.invite(callee.address);
    const incoming = await callee.take('INVITE');
    incoming.answer(603, { headers: [['From', '<sip:twice@example.com>']] });
    expect((await call.final()).status).toBe(502);
    await callee.take('ACK');
  },
  async (caller, callee) => {
    const asked = caller.request('MESSAGE', callee.address, text);
    (await callee.take('MESSAGE')).answer(200, plain);
    expect((await asked).status).toBe(200);
  },
  // Kept, and brought when the recipient is back.
  async (caller, callee) => {
    await unregister(callee);
    expect((await caller.request('MESSAGE', callee.address, text)).status).toBe(202);
    await callee.register();
    (await callee.take('MESSAGE')).answer(200, plain);
  },
  async (caller) => {
    expect((await caller.request('OPTIONS', 'sip:nobody@example.com')).status).toBe(404);
    expect((await caller.send('MESSAGE', 'sip:zoe@elsewhere.invalid').final()).status).toBe(407);
  },
  async (caller, callee) => {
    // A stranger needs no password to reach a user of ours.
    const call = caller.send('INVITE', callee.address, {
      from: `<sip:zoe@elsewhere.test>;tag=${Math.random()}`,
      headers: [['Contact', `<${caller.contact}>`]],
    });
    (await callee.take('INVITE')).answer(404);
    expect((await call.final()).status).toBe(404);
    await callee.take('ACK');
  },
  // A wrong password; of many the later ones are not even looked at.
  async (caller) => {
    const credentials = 'Digest username="x", realm="example.com", nonce="n", uri="sip:example.com", response="0", algorithm=MD5';
    const { status } = await caller
      .send('REGISTER', 'sip:example.com', {
        to: '<sip:x@example.com>',
        from: '<sip:x@example.com>;tag=x',
        headers: [['Authorization', credentials]],
      })
      .final();
    expect([401, 503]).toContain(status);
  },
  async (caller, callee) => {
    await callee.register(';q=0.5');
    await caller.request('SUBSCRIBE', callee.address, {
      headers: [
        ['Contact', `<${caller.contact}>`],
        ['Event', 'presence'],
        ['Expires', '0'],
      ],
    });
    (await caller.take('NOTIFY')).answer(200, plain);
  },
];

function unregister(agent: CallAgent) {
  const fields = [['Contact', '*'] as const, ['Expires', '0'] as const];
  return agent.request('REGISTER', 'sip:example.com', { to: `<${agent.address}>`, from: `<${agent.address}>;tag=u`, headers: fields });
}

async function batch(worker: number, transport: 'udp' | 'tcp', size: number): Promise<void> {
  const options = (user: string): CallAgentOptions => ({ user, password: user, domain: 'example.com', server: server.sip, transport });
  const [caller, callee] = [await CallAgent.open(options(`a${worker}`)), await CallAgent.open(options(`b${worker}`))];
  await callee.register();
  for (let i = 0; i < size; i++) await ROUND[i % ROUND.length]?.(caller, callee);
  // Some say goodbye, others are just gone with their connection.
  await unregister(callee);
  // A call that rings at nobody, given up.
  await callee.register();
  callee.deaf = true;
  const call = await caller.invite(callee.address);
  await caller.cancel(call);
  await unregister(caller);
  callee.deaf = false;
  await unregister(callee);
  await Promise.all([caller.close(), callee.close()]);
}

it(`after ${OPERATIONS} operations every table is as before`, { timeout: 900_000 }, async () => {
  const before = await heldBy(server);
  expect(Object.keys(before).length).toBeGreaterThan(10);
  const each = Math.ceil(OPERATIONS / WORKERS);
  const work = async (worker: number): Promise<void> => {
    for (let done = 0, n = worker; done < each; done += BATCH, n++)
      await batch(worker, n % 2 === 0 ? 'udp' : 'tcp', Math.min(BATCH, each - done));
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
  const during = await heldBy(server);
  expect(during.clientTransactions).toBeGreaterThan(before.clientTransactions ?? 0);
  // Of each callee one watcher whom it has not decided about is remembered (RFC 3857 4.7.1), with the time of that.
  const wanted = { ...before, timers: (before.timers ?? 0) + WORKERS, watchers: (before.watchers ?? 0) + WORKERS };
  expect(await settled(server, wanted, LINGER_MS)).toEqual(wanted);
  expect(server.output).not.toMatch(/"level":50/);
});
