import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { header, headerLines, type SipMessage } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
let alice: SipPeer;
let bob: SipPeer;
let carol: SipPeer;
beforeEach(async () => {
  await stage.boot();
  [alice, bob, carol] = [await stage.peer('alice'), await stage.peer('bob'), await stage.peer('carol')];
  await writeRules(stage, 'bob', 'allow', ['alice']);
});
afterEach(() => stage.close());

const expiresOf = (message: SipMessage): number => Number(header(message, 'expires') ?? Number.NaN);

describe('RFC 6665: SUBSCRIBE', () => {
  test('8.3, 3.1.1: is answered 200 and never 202, with an Expires that is never longer: first, pending, refreshed, fetched, ended', async () => {
    for (const watcher of [alice, carol]) {
      for (const asked of [0, 120, 100_000]) {
        const subscription = await watcher.subscribe(bob.address, { expires: asked });
        await subscription.notify();
        expect([subscription.response.status, expiresOf(subscription.response)]).toEqual([200, Math.min(asked, 86_400)]);
        if (asked === 0) continue;
        for (const again of [60, 100_000, 0]) {
          const answer = await subscription.refresh(again);
          expect([answer.status, expiresOf(answer)]).toEqual([200, Math.min(again, 86_400)]);
          await subscription.notify();
        }
      }
    }
  });

  test('4.2.1.2, 4.2.2: brings a NOTIFY at once each time, also a refresh, also where nothing has changed or may be told', async () => {
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
    for (const watcher of [alice, carol]) {
      const subscription = await watcher.subscribe(bob.address, { expires: 600 });
      const first = await subscription.notify();
      for (let n = 0; n < 3; n++) {
        expect((await subscription.refresh(600)).status).toBe(200);
        const next = await subscription.notify();
        expect([next.state, next.body, next.cseq]).toEqual([first.state, first.body, first.cseq + n + 1]);
      }
      expect(first.state).toBe(watcher === alice ? 'active' : 'pending');
    }
  });

  test('8.2.1, 8.2.3: Event stands in requests alone, Subscription-State in NOTIFY alone', async () => {
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    const { message } = await subscription.notify();
    expect([headerLines(message, 'event').length, headerLines(message, 'subscription-state').length]).toEqual([1, 1]);
    const published = await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
    const answers = [subscription.response, await subscription.refresh(600), published.response, await bob.register()];
    answers.push(
      (await alice.subscribe(bob.address, { event: 'nothing' })).response,
      (await alice.subscribe(stage.address('nobody'))).response,
    );
    for (const answer of answers) {
      expect([headerLines(answer, 'event'), headerLines(answer, 'o'), headerLines(answer, 'subscription-state')]).toEqual([[], [], []]);
    }
  });
});

test('RFC 6665 4.4.4: in what it passes on, a proxy adds no Allow-Events', async () => {
  const [caller, callee] = [await stage.phone('dan'), await stage.phone('eve')];
  await callee.register();
  const call = await caller.invite(callee.address);
  const incoming = await callee.take('INVITE');
  expect(incoming.message.headers.filter(({ name }) => /^(allow-events|u)$/i.test(name))).toEqual([]);
  incoming.answer(200);
  const ok = await call.final();
  expect(ok.headers.filter(({ name }) => /^(allow-events|u)$/i.test(name))).toEqual([]);
  caller.inDialog('ACK', call.message, ok);
  await callee.take('ACK');
});
