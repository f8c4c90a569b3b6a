import { afterEach, describe, expect, test } from 'vitest';
import { PacedQueue } from '../../sip/core/paced-queue.ts';
import { xcapDiffPackage } from '../../sip/packages/xcap-diff.ts';
import { digestOf } from '../../sip/packages/xcap-diff-candidate.ts';
import { TrackedDocument } from '../../sip/packages/xcap-diff-document.ts';
import { VersionTexts } from '../../sip/packages/xcap-diff-texts.ts';
import type { XcapResources } from '../../sip/packages/xcap-resources.ts';
import { TimerWheel } from '../../sip/transport/timer-wheel.ts';
import { XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { fetchAll, listDocument, nextDiff, pathOf, told, watchResources, write } from './diff-stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

const key = { auid: 'resource-lists', xui: 'sip:a@example.com', name: 'index' };
const version = (n: number, text: string) => ({ key, etag: `e${n}`, text, modified: 0 });

describe('xcap-diff under load', () => {
  test('keeps each text once, and none beyond its bound', () => {
    const texts = new VersionTexts();
    expect([texts.hold('1', 'x'.repeat(20_000_000)), texts.hold('1', ''), texts.hold('2', 'x'.repeat(20_000_000))]).toEqual([
      true,
      true,
      false,
    ]);
    texts.release('1');
    expect([texts.text('1')?.length, texts.text('2')]).toEqual([20_000_000, undefined]);
    texts.release('1');
    expect([texts.text('1'), texts.hold('2', 'x'.repeat(20_000_000))]).toEqual([undefined, true]);
  });

  test('compares of documents so long that it would hold up everything else only what lies where they differ', async () => {
    const texts = new VersionTexts();
    const long = `<a>${`<b>${'x'.repeat(50)}</b>`.repeat(15_000)}</a>`;
    const both = long.replace('<b>', '<c/><b>').replace(/<b>(x+<.b><.a>)$/, '<c/><b>$1');
    expect(texts.patch('1', long, '2', both)).toBeUndefined();
    const patch = await texts.patch('1', long, '5', long.replace('<b>', '<c/><b>'));
    expect(patch?.operations).toMatchObject([{ name: 'add', sel: '*', pos: 'prepend', content: '<c/>' }]);
    const comments = `<a>${'<!--x-->'.repeat(15_000)}</a>`;
    expect(texts.patch('6', comments, '7', comments.replace('<a>', '<a><c/>'))).toBeUndefined();
    expect(texts.patch('3', '<a><b/></a>', '4', '<a><c/></a>')).toMatchObject({ operations: [{ name: 'replace' }] });
  });

  test('compares at once what takes one turn of the event loop, and the rest in turns of its own, each once', async () => {
    const texts = new VersionTexts();
    const text = (n: number, size = 2000) => `<a>${'<b/>'.repeat(size)}<c n="${n}"/></a>`;
    const compare = (from: number, to: number, size?: number) =>
      Array.from({ length: to - from }, (_, i) =>
        texts.patch(`${from + i}`, text(from + i, size), `${from + i + 1}`, text(from + i + 1, size)),
      );
    const first = compare(0, 30);
    const late = first.filter((patch) => patch instanceof Promise);
    expect([late.length > 20, late.length < 30]).toEqual([true, true]);
    // Asked again, it is the same one.
    expect(compare(0, 30).filter((patch, i) => patch !== first[i])).toEqual([]);
    for (const patch of await Promise.all(first)) expect(patch?.operations).toHaveLength(1);
    expect(compare(0, 30).filter((patch) => patch instanceof Promise)).toEqual([]);
    // A long one never comes at once, and there is an end to how many can wait.
    const long = compare(100, 160, 24_000);
    expect(long[0]).toBeInstanceOf(Promise);
    expect(long.filter((patch) => patch === undefined).length).toBeGreaterThan(0);
    for (const patch of await Promise.all(long)) expect(patch === undefined || patch.operations.length === 1).toBe(true);
    expect(await texts.patch('200', text(200, 24_000), '201', text(201, 24_000))).toBeDefined();
  });

  test('reads what a watcher names in turns, and a collection once by however many names', async () => {
    const wheel = new TimerWheel(() => undefined);
    const names = Array.from({ length: 40 }, (_, n) => `d${n}`);
    const stored = new Map(
      names.map((name) => [name, { ...version(0, `<a>${name}${' '.repeat(500_000)}</a>`), key: { ...key, name }, etag: name }]),
    );
    let [lists, mostInTurn, inTurn] = [0, 0, 0];
    const resources: XcapResources = {
      rootUri: () => 'http://x/',
      locate: () => ({ kind: 'collection', auid: key.auid, tree: 'users', xui: key.xui, prefix: '' }),
      mayRead: () => true,
      isShared: () => false,
      readsOthers: () => false,
      isStored: () => true,
      get({ name }) {
        if (inTurn === 0) setImmediate(() => (inTurn = 0));
        mostInTurn = Math.max(mostInTurn, (inTurn += stored.get(name)?.text.length ?? 0));
        return stored.get(name);
      },
      list() {
        lists++;
        return [...stored.values()];
      },
      listAll: () => [],
      pathOf: ({ name }) => name,
    };
    const pack = xcapDiffPackage({ resources, wheel, now: Date.now, interval: 0, touch: () => undefined });
    const uris = Array.from({ length: 200 }, (_, n) => `resource-lists/users/a/?${n}`);
    const watch = {
      id: 'w',
      watcher: key.xui,
      displayName: undefined,
      resource: key.xui,
      contentType: 'x',
      terms: { mode: 'aggregate', uris },
      memo: undefined,
    };
    await pack.opened?.(watch);
    const body = await pack.render(undefined, { handling: 'allow', view: 'own', because: '' }, { watch, full: true, version: 0 });
    expect(
      body &&
        [
          ...Buffer.from(body.bytes)
            .toString()
            .matchAll(/sel="(\w+)"/g),
        ].map(([, sel]) => sel),
    ).toEqual(names);
    expect(lists).toBe(1);
    // One more than the bound begins, and what is read then.
    expect(mostInTurn).toBeLessThan(3 * 1024 * 1024);
    pack.closed?.(watch);
    wheel.close();
  });

  test('looks at a node once for all who name it, and at a very long one not at all', () => {
    const tracked = new TrackedDocument(key, true, new VersionTexts());
    tracked.load(version(7, '<a/>'));
    const node = {};
    const digest = digestOf({ text: '<b/>', node, namespaces: () => new Map() }, tracked);
    expect(digest).toMatch(/^.{44}$/);
    // Only its length is looked at, whoever asks.
    const unread = { length: 10, node } as unknown as string;
    expect(digestOf({ text: unread, node, namespaces: () => new Map() }, tracked)).toBe(digest);
    const long = digestOf({ text: 'x'.repeat(100_000), node: {}, namespaces: () => new Map() }, tracked);
    expect(long).toBe('in e7');
    tracked.load(version(8, '<a/>'));
    expect(digestOf({ text: 'x'.repeat(100_000), node: {}, namespaces: () => new Map() }, tracked)).not.toBe(long);
  });

  test('a turn of the event loop ends when what is told takes long, however few are told', async () => {
    let [turns, done] = [0, 0];
    const queue = new PacedQueue<number>(() => {
      done++;
      for (const end = performance.now() + 20; performance.now() < end; );
    });
    for (let n = 0; n < 5; n++) queue.push(n);
    while (done < 5) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    expect(turns).toBeGreaterThanOrEqual(4);
  });

  test('keeps the steps of a document while somebody needs them, but not without end', () => {
    const tracked = new TrackedDocument(key, true, new VersionTexts());
    tracked.load(version(0, '<a/>'));
    tracked.stepReaders = 1;
    for (let n = 1; n <= 6000; n++) tracked.change({ seq: n, key, previousEtag: `e${n - 1}`, newEtag: `e${n}` }, version(n, `<a>${n}</a>`));
    expect([tracked.stepsFrom(0), tracked.stepsFrom(1000)?.length, tracked.nextStep]).toEqual([undefined, 5000, 6000]);
    expect(tracked.stepsFrom(5999)).toMatchObject([{ previousEtag: 'e5999', newEtag: 'e6000' }]);
    tracked.forgetTold();
    expect([tracked.stepsFrom(6000), tracked.stepsFrom(5999)]).toEqual([[], undefined]);
  });

  test('a change whose text is not known is told without a patch, and so is the one after it', () => {
    const tracked = new TrackedDocument(key, true, new VersionTexts());
    tracked.load(version(0, '<a>0</a>'));
    tracked.stepReaders = 1;
    const write = (n: number, stored: number) =>
      tracked.change({ seq: n, key, previousEtag: `e${n - 1}`, newEtag: `e${n}` }, version(stored, `<a>${stored}</a>`));
    // Two writes were committed at once: only the later text is there.
    write(1, 2);
    write(2, 2);
    write(3, 3);
    expect(tracked.stepsFrom(0)?.map(({ patch }) => patch !== undefined)).toEqual([false, false, true]);
  });

  test('says what there is no room for in the notification after, and leaves long elements out (RFC 5875 4.7)', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const uris = Array.from({ length: 900 }, (_, i) => `sip:somebody-${i}@example.com`);
    const names = Array.from({ length: 20 }, (_, i) => `list-${i}`);
    const etags = new Map<string, string>();
    for (const name of names)
      etags.set(pathOf(stage, 'A', name), await write(xcap, pathOf(stage, 'A', name), listDocument(...uris.slice(i(name) * 10))));
    const client = new XcapDiffClient();
    const long = `${pathOf(stage, 'A', 'list-0')}/~~/resource-lists/list`;
    const medium = [16, 17, 18, 19].map((n) => `${pathOf(stage, 'A', `list-${n}`)}/~~/resource-lists/list/entry[${n}]`);
    const subscription = await watchResources(a, 'aggregate', ['resource-lists/', long, ...medium]);
    const first = await nextDiff(subscription);
    client.receive(first.body);
    expect(client.nodes.get(long)).toBe('');
    expect(client.nodes.size).toBe(5);
    expect(Object.fromEntries([...client.documents].map(([sel, { etag }]) => [sel, etag]))).toEqual(Object.fromEntries(etags));
    await fetchAll(client, xcap);

    // Each of these patches has half of the room: they come one after the other, and all of them come.
    const entries = (n: number) => listDocument(...Array.from({ length: 300 }, (_, k) => `sip:${n}-${k}@example.com`));
    await Promise.all(
      names
        .slice(0, 4)
        .map(async (name) => etags.set(pathOf(stage, 'A', name), await write(xcap, pathOf(stage, 'A', name), entries(i(name))))),
    );
    while (names.slice(0, 4).some((name) => client.documents.get(pathOf(stage, 'A', name))?.etag !== etags.get(pathOf(stage, 'A', name)))) {
      const diff = await nextDiff(subscription);
      expect(diff.body.length).toBeLessThan(60_000);
      client.receive(diff.body);
    }
    expect(client.misses).toBe(0);
    for (const name of names.slice(0, 4)) expect(client.documents.get(pathOf(stage, 'A', name))?.text).toBe(entries(i(name)));
  });

  test('counts bytes, not characters: what no datagram would hold is told of without its content', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const named = (name: string): string => listDocument().replace('"friends"', `"${name}"`);
    const first = await write(xcap, index, named('a'));
    const attribute = `${index}/~~/resource-lists/list/@name`;
    const subscription = await watchResources(a, 'aggregate', [index, attribute]);
    await nextDiff(subscription);
    const second = await write(xcap, index, named('\u20ac'.repeat(25_000)));
    expect(told(await nextDiff(subscription))).toEqual([
      [index, first, second, ''],
      [attribute, ''],
    ]);
    const third = await write(xcap, index, named('&gt;'.repeat(15_000)));
    // The document is told once it has been compared, in turns of its own.
    const diffs = [...(await nextDiff(subscription)).diffs, ...(await nextDiff(subscription)).diffs];
    expect(diffs.map(({ sel, newEtag, content }) => [sel, newEtag, content])).toEqual([
      [attribute, undefined, ''],
      [index, third, ''],
    ]);
  });

  test('4.10: a watcher is told at once after a quiet time, and then of all that came within the interval', async () => {
    await stage.boot({ diffInterval: 1 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const subscription = await watchResources(a, 'no-patching', [index]);
    await nextDiff(subscription);
    const started = Date.now();
    const first = await write(xcap, index, listDocument());
    expect(told(await nextDiff(subscription))).toEqual([[index, undefined, first, '']]);
    expect(Date.now() - started).toBeGreaterThan(700);
    for (let n = 0; n < 5; n++) await write(xcap, index, listDocument(`sip:${n}@example.com`));
    const last = await write(xcap, index, listDocument('sip:last@example.com'));
    expect(told(await nextDiff(subscription))).toEqual([[index, first, last, '']]);
    expect(subscription.notifications).toHaveLength(3);
  });
});

function i(name: string): number {
  return Number(name.slice('list-'.length));
}
