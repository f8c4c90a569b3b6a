import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { readMultipart } from '../helpers/multipart-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf, rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { ASKED, entry, ListWatcher, list, pathOf, putLists, putServices } from './list-stage.ts';

let stage: Stage;
let a: SipPeer;
let b: SipPeer;
const begin = async (settings: Parameters<Stage['boot']>[0] = {}): Promise<void> => {
  await stage.boot({ defaultDecision: 'allow', listInterval: 0, ...settings });
  a = await stage.peer('A', { transport: 'tcp' });
  b = await stage.peer('B', { transport: 'tcp' });
  for (const name of ['C', 'D', 'E']) await stage.user(name);
};
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.close());

const fail = (): never => {
  throw new Error('nothing came');
};
const member = (name: string, shown?: string) => entry(stage.address(name), shown);
const rules = async (user: string, handling: 'allow' | 'block' | 'confirm' | 'polite-block') =>
  (await stage.xcap(user)).put(rulesPath(user), rulesDocument(rule('r', handling, [stage.address('A')])));
const online = (user: string, note = '') => pidf(stage.address(user), { basic: 'open', contact: `sip:${user}${note}@example.com` });

describe('negotiation (RFC 4662 4.1, 4.3, 4.4)', () => {
  test('Require: eventlist in the 2xx and in every NOTIFY, and 421 to who does not know lists', async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('B')] } });
    const { response } = await a.subscribe(stage.address('S'), { accept: ['application/pidf+xml'], expires: 600 });
    expect([response.status, header(response, 'require')]).toEqual([421, 'eventlist']);
    const watcher = await ListWatcher.open(a, stage.address('S'));
    expect(header(watcher.subscription.response, 'require')).toBe('eventlist');
    await b.publish(online('B'), { expires: 600 });
    await watcher.next();
    const all = watcher.subscription.notifications;
    expect(all.map(({ message }) => [header(message, 'require'), header(message, 'supported')])).toEqual(
      all.map(() => ['eventlist', undefined]),
    );
  });

  test('eventlist in Require serves as well as in Supported', async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('B')] } });
    const { supported, ...rest } = ASKED;
    const watcher = await ListWatcher.open(a, stage.address('S'), { ...rest, headers: [['Require', 'eventlist']] });
    expect([supported, watcher.view.words()]).toEqual([['eventlist'], { B: 'closed' }]);
  });

  test("only the list's owner may subscribe", async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('B')] } });
    expect((await b.subscribe(stage.address('S'), ASKED)).response.status).toBe(403);
  });

  test("without Expires the package's default is granted (4.2)", async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('B')] } });
    const { expires, ...rest } = ASKED;
    const watcher = await ListWatcher.open(a, stage.address('S'), rest);
    expect([expires, watcher.subscription.granted]).toEqual([3600, 3600]);
  });

  test('a fetch tells the whole list once', async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('B'), member('C')] } });
    const watcher = await ListWatcher.open(a, stage.address('S'), { ...ASKED, expires: 0 });
    expect([watcher.last?.fullState, watcher.view.words()]).toEqual([true, { B: 'closed', C: 'closed' }]);
  });
});

