import { readPidf } from '../helpers/pidf-reader.ts';
import { header } from '../helpers/sip-message.ts';
import { pidf } from './documents.ts';
import type { Scenario, Stage } from './stage.ts';
import { basics, expectPresence, writeRules } from './steps.ts';

const CPIM = 'application/cpim-pidf+xml';

export const singlePresence: Scenario = {
  number: 1,
  title: 'Single presence',
  async play(stage) {
    await stage.boot();
    await stage.given('B lets A watch', () => writeRules(stage, 'B', 'allow', ['A']));
    const watcher = await stage.peer('A', { transport: 'tcp' });
    const presentity = await stage.peer('B');

    const subscription = await watcher.subscribe(stage.address('B'));
    // RFC 6665 8.3.1 deprecates 202; the agents check every response for it besides.
    stage.equal(subscription.response.status, 200, 'a SUBSCRIBE over TCP is answered 200');
    stage.equal(header(subscription.response, 'expires'), '3600', 'without Expires it lasts the default of 3600 s');
    const first = await subscription.notify();
    stage.equal(basics(expectPresence(stage, first, 'B')), 'closed', 'B, who has published nothing, is closed');
    const left = first.expires ?? 0;
    stage.expect(left > 3590 && left <= 3600, 'Subscription-State counts the seconds that are left');

    const contact = 'sip:b@192.0.2.7';
    const published = await presentity.publish(pidf(stage.address('B'), { basic: 'open', contact }), { expires: 600 });
    stage.equal(published.status, 200, 'B publishes');
    const second = await subscription.notify();
    const document = expectPresence(stage, second, 'B');
    stage.equal(basics(document), 'open', 'B is open now');
    stage.equal(document.tuples[0]?.contact, contact, 'with the contact that was published');
    // Call-ID, swapped tags, Contact and body type are checked of every NOTIFY; the number is worth saying.
    stage.equal(second.cseq, first.cseq + 1, 'in the same dialog, one CSeq higher');

    await throughRoutes(stage);
    await forerunnerType(stage);
  },
};

async function throughRoutes(stage: Stage): Promise<void> {
  const watcher = await stage.peer('A', { name: 'A behind proxies' });
  const near = await watcher.openRoute();
  const routes = [near, '<sip:192.0.2.1;lr>'];
  const subscription = await watcher.subscribe(stage.address('B'), { recordRoutes: routes, expires: 60 });
  stage.equal(subscription.response.status, 200, 'a SUBSCRIBE that came through proxies is answered 200');
  // That it comes to the first proxy, with both in Route and our Contact as Request-URI, is checked on arrival.
  stage.equal((await subscription.notify()).state, 'active', 'the NOTIFY goes through the route set');
}

async function forerunnerType(stage: Stage): Promise<void> {
  const presentity = await stage.peer('B', { name: 'old B' });
  const old = await (await stage.peer('A', { name: 'old A' })).subscribe(stage.address('B'), { accept: [CPIM] });
  stage.equal((await old.notify()).type, CPIM, `a watcher that accepts ${CPIM} alone gets that`);
  const newer = await (await stage.peer('A', { name: 'newer A' })).subscribe(stage.address('B'), {
    accept: [CPIM, 'application/pidf+xml'],
  });
  expectPresence(stage, await newer.notify(), 'B');
  const body = pidf(stage.address('B'), { basic: 'open', tuple: 'old' }).replace('ns:pidf', 'ns:cpim-pidf');
  const published = await presentity.publish(body, { contentType: CPIM, expires: 600 });
  stage.equal(published.status, 200, `${CPIM} is accepted in PUBLISH`);
  const forwarded = await newer.notify();
  stage.equal(forwarded.type, 'application/pidf+xml', 'and a watcher that knows PIDF gets PIDF of it');
  stage.expect(readPidf(forwarded.body).tuples.length === 2, 'with both tuples');
  const kept = await old.notify();
  stage.equal(kept.type, CPIM, 'the old watcher gets its own type again');
  stage.expect(/xmlns(:[a-z]+)?="urn:ietf:params:xml:ns:cpim-pidf"/.test(kept.body), "in that type's namespace");
}
