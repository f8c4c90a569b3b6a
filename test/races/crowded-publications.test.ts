/** Very many large publications at once: while they are read, everybody else is served. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LargeRequests } from '../../sip/core/large-requests.ts';
import type { RequestContext } from '../../sip/core/router.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { startWatchedServer, type WatchedServer } from '../helpers/watched-server.ts';
import { Stage } from '../scenarios/stage.ts';

/** Milliseconds. Another program may have the processor for as long now and then, so that the best of some tries counts. */
const LIMIT = 50;
const TRIES = 5;
const USERS = 30;

let stage: Stage;
let server: WatchedServer;
const peers: SipPeer[] = [];
beforeAll(async () => {
  stage = new Stage();
  server = await startWatchedServer();
  await stage.use(server);
  for (let n = 0; n < USERS; n++) peers.push(await stage.peer(`m${n}`, { transport: n % 2 === 0 ? 'udp' : 'tcp' }));
}, 60_000);
afterAll(() => stage.close());

/** About 58 KB. */
function large(peer: SipPeer, round: number): string {
  const tuples = Array.from({ length: 1650 }, (_, i) => `<tuple id="t${round}${i}"><status/></tuple>`).join('');
  return `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${peer.address}">${tuples}</presence>`;
}

describe('RFC 3903 15.2: large publications at once', () => {
  test('of thirty users', { timeout: 60_000 }, async () => {
    const delays: number[] = [];
    for (let round = 0; round < TRIES && (delays.at(-1) ?? LIMIT) >= LIMIT; round++) {
      await server.longestDelay();
      const published = await Promise.all(peers.map((peer) => peer.publish(large(peer, round), { expires: 600 })));
      expect(published.map(({ status }) => status)).toEqual(peers.map(() => 200));
      delays.push(await server.longestDelay());
    }
    expect(Math.min(...delays)).toBeLessThan(LIMIT);
  });

  test('of one user, and a small one of another beside them', { timeout: 60_000 }, async () => {
    const [, one, other] = peers;
    if (!one || !other) throw new Error('there are peers');
    const many = Promise.all(Array.from({ length: 150 }, (_, n) => one.publish(large(one, n), { expires: 600 })));
    const small = await other.publish(large(other, 0).replace(/(?:<tuple [^>]*><status.><.tuple>){1640}/, ''), { expires: 600 });
    expect(small.status).toBe(200);
    for (const { status, response } of await many) {
      if (status !== 200) expect([status, header(response, 'retry-after')]).toEqual([503, '1']);
    }
    expect((await one.publish(large(one, 0), { expires: 600 })).status).toBe(200);
  });
});

describe('requests that wait to be read', () => {
  const request = (identity: string, bytes: number) =>
    ({ identity, flow: {}, request: { body: Buffer.alloc(bytes), headers: { has: () => false } } }) as unknown as RequestContext;

  test('are some of each sender and of all, in the order in which they came; small ones do not wait', async () => {
    const handled: string[] = [];
    const handler = new LargeRequests().inTurn(({ identity }) => void handled.push(identity ?? ''));
    // All of one turn of the event loop: the first is read at once.
    const outcomes: (void | Promise<void>)[] = [];
    const refused: string[] = [];
    for (let n = 0; n < 30 * 60; n++) {
      const sender = `u${Math.floor(n / 60)}`;
      try {
        outcomes.push(handler(request(sender, 60_000)));
      } catch (error) {
        expect(error).toMatchObject({ status: 503, headers: [['Retry-After', '1']] });
        refused.push(sender);
      }
    }
    handler(request('small', 2000));
    expect(handled).toEqual(['u0', 'small']);
    expect(refused.filter((sender) => sender === 'u0')).toHaveLength(9);
    expect(refused.filter((sender) => sender === 'u1')).toHaveLength(10);
    await Promise.all(outcomes);
    expect(handled).toHaveLength(1000 + 2);
    expect(handled.slice(2)).toEqual(handled.slice(2).toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
    // Where nobody has to prove who they are, it is the address that counts.
    const open = (n: number) =>
      ({ ...request(`o${n}`, 60_000), identitySource: 'open', flow: { remoteAddress: '192.0.2.1' } }) as RequestContext;
    const answers = Array.from({ length: 60 }, (_, n) => {
      try {
        return handler(open(n));
      } catch {
        return 'refused';
      }
    });
    expect(answers.filter((answer) => answer === 'refused').length).toBeGreaterThan(8);
    await Promise.all(answers);
    handled.length = 1000 + 2;
    // And then there is room again.
    await handler(request('u0', 60_000));
    expect(handled).toHaveLength(1000 + 3);
  });
});
