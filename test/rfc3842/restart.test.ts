import { afterEach, expect, test } from 'vitest';
import { readMessageSummary } from '../helpers/message-summary-reader.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { Stage } from '../scenarios/stage.ts';
import { run } from '../server/command.ts';

const stage = new Stage();
afterEach(() => stage.close());

test('RFC 3842 after kill -9: counts set and published, and the subscription, are there again', { timeout: 40_000 }, async () => {
  const server = await startServerProcess();
  await stage.use(server);
  const alice = await stage.peer('alice');
  const type = { event: 'message-summary', contentType: 'application/simple-message-summary', expires: 900 };
  const published = await alice.publish('Messages-Waiting: yes\r\nFax-Message: 1/0\r\n', type);
  const watched = await alice.subscribe(alice.address, { event: 'message-summary', expires: 900 });
  const before = await watched.notify();
  expect((await run(['mailbox', 'set', 'alice', 'voice-message=3/1', '--data', server.data])).code).toBe(0);
  await server.kill();
  watched.serverRestarted();
  while (watched.unread > 0) await watched.notify();
  await server.start();

  const again = await watched.notify();
  expect(again.cseq).toBeGreaterThan(before.cseq);
  const lines = { 'Voice-Message': '3/1', 'Fax-Message': '1/0' };
  expect(readMessageSummary(again.body)).toEqual({ waiting: true, account: alice.address, lines });
  expect((await alice.publish(undefined, { ...type, etag: published.etag, expires: 0 })).status).toBe(200);
  expect(readMessageSummary((await watched.notify()).body).lines).toEqual({ 'Voice-Message': '3/1' });
  expect((await run(['mailbox', 'clear', 'alice', '--data', server.data])).code).toBe(0);
  expect(readMessageSummary((await watched.notify()).body)).toEqual({ waiting: false, account: alice.address, lines: {} });
});
