import { afterEach, describe, expect, it } from 'vitest';
import { PacedQueue } from '../../sip/core/paced-queue.ts';
import { StreamParser } from '../../sip/message/stream-parser.ts';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { XcapClient } from '../helpers/xcap-client.ts';
import { buddiesDocument, buddiesPath, servicesDocument, servicesPath } from '../scenarios/documents.ts';
import { LIST_SUBSCRIPTION } from '../scenarios/steps.ts';

describe('a watcher with long lists', () => {
  let server: InProcessServer;
  let alice: SipPeer;
  afterEach(async () => {
    await alice.close();
    await server.stop();
  });

  it('the members of lists count among the subscriptions that one watcher may hold', async () => {
    server = await startServer({ auth: 'none' });
    alice = await SipPeer.create({ user: 'alice', domain: server.domain, server: server.sip, transport: 'tcp' });
    const { address: host, port } = server.http;
    const xcap = new XcapClient({ host, port, root: server.root, user: 'alice', password: '', auth: 'none' });
    const members = Array.from({ length: 2000 }, (_, i) => ({ uri: `sip:m${i}@example.com` }));
    expect((await xcap.put(buddiesPath('alice'), buddiesDocument('alice', members))).status).toBe(201);
    const root = `http://${host}:${port}${server.root}`;
    expect((await xcap.put(servicesPath('alice'), servicesDocument('sip:list@example.com', root, 'alice'))).status).toBe(201);
    let granted = 0;
    for (let i = 0; i < 7; i++) {
      const { response } = await alice.subscribe('sip:list@example.com', LIST_SUBSCRIPTION);
      if (response.status === 200) granted++;
      else expect([response.status, response.reason]).toEqual([403, 'This watcher has too many subscriptions']);
      // The members are watched when the list is told.
      if (response.status === 200) await alice.subscriptions.at(-1)?.notify();
    }
    expect(granted).toBe(5);
  });
});

it('a queue that never runs empty keeps nothing of what is done', async () => {
  let left = 20_000;
  let longest = 0;
  await new Promise<void>((resolve) => {
    const queue: PacedQueue<number> = new PacedQueue((n) => {
      const { items } = queue as unknown as { items: readonly number[] };
      longest = Math.max(longest, items.length);
      if (left-- > 0) queue.push(n);
      else resolve();
    });
    for (let i = 0; i < 100; i++) queue.push(i);
  });
  expect(longest).toBeLessThan(1000);
});

it('a stream that has ended keeps nothing of a message that has not, and reads no more', () => {
  const messages: unknown[] = [];
  const parser = new StreamParser(1_000_000, {
    onMessage: (message) => messages.push(message),
    onPing() {},
    onError: (error) => messages.push(error),
  });
  parser.push(Buffer.from(`OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nab`));
  expect(parser.inMessage).toBe(true);
  parser.end();
  expect(parser.inMessage).toBe(false);
  parser.push(Buffer.from('cd'));
  expect(messages).toEqual([]);
});
