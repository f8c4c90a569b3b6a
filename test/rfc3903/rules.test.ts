import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { header, headerLines } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
let alice: SipPeer;
beforeEach(async () => {
  await stage.boot();
  alice = await stage.peer('alice');
});
afterEach(() => stage.close());

const state = (word: string) => pidf(alice.address, { basic: 'open', im: word });
const wordIn = (body: string) => /<im[^>]*>(.*?)<\/im>/.exec(body)?.[1];

describe('RFC 3903: PUBLISH', () => {
  test('4: a PUBLISH in a dialog is for whom its Request-URI names: nobody by our Contact, the user by the address', async () => {
    const subscription = await alice.subscribe(alice.address, { expires: 600 });
    await subscription.notify();
    let cseq = 100;
    const publish = async (uri: string) => {
      const { status } = await alice.request({
        method: 'PUBLISH',
        uri,
        to: `<${alice.address}>;tag=${subscription.remoteTag}`,
        from: `<${alice.address}>;tag=${subscription.terms.localTag}`,
        callId: subscription.terms.callId,
        cseq: () => ++cseq,
        headers: [
          ['Event', 'presence'],
          ['Content-Type', 'application/pidf+xml'],
        ],
        body: state('within'),
      });
      return status;
    };
    expect(await publish(subscription.remoteTarget ?? '')).toBe(404);
    expect(await publish(alice.address)).toBe(200);
    expect(wordIn((await subscription.notify()).body)).toBe('within');
  });

  test('6: PUBLISHes that come together are processed in the order in which they come, each wholly', async () => {
    const subscription = await alice.subscribe(alice.address, { expires: 600 });
    await subscription.notify();
    const { etag } = await alice.publish(state('first'), { expires: 600 });
    // Of many for one entity-tag the first is taken, and each of the others finds it gone.
    const together = await Promise.all(Array.from({ length: 10 }, (_, n) => alice.publish(state(`n${n}`), { expires: 600, etag })));
    expect(together.map(({ status }) => status)).toEqual([200, ...Array.from({ length: 9 }, () => 412)]);
    await subscription.refresh(600);
    const last = await subscription.notify(({ body }) => wordIn(body) !== 'first');
    expect(wordIn(last.body)).toBe('n0');
  });

  test('6, steps 5 and 6: every 200 has the Expires that was chosen and one entity-tag, which is new', async () => {
    const etags: string[] = [];
    for (const [body, expires] of [
      [state('a'), 600],
      [undefined, 300],
      [state('b'), 900],
      [undefined, 0],
    ] as const) {
      const etag = etags.at(-1);
      const { response } = await alice.publish(body, { expires, ...(etag === undefined ? {} : { etag }) });
      expect([response.status, header(response, 'expires'), headerLines(response, 'sip-etag').length]).toEqual([200, String(expires), 1]);
      etags.push(header(response, 'sip-etag') ?? '');
    }
    expect(new Set(etags).size).toBe(etags.length);
    expect(etags.every((etag) => /^[\w\-.!%*+`'~]+$/.test(etag))).toBe(true);
  });
});
