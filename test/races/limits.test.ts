import { afterEach, expect, it } from 'vitest';
import { type InProcessServer, startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { XcapClient } from '../helpers/xcap-client.ts';
import { buddiesDocument, buddiesPath, servicesDocument, servicesPath } from '../scenarios/documents.ts';
import { LIST_SUBSCRIPTION } from '../scenarios/steps.ts';

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
