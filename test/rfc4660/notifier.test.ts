import { afterEach, describe, expect, test } from 'vitest';
import { filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { header } from '../helpers/sip-message.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
afterEach(() => stage.close());

/** RFC 4660 7.1. */
const pidf = (im: string, voice: string, note = '') =>
  `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="${stage.address('B')}">
  <tuple id="432sd"><status><basic>${im}</basic></status><rpid:class>IM</rpid:class><contact>im:presentity@example.com</contact></tuple>
  <tuple id="thr76jk"><status><basic>${voice}</basic></status><rpid:class>voice</rpid:class><contact>tel:2224055555@example.com</contact></tuple>${note}
</presence>`;

async function play() {
  const b = await stage.peer('B');
  const a = await stage.peer('A');
  await writeRules(stage, 'B', 'allow', ['A']);
  let { etag } = await b.publish(pidf('closed', 'open'), { expires: 600 });
  return {
    a,
    b,
    publish: async (im: string, voice: string, note = '') => {
      ({ etag } = await b.publish(pidf(im, voice, note), { expires: 600, etag }));
    },
  };
}

async function setting() {
  await stage.boot();
  return play();
}

/** Tuples by their id. */
const told = ({ body }: Notification): Record<string, string | undefined> =>
  body === '' ? {} : Object.fromEntries(readPidf(body).tuples.map(({ id, basic }) => [id, basic]));

/** Resolves after some milliseconds in which the subscription was told nothing. */
async function silence(subscription: Subscription, milliseconds = 150): Promise<void> {
  const before = subscription.notifications.length;
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  expect(subscription.notifications).toHaveLength(before);
}

const trigger = (...parts: readonly string[]): string => `<trigger>${parts.join('')}</trigger>`;
const BASIC = '/pidf:presence/pidf:tuple/pidf:status/pidf:basic';
const TO_OPEN = trigger(`<changed from="closed" to="open">\n ${BASIC}\n</changed>`);
const OPEN_ONLY = including('//pidf:tuple[pidf:status/pidf:basic="open"]');

describe('RFC 4660 7.1: presence', () => {
  test('7.1.1: the tuple for messages alone', async () => {
    const { a, b } = await setting();
    const im = '//pidf:tuple[rpid:class="IM" or rpid:class="SMS"\n or rpid:class="MMS"]';
    const body = filterSet(
      filter(including(`${im}/pidf:status/pidf:basic`, `${im}/rpid:class`, `${im}/pidf:contact`), `id="123" uri="${b.address}"`),
    );
    const subscription = await a.subscribe(b.address, withFilters(body));
    expect(subscription.response.status).toBe(200);
    const notification = await subscription.notify();
    expect(readPidf(notification.body).tuples).toMatchObject([{ id: '432sd', basic: 'closed', contact: 'im:presentity@example.com' }]);
    expect(notification.body).toMatch(/<rpid:class>IM<\/rpid:class>/);
  });

  test('7.1.2: the open means of communication', async () => {
    const { a, b, publish } = await setting();
    const body = filterSet(
      filter(
        including(
          '//pidf:tuple/pidf:status[pidf:basic="open"]/pidf:basic',
          '//pidf:tuple[pidf:status/pidf:basic="open"]/rpid:class',
          '//pidf:tuple[pidf:status/pidf:basic="open"]/pidf:contact',
        ),
        `id="123" uri="${b.address}"`,
      ),
    );
    const subscription = await a.subscribe(b.address, withFilters(body));
    expect(told(await subscription.notify())).toEqual({ thr76jk: 'open' });
    await publish('open', 'closed');
    expect(told(await subscription.notify())).toEqual({ '432sd': 'open' });
  });

  test('7.1.3: told when a status becomes open, and then all', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, withFilters(filterSet(filter(TO_OPEN, `id="123" uri="${b.address}"`))));
    // 5.3.1: the first NOTIFY comes whatever the triggers say.
    expect(told(await subscription.notify())).toEqual({ '432sd': 'closed', thr76jk: 'open' });
    await publish('closed', 'closed');
    await silence(subscription);
    await publish('open', 'closed');
    expect(told(await subscription.notify())).toEqual({ '432sd': 'open', thr76jk: 'closed' });
    // RFC 4661 3.6.1: compared with what was sent last, before it was filtered.
    await publish('closed', 'open');
    expect(told(await subscription.notify())).toEqual({ '432sd': 'closed', thr76jk: 'open' });
  });
});

