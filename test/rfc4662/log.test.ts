import { expect, test } from 'vitest';
import { LogLines } from '../helpers/log-lines.ts';
import { startServer } from '../helpers/server.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import { ASKED, entry, ListWatcher, list, lists } from './list-stage.ts';

test.each([
  ['info', 0],
  ['debug', 40],
] as const)('the log at level %s has one line of a subscription to a list of twenty, and %i of its members', async (level, ofMembers) => {
  const log = new LogLines(level);
  const server = await startServer({ defaultDecision: 'allow' }, log.logger);
  const password = 'a secret';
  await server.addUser('alice', password);
  for (let i = 0; i < 20; i++) await server.addUser(`member-${i}`, password);
  const alice = await SipPeer.create({ user: 'alice', password, domain: server.domain, server: server.sip, transport: 'tcp' });
  try {
    const members = Array.from({ length: 20 }, (_, i) => entry(`sip:member-${i}@example.com`));
    const watcher = await ListWatcher.open(alice, 'sip:rls@example.com', {
      ...ASKED,
      headers: [
        ['Require', 'recipient-list-subscribe'],
        ['Content-Type', 'application/resource-lists+xml'],
      ],
      body: lists(list('l', ...members)),
    });
    expect(Object.keys(watcher.view.words())).toHaveLength(20);
    await watcher.subscription.unsubscribe();
    await watcher.next();
    const lines = log.of('subscription');
    expect(lines.filter(({ resource }) => String(resource).startsWith('sip:member-'))).toHaveLength(ofMembers);
    // It begins and it ends.
    expect(lines.filter(({ resource }) => resource === 'sip:rls@example.com')).toHaveLength(2);
  } finally {
    await alice.close();
    await server.stop();
  }
});