describe('states of members (RFC 4662 4.5, 5.5)', () => {
  test('each by the rules that hold for the watcher: active, pending, terminated with its reason', async () => {
    await begin();
    await rules('B', 'confirm');
    await rules('C', 'block');
    await rules('D', 'polite-block');
    const d = await stage.peer('D', { transport: 'tcp' });
    await d.publish(online('D'), { expires: 600 });
    await putServices(stage, 'A', { S: { items: ['B', 'C', 'D', 'E', 'nobody'].map((name) => member(name)) } });
    const watcher = await ListWatcher.open(a, stage.address('S'));
    expect(watcher.view.words()).toEqual({
      B: 'pending',
      C: 'terminated rejected',
      D: 'closed',
      E: 'closed',
      nobody: 'terminated noresource',
    });
    await rules('B', 'allow');
    await rules('C', 'allow');
    await watcher.until((words) => words.B === 'closed' && words.C === 'closed');
    await rules('B', 'block');
    await watcher.until((words) => words.B === 'terminated rejected');
  });

  test('names with their language, of the list and of its members, in the order of the list', async () => {
    await begin();
    await putLists(
      stage,
      'A',
      'l',
      `<list name="l"><display-name xml:lang="de">Freunde &amp; Co</display-name>${member('B', 'Bo &lt;b&gt;')}</list>`,
    );
    await putServices(stage, 'A', { S: { ref: `${stage.root}/${pathOf('A', 'l', 'l')}` } });
    const watcher = await ListWatcher.open(a, stage.address('S'));
    expect(watcher.last?.names).toEqual([{ text: 'Freunde & Co', language: 'de' }]);
    expect([...watcher.view.names.values()]).toEqual([['Bo <b>']]);
    const { message, body } = watcher.subscription.notifications[0] ?? fail();
    const { root } = readMultipart(header(message, 'content-type') ?? '', body);
    expect(schemaViolations('urn:ietf:params:xml:ns:rlmi', root.body)).toEqual([]);
  });

  test('an instance keeps its id through changes, refreshes and edits; a refresh tells all', async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('B'), member('C')] } });
    const watcher = await ListWatcher.open(a, stage.address('S'));
    const id = () => watcher.view.rows.get(stage.address('B'))?.[0]?.id;
    const first = id();
    await b.publish(online('B'), { expires: 600 });
    expect([(await watcher.next()).fullState, watcher.last?.resources.length, id()]).toEqual([false, 1, first]);
    await watcher.subscription.refresh();
    expect([(await watcher.next()).fullState, watcher.view.words(), id()]).toEqual([true, { B: 'open', C: 'closed' }, first]);
    await putServices(stage, 'A', { S: { items: [member('D'), member('B')] } });
    await watcher.until((words) => 'D' in words);
    expect([watcher.last?.fullState, Object.keys(watcher.view.words()), id()]).toEqual([true, ['D', 'B'], first]);
  });
});

describe('other packages than presence (RFC 4662 4)', () => {
  test('a list of lines: the dialogs of each, with versions that rise', async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('B')] } });
    await (await stage.xcap('B')).put(
      '/org.openxcap.dialog-rules/users/B/index',
      `<cr:ruleset xmlns="http://openxcap.org/ns/dialog-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="a"><cr:conditions><cr:identity><cr:one id="${stage.address('A')}"/></cr:identity></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule></cr:ruleset>`,
      { 'Content-Type': 'application/auth-policy+xml' },
    );
    const accept = ['application/dialog-info+xml', 'application/rlmi+xml', 'multipart/related'];
    const watcher = await ListWatcher.open(a, stage.address('S'), { ...ASKED, event: 'dialog', accept });
    const info = (): string => watcher.view.rows.get(stage.address('B'))?.[0]?.part?.body ?? '';
    const versionOf = (): number => Number(/version="(\d+)"/.exec(info())?.[1]);
    const before = versionOf();
    const call = `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="${stage.address('B')}"><dialog id="x"><state>confirmed</state></dialog></dialog-info>`;
    expect((await b.publish(call, { event: 'dialog', contentType: 'application/dialog-info+xml', expires: 600 })).status).toBe(200);
    await watcher.next();
    expect([info().includes('<state>confirmed</state>'), info().includes('state="full"'), versionOf() > before]).toEqual([
      true,
      true,
      true,
    ]);
  });

  test("a list of mailboxes: one's own, and nobody else's", async () => {
    await begin();
    await putServices(stage, 'A', { S: { items: [member('A'), member('B')] } });
    const accept = ['application/simple-message-summary', 'application/rlmi+xml', 'multipart/related'];
    const watcher = await ListWatcher.open(a, stage.address('S'), { ...ASKED, event: 'message-summary', accept });
    expect(watcher.view.words()).toEqual({ A: 'application/simple-message-summary', B: 'terminated rejected' });
  });
});