describe('RFC 4660 7.2: watcher information', () => {
  const watchers = ({ body }: Notification) => readWatcherinfo(body).watchers.map(({ uri, status }) => `${uri} ${status}`);

  async function watched(contents: string) {
    await stage.boot({ defaultDecision: 'confirm' });
    const b = await stage.peer('B');
    const [a, c] = [await stage.peer('A'), await stage.peer('C')];
    await writeRules(stage, 'B', 'allow', ['A']);
    await (await a.subscribe(b.address, { expires: 600 })).notify();
    const pending = await c.subscribe(b.address, { expires: 600 });
    await pending.notify();
    const info = await b.subscribe(b.address, { event: 'presence.winfo', expires: 600, ...withFilters(filterSet(filter(contents))) });
    return { a, b, c, info, pending };
  }

  test('7.2.1: active watchers alone, told when they are others and not when others come', async () => {
    const contents = including('/wi:watcherinfo/wi:watcher-list[@package="presence"]/\n wi:watcher[@status="active"]');
    const { a, b, c, info, pending } = await watched(contents);
    const first = await info.notify();
    expect([readWatcherinfo(first.body).state, watchers(first)]).toEqual(['full', [`${a.address} active`]]);
    await pending.refresh(0);
    await silence(info, 300);
    await writeRules(stage, 'B', 'allow', ['A', 'C']);
    await (await c.subscribe(b.address, { expires: 600 })).notify();
    expect(watchers(await info.notify())).toEqual([`${a.address} active`, `${c.address} active`]);
  });

  test('7.2.2: by the time that they have subscribed', async () => {
    const { info } = await watched(including('/wi:watcherinfo/wi:watcher-list[@package="presence"]/wi:watcher[@duration-subscribed>500]'));
    expect((await info.notify()).body).toBe('');
  });

  test('7.2.3: told when one that was pending is rejected', async () => {
    const { c, info, pending } = await watched(
      including('/wi:watcherinfo/wi:watcher-list[@package="presence"]/wi:watcher[@status="terminated" and @event="rejected"]') +
        trigger('<changed from="pending" to="terminated">//@status</changed>'),
    );
    expect((await info.notify()).body).toBe('');
    const other = await stage.peer('D');
    await (await other.subscribe(stage.address('B'), { expires: 600 })).notify();
    await silence(info, 200);
    await writeRules(stage, 'B', 'block', ['C']);
    expect((await pending.notify()).state).toBe('terminated');
    expect(watchers(await info.notify())).toEqual([`${c.address} terminated`]);
  });
});

describe('RFC 4660 5.3.1: contents', () => {
  test('what leaves nothing is told without contents, once', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, withFilters(filterSet(filter(including('//pidf:tuple[pidf:note="x"]')))));
    expect(await subscription.notify()).toMatchObject({ state: 'active', type: '', body: '' });
    await publish('open', 'open');
    await silence(subscription);
  });

  test('a change of what is filtered out is not told', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, withFilters(filterSet(filter(including('//pidf:tuple[rpid:class="IM"]')))));
    expect(told(await subscription.notify())).toEqual({ '432sd': 'closed' });
    await publish('closed', 'closed');
    await silence(subscription);
    await publish('open', 'closed');
    expect(told(await subscription.notify())).toEqual({ '432sd': 'open' });
  });

  test('mandatory elements are there, asked for or not', async () => {
    const { a, b } = await setting();
    const subscription = await a.subscribe(
      b.address,
      withFilters(filterSet(filter(including('//pidf:tuple[rpid:class="IM"]/pidf:contact')))),
    );
    expect(told(await subscription.notify())).toEqual({ '432sd': 'closed' });
  });

  test('nobody sees more by a filter than without', async () => {
    const { a, b, publish } = await setting();
    await publish('open', 'open', '<note>hidden</note>');
    const xcap = await stage.xcap('B');
    const rules = rulesDocument(rule('a', 'allow', [a.address]))
      .replace('<all-services/>', '<class>IM</class>')
      .replace('<provide-all-attributes/>', '<provide-class>true</provide-class>');
    expect((await xcap.put(rulesPath('B'), rules)).status).toBeLessThan(300);
    const everything = await (await a.subscribe(b.address, withFilters(filterSet(filter(including('/*', '//*', '//pidf:note')))))).notify();
    const plain = await (await a.subscribe(b.address)).notify();
    expect(plain.body).not.toContain('voice');
    expect(everything.body).not.toMatch(/voice|hidden|2224055555/);
    expect(told(everything)).toEqual(told(plain));
  });

  test('who is politely blocked is told the same lie, filtered', async () => {
    const { a, b } = await setting();
    await writeRules(stage, 'B', 'polite-block', ['A']);
    const subscription = await a.subscribe(b.address, withFilters(filterSet(filter(OPEN_ONLY))));
    expect(await subscription.notify()).toMatchObject({ state: 'active', body: '' });
  });

  test('partial notifications are differences of what is filtered (RFC 5263)', async () => {
    const { a, b, publish } = await setting();
    const accept = ['application/pidf-diff+xml'];
    const subscription = await a.subscribe(b.address, {
      accept,
      ...withFilters(filterSet(filter(including('//pidf:tuple[rpid:class="IM"]')))),
    });
    const first = await subscription.notify();
    expect([first.type, first.body.includes('thr76jk')]).toEqual(['application/pidf-diff+xml', false]);
    await publish('closed', 'closed');
    await silence(subscription);
    await publish('open', 'closed');
    const next = await subscription.notify();
    expect([next.body.includes('open'), next.body.includes('thr76jk')]).toEqual([true, false]);
  });
});

