import { readPidf } from '../helpers/pidf-reader.ts';
import { pidf, rule, ruleSelector, rulesDocument, rulesPath } from './documents.ts';
import type { Scenario } from './stage.ts';
import { basics, expectPresence } from './steps.ts';

export const blockList: Scenario = {
  number: 14,
  title: 'Block list',
  async play(stage) {
    await stage.boot({ defaultDecision: 'allow' });
    const watcher = await stage.peer('A');
    const presentity = await stage.peer('B');
    const friend = await stage.peer('C', { transport: 'tcp' });
    const xcap = await stage.xcap('B');
    const rulePath = ruleSelector('B', 'blocked');
    const block = (handling: 'block' | 'polite-block'): string => rule('blocked', handling, [stage.address('A')]);
    let etag = '';
    await stage.given('everybody may watch B, who is online', async () => {
      stage.equal((await xcap.put(rulesPath('B'), rulesDocument())).status, 201, 'the document is stored');
      etag = (await presentity.publish(pidf(stage.address('B'), { basic: 'open', im: 'online' }), { expires: 3600 })).etag;
    });
    const subscription = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal(basics(expectPresence(stage, await subscription.notify(), 'B')), 'open', 'A watches B');
    const friendly = await friend.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal(basics(expectPresence(stage, await friendly.notify(), 'B')), 'open', 'and so does C');

    stage.equal((await xcap.put(rulePath, block('block'))).status, 201, 'B blocks A');
    const last = await subscription.notify();
    stage.equal([last.state, last.reason], ['terminated', 'rejected'], 'A is terminated;reason=rejected at once');
    const refused = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal(refused.response.status, 403, 'and refused with 403');
    stage.equal((await xcap.delete(rulePath)).status, 200, 'B takes A off the block list');
    const back = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal(back.response.status, 200, 'A may subscribe again');
    stage.equal(basics(expectPresence(stage, await back.notify(), 'B')), 'open', 'and sees B');

    stage.equal((await xcap.put(rulePath, block('polite-block'))).status, 201, 'B blocks A politely');
    const polite = await back.notify();
    const shown = expectPresence(stage, polite, 'B');
    stage.equal([shown.tuples.length, basics(shown)], [1, 'closed'], 'A stays active and sees one closed tuple');
    stage.equal([shown.extensions.length, shown.notes.length, shown.tuples[0]?.status.length], [0, 0, 0], 'and nothing else');

    const changed = await presentity.publish(pidf(stage.address('B'), { basic: 'open', im: 'busy' }), { etag, expires: 3600 });
    const seen = expectPresence(stage, await friendly.notify(), 'B');
    stage.equal(seen.tuples[0]?.status[0]?.text, 'busy', 'when B turns busy C sees it');
    await presentity.publish(undefined, { etag: changed.etag, expires: 0 });
    stage.equal(basics(expectPresence(stage, await friendly.notify(), 'B')), 'closed', 'and when B goes offline too');
    await back.refresh();
    const again = await back.notify();
    stage.equal(again.cseq, polite.cseq + 1, 'A heard nothing of it');
    stage.equal(readPidf(again.body), shown, 'and gets the same document when it asks');
    const anew = await watcher.subscribe(stage.address('B'), { expires: 3600 });
    stage.equal(anew.response.status, 200, 'a new SUBSCRIBE of A is answered 200');
    stage.equal(readPidf((await anew.notify()).body), shown, 'with that same document');
  },
};
