import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { ASKED, entry, ListWatcher, list, pathOf, putLists, putServices } from '../rfc4662/list-stage.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let a: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ defaultDecision: 'allow', listInterval: 0 });
  a = await stage.peer('A', { transport: 'tcp' });
  for (const name of ['B', 'C', 'D', 'E']) await stage.user(name);
});
afterEach(() => stage.close());

const b = (name: string, shown?: string) => entry(stage.address(name), shown);
const ref = (user: string, document: string, names: readonly string[], member: string) =>
  `<entry-ref ref="${pathOf(user, document, ...names)}/entry%5B@uri=%22${stage.address(member)}%22%5D"/>`;
const external = (user: string, document: string, ...names: readonly string[]) =>
  `<external anchor="${stage.root}/${pathOf(user, document, ...names)}"/>`;
const namesOf = (watcher: ListWatcher) => Object.keys(watcher.view.words());
const service = () => stage.address('S');
const serve = (...items: readonly string[]) => putServices(stage, 'A', { S: { items } });

describe('a service and its list (RFC 4826 4.5)', () => {
  test('a list in the service itself, elements of other schemes left out, each address once', async () => {
    await serve(
      b('B'),
      entry('tel:+15551234'),
      entry('mailto:c@example.com'),
      entry('pres:C@example.com'),
      b('C'),
      entry('sip:B@EXAMPLE.com'),
    );
    const watcher = await ListWatcher.open(a, service());
    expect([...watcher.view.rows.keys()]).toEqual([stage.address('B'), 'pres:C@example.com']);
  });

  test('lists within the list are told flat, in document order', async () => {
    await putLists(stage, 'A', 'l', list('all', b('B'), list('work', b('C'), list('near', b('D'))), b('E'), b('D')));
    await putServices(stage, 'A', { S: { ref: `${stage.root}/${pathOf('A', 'l', 'all')}` } });
    const watcher = await ListWatcher.open(a, service());
    expect(namesOf(watcher)).toEqual(['B', 'C', 'D', 'E']);
    // And a list within it can be the service's.
    await putServices(stage, 'A', { S: { ref: `${stage.root}/${pathOf('A', 'l', 'all', 'work')}` } });
    await watcher.until((words) => !('B' in words));
    expect(namesOf(watcher)).toEqual(['C', 'D']);
  });

  test('a resource-list that leads to no list is answered 502, and one that loses its list stays, empty', async () => {
    await putServices(stage, 'A', { S: { ref: `${stage.root}/${pathOf('A', 'l', 'all')}` } });
    expect((await a.subscribe(service(), ASKED)).response.status).toBe(502);
    await putLists(stage, 'A', 'l', list('all', b('B')));
    const watcher = await ListWatcher.open(a, service());
    await (await stage.xcap('A')).delete('/resource-lists/users/A/l');
    await watcher.until((words) => Object.keys(words).length === 0);
    await putLists(stage, 'A', 'l', list('all', b('C')));
    await watcher.until((words) => words.C === 'closed');
  });

  test('packages: an event that is not among them is answered 489', async () => {
    await putServices(stage, 'A', {
      S: { items: [b('B')], packages: ['dialog', 'presence'] },
      T: { items: [b('B')], packages: ['dialog'] },
    });
    expect((await a.subscribe(service(), ASKED)).response.status).toBe(200);
    const { response } = await a.subscribe(stage.address('T'), ASKED);
    expect([response.status, header(response, 'allow-events')]).toEqual([489, 'dialog']);
    // Of watcher information there are no lists.
    expect((await a.subscribe(service(), { ...ASKED, event: 'presence.winfo', accept: [] })).response.status).toBe(489);
  });

  test('packages edited under way end what they no longer allow', async () => {
    await putServices(stage, 'A', { S: { items: [b('B')], packages: ['presence'] } });
    const watcher = await ListWatcher.open(a, service());
    await putServices(stage, 'A', { S: { items: [b('B')], packages: ['dialog'] } });
    const last = await watcher.subscription.notify();
    expect([last.state, last.reason]).toEqual(['terminated', 'noresource']);
  });
});

