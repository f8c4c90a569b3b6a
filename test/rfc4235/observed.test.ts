import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CallAgent } from '../helpers/call-agent.ts';
import { DialogTable, type ReadDialogInfo } from '../helpers/dialog-info-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { Subscription } from '../helpers/sip-subscription.ts';
import { establish, hangUp, OFFER } from '../scenarios/calls.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let alice: CallAgent;
let bob: CallAgent;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  [alice, bob] = [await stage.phone('alice'), await stage.phone('bob')];
  await alice.register();
  await bob.register();
});
afterEach(() => stage.close());

/** What a user's own agent hears of the user's dialogs. */
class Follower {
  readonly table = new DialogTable();
  private readonly subscription: Subscription;

  constructor(subscription: Subscription) {
    this.subscription = subscription;
  }

  static async of(user: string): Promise<Follower> {
    const peer = await stage.peer(user);
    const follower = new Follower(await peer.subscribe(peer.address, { event: 'dialog', expires: 600 }));
    expect((await follower.next()).dialogs).toEqual([]);
    return follower;
  }

  async next(): Promise<ReadDialogInfo> {
    return this.table.take((await this.subscription.notify()).body);
  }

  /** The first document in which a dialog is in the state, and its `<dialog>`. */
  async until(state: string) {
    for (;;) {
      const dialog = (await this.next()).dialogs.find((each) => each.state === state);
      if (dialog) return dialog.element;
    }
  }
}

const stateOf = (element: Awaited<ReturnType<Follower['until']>>) => {
  const state = element.children.find(({ name }) => name === 'state');
  return [state?.text, state?.attributes.get('event'), state?.attributes.get('code')];
};
const identities = (element: Awaited<ReturnType<Follower['until']>>) =>
  ['local', 'remote'].map(
    (side) => element.children.find(({ name }) => name === side)?.children.find(({ name }) => name === 'identity')?.text,
  );

