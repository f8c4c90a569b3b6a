import { afterAll, beforeAll, expect, test } from 'vitest';
import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { type ServerProcess, startServerProcess } from '../helpers/server-process.ts';
import { SipPeer } from '../helpers/sip-peer.ts';

/** RFC 3428 7: a message that was answered 202 will be delivered, whatever becomes of the process. */

const ROUNDS = 4;
const SENDERS = 6;
let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess(['--auth', 'none', '--log', 'silent', '--min-expires', '1', '--message-queue', '5000']);
}, 30_000);
afterAll(() => server.stop());

const agent = (user: string): Promise<SipPeer> =>
  SipPeer.create({ user, domain: server.domain, server: server.sip, transport: 'udp', name: user });

test(`kill -9 in a storm of messages, ${ROUNDS} times, and once more while they are delivered`, { timeout: 120_000 }, async () => {
  const accepted: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const last = accepted.length + 20 + round * 13;
    let dying: Promise<void> | undefined;
    const storm = async (sender: number): Promise<void> => {
      const peer = await agent(`a${sender}`);
      for (let i = 0; !dying; i++) {
        const text = `${round}-${sender}-${i}`;
        const status = await sendMessage(peer, `sip:bob@${server.domain}`, text, { callId: text, timeout: 1000 }).then(
          (response) => response.status,
          () => undefined,
        );
        if (status === undefined) break;
        expect(status).toBe(202);
        accepted.push(text);
        if (accepted.length >= last) dying ??= server.kill();
      }
      await peer.close().catch(() => {});
    };
    await Promise.all(Array.from({ length: SENDERS }, (_, sender) => storm(sender)));
    await dying;
    await server.start();
  }

  const bob = await agent('bob');
  const inbox = new Inbox(bob);
  const seen = new Set<string>();
  const half = Math.floor(accepted.length / 2);
  let killing: Promise<void> | undefined;
  inbox.status = ({ body }) => {
    seen.add(body.toString());
    if (seen.size === half) killing ??= server.kill();
    return 200;
  };
  await bob.register().catch(() => {});
  while (seen.size < half) await inbox.next();
  await killing;
  const before = inbox.received.length;
  await server.start();
  // The bindings have outlived the crash, so nobody needs to register anew.
  while (accepted.some((text) => !seen.has(text))) await inbox.next();
  expect(accepted.filter((text) => !seen.has(text))).toEqual([]);
  // At least once, and nothing from before the crash comes again but what had not been struck off yet: the last ones.
  const texts = inbox.received.map(({ body }) => body.toString());
  const again = texts.filter((text, index) => texts.indexOf(text) < index);
  expect(again).toEqual(texts.slice(before - again.length, before));
  const bySender = (sender: number, round: number): string[] =>
    [...seen].filter((text) => text.startsWith(`${round}-${sender}-`) && accepted.includes(text));
  for (let round = 0; round < ROUNDS; round++) {
    for (let sender = 0; sender < SENDERS; sender++) {
      const order = bySender(sender, round).map((text) => Number(text.split('-')[2]));
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
  }
  await bob.close();
});
