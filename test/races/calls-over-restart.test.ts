import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { readDialogInfo } from '../helpers/dialog-info-reader.ts';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';
import type { PeerTransport } from '../helpers/sip-socket.ts';
import { establish, hangUp, OFFER, type Session } from '../scenarios/calls.ts';
import { Stage } from '../scenarios/stage.ts';

/** Calls that go on while the server is killed and started again: RFC 3261 12.2 and 16.4 by the Route alone, RFC 4235 3.7.1. */

const stage = new Stage();
let server: ServerProcess;
beforeEach(async () => {
  server = await startServerProcess();
  await stage.use(server);
});
afterEach(() => stage.close());

async function call(transport: PeerTransport): Promise<{ alice: CallAgent; bob: CallAgent; session: Session }> {
  const [alice, bob] = [await stage.phone('alice', { transport }), await stage.phone('bob', { transport })];
  await bob.register();
  return { alice, bob, session: await establish(stage, alice, bob) };
}

async function restart(...agents: CallAgent[]): Promise<void> {
  await server.kill();
  // Their connections end with the server, and what they send opens new ones.
  for (const agent of agents) if (agent.socket.transport !== 'UDP') agent.socket.disconnect();
  await server.start();
}

describe.each(['udp', 'tcp'] as const)('a call by %s over kill -9 and a start', { timeout: 40_000 }, (transport) => {
  it('goes on: a re-INVITE of the caller, an INFO and the BYE of the callee get through', async () => {
    const { alice, bob, session } = await call(transport);
    await restart(alice, bob);
    const again = alice.inDialog('INVITE', session.call.message, session.ok, { ...OFFER, headers: [...OFFER.headers, ['Contact', `<${alice.contact}>`]] }); // biome-ignore format: one line
    const reinvite = await bob.take('INVITE');
    reinvite.answer(200, OFFER);
    const ok = await again.final();
    expect(ok.status).toBe(200);
    alice.inDialog('ACK', again.message, ok);
    await bob.take('ACK');
    const info = bob.backwards('INFO', session.invite);
    (await alice.take('INFO')).answer(200, { contact: false });
    expect((await info.final()).status).toBe(200);
    const bye = bob.backwards('BYE', session.invite);
    (await alice.take('BYE')).answer(200, { contact: false });
    expect((await bye.final()).status).toBe(200);
  });

  it('ends with the BYE of the caller', async () => {
    const { alice, bob, session } = await call(transport);
    await restart(alice, bob);
    await hangUp(stage, alice, bob, session);
  });
});

describe('what was under way when the server was killed', { timeout: 40_000 }, () => {
  it('an INVITE that rang: its late answer goes nowhere (RFC 6026 7.1), CANCEL is 481, and the next call is one as any', async () => {
    const [alice, bob] = [await stage.phone('alice'), await stage.phone('bob')];
    await bob.register();
    const lost = await alice.invite(bob.address, OFFER);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await restart();
    invite.answer(200, OFFER);
    expect((await alice.cancel(lost)).status).toBe(481);
    const session = await establish(stage, alice, bob);
    await hangUp(stage, alice, bob, session);
    expect(lost.done).toBe(false);
  });

  it('dialogs that the proxy has seen are the same after it, and end with the BYE that passes then', async () => {
    const { alice, bob, session } = await call('udp');
    const watcher = await stage.peer('bob');
    const watched = await watcher.subscribe(bob.address, { event: 'dialog', expires: 600 });
    const before = readDialogInfo((await watched.notify()).body);
    expect(before.dialogs.map(({ state }) => state)).toEqual(['confirmed']);
    await server.kill();
    watched.serverRestarted();
    await server.start();
    const after = readDialogInfo((await watched.notify()).body);
    expect([after.state, after.dialogs]).toEqual(['full', before.dialogs]);
    expect(after.version).toBeGreaterThan(before.version);
    await hangUp(stage, alice, bob, session);
    const ended = readDialogInfo((await watched.notify()).body);
    expect(ended.dialogs.map(({ id, state }) => [id, state])).toEqual([[before.dialogs[0]?.id, 'terminated']]);
    // What is over does not come back, and the next call is told as ever.
    await server.kill();
    watched.serverRestarted();
    await server.start();
    expect(readDialogInfo((await watched.notify()).body).dialogs).toEqual([]);
    const next = await establish(stage, alice, bob);
    let told = readDialogInfo((await watched.notify()).body);
    while (told.dialogs[0]?.state !== 'confirmed') told = readDialogInfo((await watched.notify()).body);
    expect(told.dialogs).toHaveLength(1);
    await hangUp(stage, alice, bob, next);
    expect(server.output).not.toMatch(/"level":(?:50|60)/);
  });
});