describe('RFC 4235 3.7.1, 3.11: dialogs that the proxy sees', () => {
  it('are told from both sides, confirmed and then ended by the one who hangs up', { timeout: 20_000 }, async () => {
    const [caller, callee] = [await Follower.of('alice'), await Follower.of('bob')];
    const session = await establish(stage, alice, bob);
    const [here, there] = [await caller.until('confirmed'), await callee.until('confirmed')];
    const tags = [header(session.ok, 'from'), header(session.ok, 'to')].map((field) => /;tag=([^;]+)/.exec(field ?? '')?.[1]);
    const [fromTag, toTag] = tags;
    const ids = ['call-id', 'local-tag', 'remote-tag', 'direction'];
    const callId = header(session.ok, 'call-id');
    expect(ids.map((name) => here.attributes.get(name))).toEqual([callId, fromTag, toTag, 'initiator']);
    expect(ids.map((name) => there.attributes.get(name))).toEqual([callId, toTag, fromTag, 'recipient']);
    expect(identities(here)).toEqual(['sip:alice@example.com', 'sip:bob@example.com']);
    expect(identities(there)).toEqual(['sip:bob@example.com', 'sip:alice@example.com']);

    await hangUp(stage, alice, bob, session);
    expect(stateOf(await caller.until('terminated'))).toEqual(['terminated', 'local-bye', undefined]);
    expect(stateOf(await callee.until('terminated'))).toEqual(['terminated', 'remote-bye', undefined]);
    expect([caller.table.entries, callee.table.entries]).toEqual([[], []]);
  });

  it('are trying, then early while it rings, and rejected with the status of the answer', { timeout: 20_000 }, async () => {
    const [caller, callee] = [await Follower.of('alice'), await Follower.of('bob')];
    const call = await alice.invite(bob.address, OFFER);
    const invite = await bob.take('INVITE');
    expect(stateOf(await callee.until('trying'))[0]).toBe('trying');
    invite.answer(180);
    const ringing = await callee.until('early');
    expect(ringing.attributes.get('local-tag')).toBe(invite.tag);
    expect((await caller.until('early')).attributes.get('remote-tag')).toBe(invite.tag);
    invite.answer(486);
    expect((await call.final()).status).toBe(486);
    expect(stateOf(await callee.until('terminated'))).toEqual(['terminated', 'rejected', '486']);
    expect(stateOf(await caller.until('terminated'))).toEqual(['terminated', 'rejected', '486']);
  });

  it('are cancelled when the caller gives up', { timeout: 20_000 }, async () => {
    const callee = await Follower.of('bob');
    const call = await alice.invite(bob.address, OFFER);
    const invite = await bob.take('INVITE');
    invite.answer(180);
    await callee.until('early');
    const cancelling = alice.cancel(call);
    (await bob.take('CANCEL')).answer(200, { contact: false });
    invite.answer(487);
    expect([(await cancelling).status, (await call.final()).status]).toEqual([200, 487]);
    expect(stateOf(await callee.until('terminated'))).toEqual(['terminated', 'cancelled', '487']);
  });

  it('are one for each phone of the callee that rings; all but the one that answers are cancelled', { timeout: 20_000 }, async () => {
    const second = await stage.phone('bob');
    await second.register();
    const callee = await Follower.of('bob');
    const call = await alice.invite(bob.address, OFFER);
    const [first, other] = [await bob.take('INVITE'), await second.take('INVITE')];
    first.answer(180);
    other.answer(180);
    while (callee.table.entries.length < 2) await callee.next();
    other.answer(200, OFFER);
    const ok = await call.final();
    alice.inDialog('ACK', call.message, ok);
    await second.take('ACK');
    (await bob.take('CANCEL')).answer(200, { contact: false });
    first.answer(487);
    while (callee.table.entries.length > 1 || callee.table.entries[0]?.[1] !== 'confirmed') await callee.next();
    await hangUp(stage, alice, second, { call, ok });
    while (callee.table.entries.length > 0) await callee.next();
  });

  it('show others whom a rule lets in no more than that there is a call', { timeout: 20_000 }, async () => {
    const xcap = await stage.xcap('bob');
    const namespaces = 'xmlns="http://openxcap.org/ns/dialog-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"';
    const rule =
      '<cr:rule id="a"><cr:conditions><cr:identity><cr:many/></cr:identity></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule>';
    const document = `<cr:ruleset ${namespaces}>${rule}</cr:ruleset>`;
    const { status } = await xcap.put('/org.openxcap.dialog-rules/users/bob/index', document, {
      'Content-Type': 'application/auth-policy+xml',
    });
    expect(status).toBe(201);
    const carol = await stage.peer('carol');
    const watched = await carol.subscribe(bob.address, { event: 'dialog', expires: 600 });
    await watched.notify();
    const session = await establish(stage, alice, bob);
    const busy = await watched.notify();
    expect(busy.body).toContain('<dialog id="call"><state>confirmed</state></dialog>');
    expect(busy.body).not.toContain('alice');
    await hangUp(stage, alice, bob, session);
    expect((await watched.notify()).body).not.toContain('<dialog ');
  });

  it('are left out where an agent publishes the same call itself', { timeout: 20_000 }, async () => {
    const session = await establish(stage, alice, bob);
    const agent = await stage.peer('bob');
    const callId = header(session.ok, 'call-id') ?? '';
    const own = `<dialog id="mine" call-id="${callId}"><state>confirmed</state></dialog>`;
    const body = `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="${bob.address}">${own}</dialog-info>`;
    expect((await agent.publish(body, { event: 'dialog', contentType: 'application/dialog-info+xml', expires: 600 })).status).toBe(200);
    const watched = await agent.subscribe(bob.address, { event: 'dialog', expires: 600 });
    expect(new DialogTable().take((await watched.notify()).body).dialogs.map(({ id }) => id)).toEqual(['mine']);
    await hangUp(stage, alice, bob, session);
  });
});
