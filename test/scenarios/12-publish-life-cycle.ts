import { pidf } from './documents.ts';
import type { Scenario } from './stage.ts';
import { basics, expectPresence, writeRules } from './steps.ts';

export const publishLifeCycle: Scenario = {
  number: 12,
  title: 'PUBLISH life cycle',
  async play(stage) {
    await stage.boot();
    const presentity = await stage.peer('A');
    const watcher = await stage.peer('B', { transport: 'tcp' });
    await stage.given('A lets B watch', () => writeRules(stage, 'A', 'allow', ['B']));
    const subscription = await watcher.subscribe(stage.address('A'), { expires: 3600 });
    stage.equal(basics(expectPresence(stage, await subscription.notify(), 'A')), 'closed', 'A is closed at first');

    const initial = await presentity.publish(pidf(stage.address('A'), { basic: 'open', im: 'online' }), { expires: 3600 });
    stage.equal(initial.status, 200, 'the initial publication is accepted');
    stage.expect(initial.etag !== '' && initial.expires > 0 && initial.expires <= 3600, 'with SIP-ETag and Expires');
    const online = expectPresence(stage, await subscription.notify(), 'A');
    stage.equal([basics(online), online.tuples[0]?.status[0]?.text], ['open', 'online'], 'the watcher sees A open and online');

    const modified = await presentity.publish(pidf(stage.address('A'), { basic: 'open', im: 'busy' }), {
      etag: initial.etag,
      expires: 3600,
    });
    stage.equal(modified.status, 200, 'the publication is modified');
    stage.expect(modified.etag !== '' && modified.etag !== initial.etag, 'and has a new entity-tag');
    const busy = expectPresence(stage, await subscription.notify(), 'A');
    stage.equal([basics(busy), busy.tuples[0]?.status[0]?.text], ['open', 'busy'], 'the watcher sees A busy');

    const refreshed = await presentity.publish(undefined, { etag: modified.etag, expires: 3600 });
    stage.equal(refreshed.status, 200, 'the publication is refreshed');
    stage.expect(refreshed.etag !== '' && refreshed.etag !== modified.etag, 'and has a new entity-tag again');

    const stale = await presentity.publish(undefined, { etag: modified.etag, expires: 3600 });
    stage.equal(stale.status, 412, 'a stale entity-tag gets 412');
    const empty = await presentity.publish(undefined, { expires: 3600 });
    stage.equal(empty.status, 400, 'no entity-tag and no body gets 400');

    const removed = await presentity.publish(undefined, { etag: refreshed.etag, expires: 0 });
    stage.equal([removed.status, removed.expires], [200, 0], 'the publication is removed: 200 with Expires: 0');
    stage.expect(removed.etag !== '', 'and SIP-ETag (RFC 3903 6)');
    // The next NOTIFY is this one: the refresh and what was refused reached nobody.
    stage.equal(
      basics(expectPresence(stage, await subscription.notify(), 'A')),
      'closed',
      'the next the watcher hears is that A is closed',
    );

    // RFC 3903 6 lets a server choose less than was asked; a short publication shows when its end is told.
    const short = await presentity.publish(pidf(stage.address('A'), { basic: 'open' }), { expires: 2 });
    stage.equal([short.status, short.expires], [200, 2], 'A publishes for two seconds');
    const published = Date.now();
    stage.equal(basics(expectPresence(stage, await subscription.notify(), 'A')), 'open', 'A is open');
    stage.equal(basics(expectPresence(stage, await subscription.notify(), 'A')), 'closed', 'and closed when the publication expires');
    const lasted = Date.now() - published;
    stage.expect(lasted > 1800 && lasted < 3000, 'which the watcher hears when it happens');
  },
};
