import { readMultipart } from '../helpers/multipart-reader.ts';
import { readListState } from '../helpers/rlmi-reader.ts';
import { header } from '../helpers/sip-message.ts';
import { pidf } from './documents.ts';
import type { Scenario } from './stage.ts';
import { basics, instanceOf, LIST_SUBSCRIPTION, writeBuddyList, writeRules } from './steps.ts';

export const buddyList: Scenario = {
  number: 3,
  title: 'Buddy list',
  async play(stage) {
    await stage.boot();
    const watcher = await stage.peer('A');
    const online = await stage.peer('C', { transport: 'tcp' });
    const open = { basic: 'open', im: 'online', contact: stage.address('C') } as const;
    let etag = '';
    let service = '';
    await stage.given('A has the buddies C and B, both let A watch, and only C is online', async () => {
      // Not in the order of the alphabet: the list's own order must be kept.
      service = await writeBuddyList(stage, 'A', ['C', 'B']);
      await writeRules(stage, 'B', 'allow', ['A']);
      await writeRules(stage, 'C', 'allow', ['A']);
      etag = (await online.publish(pidf(stage.address('C'), open), { expires: 3600 })).etag;
    });

    const subscription = await watcher.subscribe(service, LIST_SUBSCRIPTION);
    stage.equal(subscription.response.status, 200, 'the SUBSCRIBE to sip:A-list is answered 200');
    stage.equal(header(subscription.response, 'require'), 'eventlist', 'with Require: eventlist');
    const notification = await subscription.notify();
    stage.equal([notification.state, notification.type], ['active', 'multipart/related'], 'the NOTIFY is active and multipart/related');
    const { root, parts } = readMultipart(header(notification.message, 'content-type') ?? '', notification.body);
    stage.expect(/;\s*start="?</.test(header(notification.message, 'content-type') ?? ''), 'start names the root part');
    stage.equal(root.type, 'application/rlmi+xml', 'the root part is RLMI');
    stage.equal(parts.length, 3, 'and there is one PIDF part for each active resource');
    const state = readListState(notification);
    stage.equal([state.version, state.fullState], [0, true], 'version 0, full state');
    stage.equal(state.uri, service, 'the list names itself');
    stage.equal(state.names, [{ text: 'Buddy List of A', language: 'en' }], 'its name has xml:lang');
    stage.equal(
      state.resources.map(({ uri }) => uri),
      [stage.address('C'), stage.address('B')],
      'the resources keep the order of the list',
    );
    stage.equal(
      state.resources.map(({ names }) => names.map(({ text }) => text)),
      [['C'], ['B']],
      'and have their display names',
    );
    const b = instanceOf(stage, state, 'B');
    const c = instanceOf(stage, state, 'C');
    stage.equal([b.state, basics(b.pidf)], ['active', 'closed'], 'B is active and closed');
    stage.equal([c.state, basics(c.pidf)], ['active', 'open'], 'C is active and open');
    const [tuple] = c.pidf?.tuples ?? [];
    stage.equal(
      tuple?.status.map(({ name, text }) => [name, text]),
      [['im', 'online']],
      "C's <im> is preserved",
    );
    stage.equal([tuple?.contact, tuple?.priority], [stage.address('C'), '1.0'], "and so is C's contact");

    await online.publish(pidf(stage.address('C'), { ...open, im: 'busy' }), { etag, expires: 3600 });
    const partial = readListState(await subscription.notify());
    stage.equal([partial.version, partial.fullState], [1, false], 'when C turns busy: version 1, partial state');
    const changed = instanceOf(stage, partial, 'C');
    stage.equal(changed.pidf?.tuples[0]?.status[0]?.text, 'busy', 'C is busy');
    stage.equal([changed.id, changed.pidf?.tuples[0]?.id], [c.id, tuple?.id], 'under the same instance id and tuple id');

    stage.equal((await subscription.refresh()).status, 200, 'A refreshes');
    const again = readListState(await subscription.notify());
    stage.equal([again.version, again.fullState], [2, true], 'version 2, full state again');
    stage.equal(
      again.resources.map(({ uri }) => uri),
      state.resources.map(({ uri }) => uri),
      'in the same order',
    );
    const ids = [instanceOf(stage, again, 'B'), instanceOf(stage, again, 'C')].map(({ id, pidf: document }) => [
      id,
      document?.tuples[0]?.id,
    ]);
    stage.equal(
      ids,
      [
        [b.id, b.pidf?.tuples[0]?.id],
        [c.id, tuple?.id],
      ],
      'with the same instance ids and tuple ids',
    );
  },
};
