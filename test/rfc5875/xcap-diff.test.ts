import { afterEach, describe, expect, test } from 'vitest';
import { header } from '../helpers/sip-message.ts';
import { readXcapDiff, XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';
import {
  eventOf,
  fetchAll,
  LISTS,
  LISTS_TYPE,
  listDocument,
  nextDiff,
  pathOf,
  resources,
  told,
  watchResources,
  write,
} from './diff-stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

const ENTRY = '<entry uri="sip:new@example.com"/>';
const LIST_STEP = '~~/resource-lists/list%5B@name=%22friends%22%5D';

describe('RFC 5875 4.7: the first notification', () => {
  test('names existing documents by their entity tags, shows nodes, and says nothing of what is not there', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const etag = await write(xcap, index, listDocument('sip:b@example.com'));
    const element = `${index}/~~/resource-lists/list/entry[1]`;
    const attribute = `${index}/~~/resource-lists/list/@name`;
    const subscription = await watchResources(a, undefined, [
      index,
      element,
      attribute,
      pathOf(stage, 'A', 'other'),
      `${index}/~~/resource-lists/list/@none`,
      `${index}/~~/resource-lists/namespace::*`,
      `${index}/~~/resource-lists/p:list`,
      'nonsense',
      'unknown-auid/users/x/index',
      'resource-lists/users/nobody/index',
    ]);
    expect(subscription.response.status).toBe(200);
    const first = await nextDiff(subscription);
    expect(first.root).toBe(`${stage.root}/`);
    expect(told(first)).toEqual([
      [index, undefined, etag, ''],
      [element, '<entry uri="sip:b@example.com"/>'],
      [attribute, 'friends'],
    ]);
    const scope = first.diffs[1]?.node.scope;
    expect(scope?.get('')).toBe(LISTS);
  });

  test('4.1, A.2: lists a collection, all the way down, and only once what is named twice', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const etags = [];
    for (const name of ['index', 'other']) etags.push(await write(xcap, pathOf(stage, 'A', name), listDocument()));
    const index = pathOf(stage, 'A');
    for (const collection of [
      'resource-lists/',
      'resource-lists/users/',
      'resource-lists/users/A/',
      `${stage.root}/resource-lists/users/A/`,
    ]) {
      const subscription = await watchResources(a, undefined, [collection, index], { expires: 0 });
      const first = await nextDiff(subscription);
      expect(told(first)).toEqual([
        [index, undefined, etags[0], ''],
        [pathOf(stage, 'A', 'other'), undefined, etags[1], ''],
      ]);
    }
  });

  test('a fetch is answered with it, and ends (A.2)', async () => {
    await stage.boot();
    const a = await stage.peer('A');
    const subscription = await watchResources(a, 'aggregate', [pathOf(stage, 'A')], { expires: 0 });
    const notification = await subscription.notify();
    expect([notification.state, notification.body.includes('<d:document')]).toEqual(['terminated', false]);
  });

  test('4.4: a SUBSCRIBE without resources, or with a body of another kind, is refused', async () => {
    await stage.boot();
    const a = await stage.peer('A');
    const status = async (body: string | undefined, type = LISTS_TYPE[1]): Promise<number> => {
      const options = { event: 'xcap-diff', headers: [['Content-Type', type] as const], ...(body === undefined ? {} : { body }) };
      return (await a.subscribe(a.address, options)).response.status;
    };
    expect(await status(undefined)).toBe(400);
    expect(await status('<resource-lists')).toBe(400);
    expect(await status('<list/>')).toBe(400);
    expect(await status(resources('x'), 'text/plain')).toBe(415);
    expect(await status(resources(...Array.from({ length: 201 }, (_, i) => `a${i}`)))).toBe(413);
  });

  test('4.4: what is not understood in the body is ignored', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const path = pathOf(stage, 'A');
    const etag = await write(xcap, path, listDocument('sip:b@example.com'));
    const body = `<?xml version="1.0"?><!-- c --><resource-lists xmlns="${LISTS}" xmlns:x="urn:x" x:a="1" y="2"><x:other><entry uri="no"/></x:other>
      <list name="n" x:b="2"><display-name>d</display-name><x:entry uri="no"/><entry uri="${path}" x:c="3" z="4"><display-name/><x:e/></entry>
      <entry-ref ref="no"/><external anchor="http://x/no"/><list><entry-ref ref="no"/></list><!-- d --><?p i?></list></resource-lists>`;
    const subscription = await watchResources(a, 'aggregate', [], { body });
    expect(told(await nextDiff(subscription))).toEqual([[path, undefined, etag, '']]);
    await subscription.unsubscribe();
    await subscription.notify();
  });

  test('4.4: hostile bodies get an answer, and the server goes on', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const entry = (uri: string) => resources(uri);
    const bodies: [string, number][] = [
      ['<', 400],
      ['<!DOCTYPE r [<!ENTITY a "b">]><resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>', 400],
      [`${'<list>'.repeat(2000)}`, 400],
      [`<resource-lists xmlns="${LISTS}">${'<list>'.repeat(500)}${'</list>'.repeat(500)}</resource-lists>`, 400],
      ['<presence xmlns="urn:ietf:params:xml:ns:pidf"/>', 400],
      [resources(...Array.from({ length: 201 }, (_, n) => `resource-lists/users/a/${n}`)), 413],
    ];
    for (const [body, status] of bodies) {
      const { response } = await a.subscribe(a.address, { event: eventOf('aggregate'), headers: [LISTS_TYPE], body });
      expect([body.slice(0, 60), response.status]).toEqual([body.slice(0, 60), status]);
    }
    // What names nothing is no error (4.7), however it is written.
    for (const uri of [
      '',
      '/',
      '//',
      '..',
      '%',
      '%00',
      '~~',
      'http://',
      'http://[',
      'https://x/y/~~/z',
      `x/${'~~/'.repeat(600)}`,
      `resource-lists/users/a/b/~~/${'*/'.repeat(900)}*`,
      "resource-lists/global/i/~~/a[@b='",
      'javascript:x',
      '\u0001\u00ff'.slice(1),
      'x'.repeat(3000),
    ]) {
      const subscription = await a.subscribe(a.address, { event: eventOf('aggregate'), headers: [LISTS_TYPE], body: entry(uri) });
      expect(told(await nextDiff(subscription))).toEqual([]);
      await subscription.unsubscribe();
      await subscription.notify();
    }
  });
});

