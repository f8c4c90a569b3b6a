import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { entry, ListWatcher, list, pathOf, putLists, putServices } from './list-stage.ts';

let stage: Stage;
let a: SipPeer;
let c: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ defaultDecision: 'allow', listInterval: 0 });
  a = await stage.peer('A', { transport: 'tcp' });
  c = await stage.peer('C', { transport: 'tcp' });
  for (const name of ['B', 'D']) await stage.user(name);
});
afterEach(() => stage.close());

const b = (name: string) => entry(stage.address(name));
const online = (user: string) => pidf(stage.address(user), { basic: 'open' });

describe('lists in lists (RFC 4662 4, 5.5)', () => {
  test('a member that is a list of the same user is told as a list of its own, within', async () => {
    await putServices(stage, 'A', { outer: { items: [b('B'), b('inner'), b('C')] }, inner: { items: [b('C'), b('D')] } });
    const watcher = await ListWatcher.open(a, stage.address('outer'));
    expect(watcher.view.words()).toEqual({ B: 'closed', inner: { C: 'closed', D: 'closed' }, C: 'closed' });
    await c.publish(online('C'), { expires: 600 });
    const state = await watcher.next();
    expect(watcher.view.words()).toEqual({ B: 'closed', inner: { C: 'open', D: 'closed' }, C: 'open' });
    // Who has not changed is not told, neither outside nor within.
    const inner = state.resource(stage.address('inner'))?.instances[0]?.list;
    expect([state.fullState, state.resources.length, inner?.fullState, inner?.resources.length]).toEqual([false, 2, false, 1]);
  });

  test('edits of an inner list reach who watches the outer one, and a refresh tells all', async () => {
    await putServices(stage, 'A', { outer: { items: [b('inner')] }, inner: { items: [b('C')] } });
    const watcher = await ListWatcher.open(a, stage.address('outer'));
    await putServices(stage, 'A', { outer: { items: [b('inner')] }, inner: { items: [b('D'), b('B')] } });
    await watcher.next();
    expect(watcher.view.words()).toEqual({ inner: { D: 'closed', B: 'closed' } });
    expect((await watcher.subscription.refresh()).status).toBe(200);
    const state = await watcher.next();
    const inner = state.resources[0]?.instances[0]?.list;
    expect([state.fullState, inner?.fullState, inner?.version]).toEqual([true, true, 2]);
    // And it may cease to be a list at all.
    await putServices(stage, 'A', { outer: { items: [b('inner')] } });
    await watcher.next();
    expect(watcher.view.words()).toEqual({ inner: 'terminated noresource' });
  });

  test('a large list within another is told to a watcher over UDP, each notification in a datagram', { timeout: 30_000 }, async () => {
    const names = Array.from({ length: 1400 }, (_, n) => (n === 1300 ? 'C' : `somebody-there-${n}`));
    await putLists(stage, 'A', 'l', list('l', ...names.map((name, n) => entry(stage.address(name), `Number ${n} of them all`))));
    const ref = `${stage.root}/${pathOf('A', 'l', 'l')}`;
    await putServices(stage, 'A', { outer: { items: [b('inner'), b('B')] }, inner: { ref } });
    const watcher = await ListWatcher.open(await stage.peer('A', { transport: 'udp' }), stage.address('outer'));
    const innerOf = (words: Record<string, unknown>) => Object.entries((words.inner ?? {}) as Record<string, unknown>);
    const isWhole = (words: Record<string, unknown>) => {
      const inner = innerOf(words);
      return words.B === 'closed' && inner.length === names.length && !inner.some(([, word]) => word === '-');
    };
    await watcher.until(isWhole);
    expect(watcher.subscription.notifications.every(({ message }) => message.body.length < 62_000)).toBe(true);
    await c.publish(online('C'), { expires: 600 });
    await watcher.until((words) => innerOf(words).some(([name, word]) => name === 'C' && word === 'open'));
    expect((await watcher.subscription.refresh()).status).toBe(200);
    await watcher.next();
    await watcher.until(isWhole);
    expect(innerOf(watcher.view.words()).filter(([, word]) => word !== 'terminated noresource')).toEqual([['C', 'open']]);
  });

  test('a list that holds itself is refused as its own member (7.4)', async () => {
    await putServices(stage, 'A', { one: { items: [b('two'), b('B')] }, two: { items: [b('C'), b('one')] } });
    const watcher = await ListWatcher.open(a, stage.address('one'));
    expect(watcher.view.words()).toEqual({ two: { C: 'closed', one: 'terminated rejected' }, B: 'closed' });
  });

  test('lists nested too deep, or for other packages, are refused', async () => {
    const deep = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`l${n}`, { items: [b(`l${n + 1}`)] }]));
    await putServices(stage, 'A', { ...deep, calls: { items: [b('B')], packages: ['dialog'] }, both: { items: [b('calls')] } });
    const both = await ListWatcher.open(a, stage.address('both'));
    expect(both.view.words()).toEqual({ calls: 'terminated rejected' });
    const watcher = await ListWatcher.open(a, stage.address('l0'));
    const depth = JSON.stringify(watcher.view.words()).split('{').length - 1;
    expect([depth, JSON.stringify(watcher.view.words())]).toEqual([8, expect.stringContaining('terminated rejected')]);
  });

  test("another user's list is no list to the watcher, but an address that nobody has", async () => {
    await stage.user('B');
    await putServices(stage, 'B', { theirs: { items: [b('D')] } });
    await putServices(stage, 'A', { mine: { items: [b('theirs'), b('nobody')] } });
    const watcher = await ListWatcher.open(a, stage.address('mine'));
    expect(watcher.view.words()).toEqual({ theirs: 'terminated noresource', nobody: 'terminated noresource' });
  });

  test('lists that all hold each other stay bounded', async () => {
    const names = Array.from({ length: 9 }, (_, n) => `l${n}`);
    const items = [...names.map(b), ...Array.from({ length: 30 }, (_, n) => entry(`sip:u${n}@example.com`))];
    await putServices(stage, 'A', Object.fromEntries(names.map((name) => [name, { items }])));
    const watcher = await ListWatcher.open(a, stage.address('l0'));
    expect(watcher.view.rows.size).toBe(39);
  });
});