describe('RFC 4660 5.2.2: filters in refreshes', () => {
  const IM = including('//pidf:tuple[rpid:class="IM"]');
  const VOICE = including('//pidf:tuple[rpid:class="voice"]');
  const [IM_ONLY, VOICE_ONLY, ALL] = [['432sd'], ['thr76jk'], ['432sd', 'thr76jk']];

  test('kept without a body, replaced by id, disabled, enabled, removed', async () => {
    const { a, b } = await setting();
    const subscription = await a.subscribe(b.address, { expires: 600, ...withFilters(filterSet(filter(IM))) });
    const ids = async () => Object.keys(told(await subscription.notify()));
    expect(await ids()).toEqual(IM_ONLY);
    const steps = [
      [undefined, IM_ONLY],
      [filter(VOICE), VOICE_ONLY],
      [filter('', 'id="1" enabled="false"'), ALL],
      [undefined, ALL],
      [filter('', 'id="1" enabled="true"'), VOICE_ONLY],
      [filter('', 'id="1" enabled="0"'), ALL],
      [filter('', 'id="1"'), VOICE_ONLY],
      [filter('', 'id="1" remove="true"'), ALL],
      [filter(IM, 'id="2"'), IM_ONLY],
      [filter('', 'id="2" remove="1"') + filter(VOICE, 'id="3"'), VOICE_ONLY],
    ] as const;
    for (const [written, expected] of steps) {
      const changes = written === undefined ? undefined : withFilters(filterSet(written));
      expect((await subscription.refresh(600, changes)).status).toBe(200);
      expect([written, await ids()]).toEqual([written, expected]);
    }
  });

  test('another id for the same resource is refused, and the filter before holds on', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, { expires: 600, ...withFilters(filterSet(filter(IM))) });
    expect(Object.keys(told(await subscription.notify()))).toEqual(IM_ONLY);
    for (const attributes of ['id="2"', `id="2" uri="${b.address}"`]) {
      const response = await subscription.refresh(600, withFilters(filterSet(filter(VOICE, attributes))));
      expect([response.status, header(response, 'warning')]).toEqual([488, expect.stringMatching(/^399 \S+ ".+"$/)]);
    }
    await publish('open', 'closed');
    expect(told(await subscription.notify())).toEqual({ '432sd': 'open' });
  });

  test('5.2.1: a filter for another resource is passed over, as is one for another domain; that of the own domain is not', async () => {
    const { a, b } = await setting();
    const ids = async (attributes: string) =>
      Object.keys(told(await (await a.subscribe(b.address, withFilters(filterSet(filter(IM, attributes))))).notify()));
    expect(await ids(`id="1" uri="${stage.address('C')}"`)).toEqual(ALL);
    expect(await ids('id="1" domain="elsewhere.test"')).toEqual(ALL);
    expect(await ids('id="1" domain="EXAMPLE.com"')).toEqual(IM_ONLY);
    expect(await ids(`id="1" uri="sips:B@Example.Com:5061;transport=tcp"`)).toEqual(IM_ONLY);
    const both = filterSet(filter(IM, 'id="1" domain="example.com"') + filter(VOICE, `id="2" uri="${b.address}"`));
    expect(Object.keys(told(await (await a.subscribe(b.address, withFilters(both))).notify()))).toEqual(VOICE_ONLY);
  });
});

test('RFC 4660 5.3: filters and rates are kept with the subscription, also after kill -9', { timeout: 40_000 }, async () => {
  const server = await startServerProcess(['--forced-interval', '0']);
  await stage.use(server);
  const { a, b, publish } = await play();
  const subscription = await a.subscribe(b.address, {
    event: 'presence;max-rate=20',
    expires: 900,
    ...withFilters(filterSet(filter(including('//pidf:tuple[rpid:class="IM"]') + TO_OPEN))),
  });
  expect(told(await subscription.notify())).toEqual({ '432sd': 'closed' });
  await server.kill();
  subscription.serverRestarted();
  await server.start();
  const again = await subscription.notify();
  expect([told(again), header(again.message, 'subscription-state')]).toEqual([
    { '432sd': 'closed' },
    expect.stringContaining(';max-rate=20'),
  ]);
  await publish('closed', 'closed');
  await silence(subscription, 300);
  await publish('open', 'closed');
  expect(told(await subscription.notify())).toEqual({ '432sd': 'open' });
});