describe('references (RFC 4826 3.2, 4.5)', () => {
  test('an entry-ref stands for the entry that it names, and follows it', async () => {
    await putLists(stage, 'A', 'friends', list('l1', b('B', 'Bob'), b('C', 'Carol')));
    const named = ref('A', 'friends', ['l1'], 'C').replace('/>', '><display-name>Dear Carol</display-name></entry-ref>');
    await serve(ref('A', 'friends', ['l1'], 'B'), named);
    const watcher = await ListWatcher.open(a, service());
    expect([...watcher.view.names]).toEqual([
      [stage.address('B'), ['Bob']],
      [stage.address('C'), ['Dear Carol']],
    ]);
    await putLists(stage, 'A', 'friends', list('l1', b('C', 'Carol')));
    await watcher.until((words) => !('B' in words));
    expect(namesOf(watcher)).toEqual(['C']);
    await putLists(stage, 'A', 'friends', list('l1', b('C'), b('B', 'Robert')));
    await watcher.until((words) => 'B' in words);
    expect(watcher.view.names.get(stage.address('B'))).toEqual(['Robert']);
  });

  test('an external list of the same user is taken in, and followed', async () => {
    await putLists(stage, 'A', 'friends', list('l1', b('B'), list('inner', b('C'))));
    await serve(external('A', 'friends', 'l1'), b('E'));
    const watcher = await ListWatcher.open(a, service());
    expect(namesOf(watcher)).toEqual(['B', 'C', 'E']);
    await putLists(stage, 'A', 'friends', list('l1', b('D')));
    await watcher.until((words) => 'D' in words);
    expect(namesOf(watcher)).toEqual(['D', 'E']);
  });

  test('references to what is not there, to others and to other servers are left out; the rest is served', async () => {
    await putLists(stage, 'B', 'secret', list('l1', b('D')));
    await serve(
      ref('A', 'nowhere', ['l1'], 'B'),
      ref('B', 'secret', ['l1'], 'D'),
      external('B', 'secret', 'l1'),
      '<external anchor="https://lists.example.net/lists/~~/resource-lists/list"/>',
      '<entry-ref ref="pres-rules/users/A/index/~~/x"/>',
      '<entry-ref ref="resource-lists/users/A/friends"/>',
      b('C'),
    );
    const watcher = await ListWatcher.open(a, service());
    expect(namesOf(watcher)).toEqual(['C']);
    // What was missing comes when it is written.
    await putLists(stage, 'A', 'nowhere', list('l1', b('B')));
    await watcher.until((words) => 'B' in words);
    expect(namesOf(watcher)).toEqual(['B', 'C']);
  });

  test('a list that holds itself is answered 502', async () => {
    await putLists(stage, 'A', 'l', list('one', b('B'), external('A', 'l', 'two')), list('two', b('C'), external('A', 'l', 'one')));
    await serve(external('A', 'l', 'one'));
    expect((await a.subscribe(service(), ASKED)).response.status).toBe(502);
    await putLists(stage, 'A', 'l', list('one', b('B'), list('in', external('A', 'l', 'one'))));
    expect((await a.subscribe(service(), ASKED)).response.status).toBe(502);
  });

  test('a loop edited in ends the traversal, not the subscription; edited out, all is there again', async () => {
    await putLists(stage, 'A', 'l', list('one', b('B')));
    await serve(external('A', 'l', 'one'));
    const watcher = await ListWatcher.open(a, service());
    await putLists(stage, 'A', 'l', list('one', b('C'), external('A', 'l', 'one'), b('D')));
    await watcher.until((words) => 'C' in words);
    expect(namesOf(watcher)).toEqual(['C']);
    await putLists(stage, 'A', 'l', list('one', b('C'), b('D')));
    await watcher.until((words) => 'D' in words);
    expect((await watcher.subscription.refresh()).status).toBe(200);
    expect(namesOf(watcher)).toEqual(['C', 'D']);
  });

  test('a list of a thousand references is told in turns, and no more than so many are followed', async () => {
    const uris = Array.from({ length: 1100 }, (_, n) => `sip:u${n}@example.com`);
    await putLists(stage, 'A', 'l', list('one', ...uris.map((uri) => entry(uri))));
    const entryOf = (uri: string) => `<entry-ref ref="${pathOf('A', 'l', 'one')}/entry%5B@uri=%22${uri}%22%5D"/>`;
    await serve(...uris.map(entryOf));
    const watcher = await ListWatcher.open(a, service());
    expect(watcher.view.rows.size).toBe(1000);
  });
});