describe('RFC 5875 4.3: changes of documents', () => {
  test.each([undefined, 'no-patching', 'something-else'])('diff-processing %s tells which and what event', async (mode) => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const subscription = await watchResources(a, mode, [index]);
    expect(told(await nextDiff(subscription))).toEqual([]);
    const first = await write(xcap, index, listDocument());
    expect(told(await nextDiff(subscription))).toEqual([[index, undefined, first, '']]);
    const second = await write(xcap, index, listDocument('sip:b@example.com'));
    expect(told(await nextDiff(subscription))).toEqual([[index, first, second, '']]);
    await write(xcap, index, undefined);
    expect(told(await nextDiff(subscription))).toEqual([[index, second, undefined, '']]);
  });

  test('xcap-patching tells every version, in order, by patches that give the very bytes', async () => {
    await stage.boot({ diffInterval: 1 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const etags = [await write(xcap, index, listDocument('sip:b@example.com'))];
    const client = new XcapDiffClient();
    const subscription = await watchResources(a, 'xcap-patching', [index]);
    client.receive((await nextDiff(subscription)).body);
    await fetchAll(client, xcap);
    const selector = `${index}/${LIST_STEP}`;
    etags.push(await write(xcap, `${selector}/entry%5B@uri=%22sip:new@example.com%22%5D`, ENTRY));
    etags.push(await write(xcap, `${selector}/entry%5B1%5D`, '<entry uri="sip:c@example.com"><display-name>C</display-name></entry>'));
    etags.push(await write(xcap, `${selector}/@name`, 'friends'));
    etags.push(await write(xcap, `${selector}/entry%5B@uri=%22sip:new@example.com%22%5D`, undefined));
    const versions = etags.filter((etag, i) => etag !== etags[i - 1]);
    const diff = await nextDiff(subscription);
    expect(diff.diffs.map(({ previousEtag, newEtag }) => [previousEtag, newEtag])).toEqual(
      versions.slice(1).map((etag, i) => [versions[i], etag]),
    );
    client.receive(diff.body);
    const { body } = await xcap.get(`/${index}`);
    expect([client.documents.get(index)?.text, client.misses]).toEqual([body, 0]);
    // 4.10: all of them in one notification, a second after the one before.
    expect(subscription.notifications).toHaveLength(2);
  });

  test('aggregate makes one patch of what came together, from what was told to what is there', async () => {
    await stage.boot({ diffInterval: 1 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const first = await write(xcap, index, listDocument());
    const client = new XcapDiffClient();
    const subscription = await watchResources(a, 'aggregate', [index]);
    client.receive((await nextDiff(subscription)).body);
    await fetchAll(client, xcap);
    let last = '';
    for (let i = 0; i < 20; i++) {
      last = await write(xcap, `${index}/${LIST_STEP}/entry%5B@uri=%22sip:u${i}@example.com%22%5D`, `<entry uri="sip:u${i}@example.com"/>`);
    }
    const diff = await nextDiff(subscription);
    expect(told(diff)).toEqual([[index, first, last, 'add']]);
    client.receive(diff.body);
    expect(client.documents.get(index)).toEqual({ etag: last, text: (await xcap.get(`/${index}`)).body });
  });

  test('a prolog that has changed has to be fetched', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const text = listDocument();
    const first = await write(xcap, index, text);
    const subscription = await watchResources(a, 'aggregate', [index]);
    await nextDiff(subscription);
    const second = await write(xcap, index, text.replace('?>\n', '?>\n<!-- mine -->\n'));
    expect(told(await nextDiff(subscription))).toEqual([[index, first, second, '']]);
    const third = await write(xcap, index, text);
    expect(told(await nextDiff(subscription))).toEqual([[index, second, third, '']]);
  });

  test('4.8: a document whose last change is undone in between is the same', async () => {
    await stage.boot({ diffInterval: 1 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const first = await write(xcap, index, listDocument());
    const subscription = await watchResources(a, 'aggregate', [index]);
    await nextDiff(subscription);
    await write(xcap, index, undefined);
    const second = await write(xcap, index, listDocument());
    expect(told(await nextDiff(subscription))).toEqual([[index, first, second, 'body-not-changed']]);
  });

  test('A.3: documents that come into a collection and go out of it', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    for (const mode of ['no-patching', 'xcap-patching', 'aggregate']) {
      const subscription = await watchResources(a, mode, ['resource-lists/']);
      expect(told(await nextDiff(subscription))).toEqual([]);
      const other = pathOf(stage, 'A', `other-${mode}`);
      const first = await write(xcap, other, listDocument());
      expect(told(await nextDiff(subscription))).toEqual([[other, undefined, first, '']]);
      const second = await write(xcap, other, listDocument('sip:b@example.com'));
      const [change] = told(await nextDiff(subscription)) as [unknown[]];
      expect(change.slice(0, 3)).toEqual([other, first, second]);
      expect(change[3] !== '').toBe(mode !== 'no-patching');
      await write(xcap, other, undefined);
      expect(told(await nextDiff(subscription))).toEqual([[other, second, undefined, '']]);
      const third = await write(xcap, other, listDocument());
      expect(told(await nextDiff(subscription))).toEqual([[other, undefined, third, '']]);
      await write(xcap, other, undefined);
      await nextDiff(subscription);
      await subscription.unsubscribe();
      await subscription.notify();
    }
  });
});

describe('RFC 5875 4.7: changes of elements and attributes', () => {
  test('A.5: they come, change and go, by themselves or with what they are in', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    // A quote that stands bare in the URI, and a prefix bound in its query: what is told names them as they were named.
    const element = `${index}/~~/r:resource-lists/r:list[@name="friends"]?xmlns(r=${LISTS})`;
    const attribute = `${index}/~~/resource-lists/list/@name`;
    const subscription = await watchResources(a, 'aggregate', [element, attribute]);
    expect(told(await nextDiff(subscription))).toEqual([]);
    await write(xcap, index, listDocument());
    expect(told(await nextDiff(subscription))).toEqual([
      [element, '<list name="friends">\n  </list>'],
      [attribute, 'friends'],
    ]);
    await write(xcap, index, listDocument().replace('friends', 'a &amp; b'));
    expect(told(await nextDiff(subscription))).toEqual([
      [element, false],
      [attribute, 'a & b'],
    ]);
    await write(xcap, index, undefined);
    expect(told(await nextDiff(subscription))).toEqual([[attribute, false]]);
  });
});

describe('RFC 5875 7: access', () => {
  test('those whom the presence rules allow are told of icons, as long as they do', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('B');
    const icon = pathOf(stage, 'B', 'oma_status-icon/index', 'org.openmobilealliance.pres-content');
    const content = (data: string) =>
      `<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/png</mime-type><data>${data}</data></content>`;
    const put = (data: string) => write(xcap, icon, content(data));
    await put('AAAA');
    await writeRules(stage, 'B', 'polite-block', ['A']);
    const data = `${icon}/~~/content/data`;
    const folder = `org.openmobilealliance.pres-content/users/${stage.address('B')}/`;
    const subscriptions = [await watchResources(a, 'aggregate', [icon, data]), await watchResources(a, 'aggregate', [folder])];
    for (const subscription of subscriptions) expect(told(await nextDiff(subscription))).toEqual([]);
    const second = await put('BBBB');
    // The right comes, and what there is with it.
    await writeRules(stage, 'B', 'allow', ['A']);
    const [named, listed] = subscriptions as [(typeof subscriptions)[0], (typeof subscriptions)[0]];
    expect(told(await nextDiff(named))).toEqual([[icon, undefined, second, ''], [data, '<data>BBBB</data>']]); // biome-ignore format: one line
    expect(told(await nextDiff(listed))).toEqual([[icon, undefined, second, '']]);
    const third = await put('CCCC');
    expect(told(await nextDiff(named))).toEqual([[icon, second, third, expect.stringContaining('replace')], [data, '<data>CCCC</data>']]); // biome-ignore format: one line
    expect(told(await nextDiff(listed))).toEqual([[icon, second, third, expect.stringContaining('replace')]]);
    // Whoever subscribes while it is there is told at once.
    expect(told(await nextDiff(await watchResources(a, undefined, [icon], { expires: 0 })))).toEqual([[icon, undefined, third, '']]);
    // It goes again, and nothing is told; what comes next is of when it is back.
    await writeRules(stage, 'B', 'block', ['A']);
    await put('DDDD');
    expect(told(await nextDiff(await watchResources(a, undefined, [icon], { expires: 0 })))).toEqual([]);
    await writeRules(stage, 'B', 'allow', ['A']);
    expect(told(await nextDiff(named))[1]).toEqual([data, '<data>DDDD</data>']);
  });

  test('nobody is told of what they may not read, neither at first nor when it changes, by no name', async () => {
    const server = await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const b = await stage.peer('B');
    const xcapB = await stage.xcap('B');
    const xcapA = await stage.xcap('A');
    const theirs = pathOf(stage, 'B');
    await write(xcapB, theirs, listDocument());
    const uris = [
      theirs,
      `${theirs}/~~/resource-lists/list/@name`,
      `resource-lists/users/${stage.address('B')}/`,
      'resource-lists/',
      'rls-services/global/index',
    ];
    const stranger = await watchResources(a, 'xcap-patching', uris);
    const owner = await watchResources(b, 'xcap-patching', uris);
    server.running.accounts.add('sip:root@example.com', 'secret of root', true);
    const root = await stage.peer('A', { user: 'root', password: 'secret of root' });
    const admin = await watchResources(root, 'xcap-patching', ['resource-lists/', 'rls-services/global/index']);
    expect(told(await nextDiff(stranger))).toEqual([]);
    expect(told(await nextDiff(owner))).toHaveLength(2);
    expect(told(await nextDiff(admin)).map((item) => (item as string[])[0])).toEqual(['rls-services/global/index', theirs]);
    await write(xcapB, theirs, listDocument('sip:x@example.com'));
    await nextDiff(owner);
    await nextDiff(admin);
    await write(xcapB, pathOf(stage, 'B', 'new'), listDocument());
    await nextDiff(owner);
    await nextDiff(admin);
    // What comes is of the stranger's own document alone.
    const own = pathOf(stage, 'A');
    const etag = await write(xcapA, own, listDocument());
    expect(told(await nextDiff(stranger))).toEqual([[own, undefined, etag, '']]);
    expect(stranger.notifications).toHaveLength(2);
    expect(told(await nextDiff(admin))).toEqual([[own, undefined, etag, '']]);
  });
});

describe('RFC 5875 4.4, 4.7: refreshes', () => {
  test('a refresh tells everything again, with another list and another mode when it brings them', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const [index, other] = [pathOf(stage, 'A'), pathOf(stage, 'A', 'other')];
    const first = await write(xcap, index, listDocument());
    const second = await write(xcap, other, listDocument());
    const subscription = await watchResources(a, 'no-patching', [index]);
    await nextDiff(subscription);
    expect((await subscription.refresh(600)).status).toBe(200);
    expect(told(await nextDiff(subscription))).toEqual([[index, undefined, first, '']]);
    const changes = { event: eventOf('aggregate'), body: resources(other, index) };
    expect((await subscription.refresh(600, changes)).status).toBe(200);
    expect(told(await nextDiff(subscription))).toEqual([
      [other, undefined, second, ''],
      [index, undefined, first, ''],
    ]);
    const third = await write(xcap, other, listDocument('sip:b@example.com'));
    const diff = await nextDiff(subscription);
    expect([told(diff).length, diff.diffs[0]?.previousEtag, diff.diffs[0]?.newEtag]).toEqual([1, second, third]);
    expect(diff.diffs[0]?.operations.length).toBeGreaterThan(0);
    expect((await subscription.refresh(600, { event: eventOf('aggregate'), body: resources(other) })).status).toBe(200);
    expect(told(await nextDiff(subscription))).toEqual([[other, undefined, third, '']]);
    await write(xcap, index, undefined);
    const fourth = await write(xcap, other, undefined);
    expect(fourth).toBe('');
    expect(told(await nextDiff(subscription))).toEqual([[other, third, undefined, '']]);
  });

  test('A.6: one that brings the entity tag of what was told last is answered 204, and nothing is told again', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const [index, other] = [pathOf(stage, 'A'), pathOf(stage, 'A', 'other')];
    await write(xcap, index, listDocument());
    const first = await write(xcap, other, listDocument());
    const name = `${index}/~~/resource-lists/list/@name`;
    const subscription = await watchResources(a, 'no-patching', [index, name, other]);
    const told1 = header((await subscription.notify()).message, 'sip-etag') ?? '';
    expect(told1).not.toBe('');
    const refresh = (tag: string, ...uris: string[]) =>
      subscription.refresh(600, {
        event: eventOf('aggregate'),
        headers: [['Suppress-If-Match', tag]],
        body: resources(...uris),
      });
    // The same resources in another order, and another mode, which holds from then on.
    const suppressed = await refresh(told1, other, name, index);
    expect([suppressed.status, header(suppressed, 'expires')]).toEqual([204, '600']);
    const second = await write(xcap, other, listDocument('sip:b@example.com'));
    const notification = await subscription.notify();
    expect(told(readXcapDiff(notification.body))).toEqual([[other, first, second, expect.stringMatching(/add|replace/)]]);
    const told2 = header(notification.message, 'sip-etag') ?? '';
    expect(subscription.notifications).toHaveLength(2);
    // What was told before the change, or of other resources, is not what there is now.
    expect((await refresh(told1, other, name, index)).status).toBe(200);
    expect(header((await subscription.notify()).message, 'sip-etag')).toBe(told2);
    expect((await refresh(told2, other)).status).toBe(200);
    expect(told(await nextDiff(subscription))).toEqual([[other, undefined, second, '']]);
  });

  test('A.6: one outside of a dialog that brings what there is now gets no body, and then what changes', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const [index, other] = [pathOf(stage, 'A'), pathOf(stage, 'A', 'other')];
    await write(xcap, index, listDocument());
    const first = await write(xcap, other, listDocument());
    const name = `${index}/~~/resource-lists/list/@name`;
    const uris = [name, 'resource-lists/users/A/'];
    const tag = header((await (await watchResources(a, 'aggregate', uris, { expires: 0 })).notify()).message, 'sip-etag') ?? '';
    const headers = [LISTS_TYPE, ['Suppress-If-Match', tag]] as const;
    const resumed = await watchResources(a, 'aggregate', uris, { headers });
    const known = await resumed.notify();
    expect([known.state, known.body, header(known.message, 'sip-etag')]).toEqual(['active', '', tag]);
    const second = await write(xcap, other, listDocument('sip:b@example.com'));
    expect(told(await nextDiff(resumed))).toEqual([[other, first, second, expect.stringMatching(/add|replace/)]]);
    const stale = await watchResources(a, 'aggregate', uris, { headers });
    expect(told(await nextDiff(stale))).toHaveLength(3);
    // Quenched, and told of everything when it is not any more.
    expect((await resumed.refresh(600, { event: eventOf('aggregate'), headers: [['Suppress-If-Match', '*']] })).status).toBe(204);
    await write(xcap, other, undefined);
    await nextDiff(stale);
    expect(resumed.notifications).toHaveLength(2);
    expect((await resumed.refresh(600, { event: eventOf('aggregate') })).status).toBe(200);
    expect(told(await nextDiff(resumed)).map((item) => (item as unknown[])[0])).toEqual([index, name]);
  });

  test('a node of a very large document is told from the first on, and when it changes', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    const many = Array.from({ length: 4000 }, (_, n) => `sip:user${n}@example.com`);
    await write(xcap, index, listDocument(...many));
    const last = `${index}/~~/resource-lists/list/entry%5B4000%5D/@uri`;
    const subscription = await watchResources(a, undefined, [last]);
    expect(told(await nextDiff(subscription))).toEqual([[last, 'sip:user3999@example.com']]);
    await write(xcap, index, listDocument(...many.slice(1), 'sip:last@example.com'));
    expect(told(await nextDiff(subscription))).toEqual([[last, 'sip:last@example.com']]);
  });

  test("another mode is in the next NOTIFY's Event", async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const subscription = await watchResources(a, 'aggregate', [pathOf(stage, 'A')]);
    await subscription.notify();
    expect((await subscription.refresh(600, { event: eventOf('xcap-patching') })).status).toBe(200);
    expect(header((await subscription.notify()).message, 'event')).toBe(eventOf('xcap-patching'));
  });

  test('the package is among those allowed', async () => {
    await stage.boot();
    const a = await stage.peer('A');
    const refused = await a.subscribe(a.address, { event: 'unheard-of' });
    expect(header(refused.response, 'allow-events')).toContain('xcap-diff');
  });
});