describe('when it is told (RFC 4662 4.5, 4.8)', () => {
  test('what happens within the interval comes in one notification, the first at once', async () => {
    await begin({ listInterval: 400 });
    const others = await Promise.all(['C', 'D'].map((name) => stage.peer(name, { transport: 'tcp' })));
    await putServices(stage, 'A', { S: { items: ['B', 'C', 'D'].map((name) => member(name)) } });
    const watcher = await ListWatcher.open(a, stage.address('S'));
    await Promise.all([b, ...others].map((peer) => peer.publish(pidf(peer.address, { basic: 'open' }), { expires: 600 })));
    const state = await watcher.next();
    expect([state.version, state.resources.length, watcher.view.words()]).toEqual([1, 3, { B: 'open', C: 'open', D: 'open' }]);
  });

  test('states that do not fit into one notification come in further ones right after it, whatever the interval', async () => {
    await begin({ listInterval: 60_000, listNotifySize: 2000 });
    const names = Array.from({ length: 12 }, (_, n) => `M${n}`);
    for (const name of names) await stage.user(name);
    await putServices(stage, 'A', { S: { items: names.map((name) => member(name)) } });
    const watcher = await ListWatcher.open(a, stage.address('S'));
    expect(Object.keys(watcher.view.words())).toEqual(names);
    expect(Object.values(watcher.view.words())).toContain('-');
    await watcher.until((words) => Object.values(words).every((word) => word === 'closed'));
    expect(watcher.view.version).toBeGreaterThan(2);
  });

  test.each([
    [300, 'all with their names at first'],
    [1000, 'all at first, names and states after it'],
    [2000, 'as many as a datagram holds at first, and the others after it'],
  ])('a list of %i, watched over UDP alone: %s', { timeout: 30_000 }, async (count) => {
    await begin({ listInterval: 0 });
    const udp = await stage.peer('A', { transport: 'udp' });
    const uris = Array.from({ length: count }, (_, n) => `sip:${n === 7 ? 'B' : `somebody-${n}`}@example.com`);
    await putLists(stage, 'A', 'l', list('l', ...uris.map((uri, n) => entry(uri, `Number ${n} among the many that there are`))));
    await putServices(stage, 'A', { S: { ref: `${stage.root}/${pathOf('A', 'l', 'l')}` } });
    await b.publish(online('B'), { expires: 600 });
    const watcher = await ListWatcher.open(udp, stage.address('S'));
    const first = watcher.last;
    expect([first?.version, first?.fullState]).toEqual([0, true]);
    const named = first?.resources.filter(({ names }) => names.length > 0).length;
    expect([named, first?.resources.length === count]).toEqual([count === 300 ? 300 : 0, count < 2000]);
    // RFC 4662 5.6: what comes after it makes the whole.
    await watcher.until((words) => Object.keys(words).length === count && !Object.values(words).includes('-'));
    const words = watcher.view.words();
    expect(words.B).toBe('open');
    expect(Object.entries(words).filter(([name, word]) => name !== 'B' && word !== 'terminated noresource')).toEqual([]);
    expect([...watcher.view.names.values()].filter((names) => names.length === 0)).toEqual([]);
    expect([...watcher.view.rows.keys()].sort()).toEqual([...uris].sort());
    for (const { message } of watcher.subscription.notifications) expect(message.body.length).toBeLessThan(60_000);
    // A refresh begins anew, and comes to the same.
    const told = watcher.view.version;
    expect((await watcher.subscription.refresh(600)).status).toBe(200);
    await watcher.until(
      (after) => watcher.view.version > told && Object.keys(after).length === count && !Object.values(after).includes('-'),
    );
    expect(watcher.view.words()).toEqual(words);
  });

  test.each([1000, 2000])('a list of %i is told over TCP, all at first, and a change of one costs one row', async (count) => {
    await begin();
    const items = Array.from({ length: count - 1 }, (_, n) => entry(`sip:u${n}@example.com`, `Number ${n}`));
    await putLists(stage, 'A', 'l', list('l', ...items, member('B')));
    await putServices(stage, 'A', { S: { ref: `${stage.root}/${pathOf('A', 'l', 'l')}` } });
    const watcher = await ListWatcher.open(a, stage.address('S'));
    expect(watcher.last?.resources).toHaveLength(count);
    await watcher.until((words) => words.B === 'closed' && !Object.values(words).includes('-'));
    expect(watcher.view.rows.size).toBe(count);
    await b.publish(online('B'), { expires: 600 });
    const state = await watcher.next();
    expect([state.resources.map(({ uri }) => uri), watcher.view.words().B]).toEqual([[stage.address('B')], 'open']);
  });
});
