import { afterEach, describe, expect, test } from 'vitest';
import type { XcapClient } from '../helpers/xcap-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';
import { LISTS_TYPE, listDocument, nextDiff, pathOf, resources, told, watchResources, write } from './diff-stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

const PROFILE = 'org.openmobilealliance.user-profile';
const CONTENT = 'org.openmobilealliance.pres-content';

const profile = (user: string): string =>
  `<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="${stage.address(user)}"/></user-profiles>`;
const icon = (data: string): string =>
  `<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/png</mime-type><data>${data}</data></content>`;

describe('RFC 5875 4.1, 4.7: collections over all users', () => {
  test('hold what the watcher may read: an admin all of it, others their own', async () => {
    await stage.boot({ diffInterval: 0 });
    const [a, root] = [await stage.peer('A'), await stage.admin()];
    const [xcapA, xcapB] = [await stage.xcap('A'), await stage.xcap('B')];
    const [own, theirs] = [pathOf(stage, 'A'), pathOf(stage, 'B', 'deep')];
    const [etagA, etagB] = [await write(xcapA, own, listDocument()), await write(xcapB, theirs, listDocument())];
    for (const uri of ['resource-lists/', 'resource-lists/users/']) {
      const all = await watchResources(root, 'no-patching', [uri]);
      expect(told(await nextDiff(all))).toEqual([
        [own, undefined, etagA, ''],
        [theirs, undefined, etagB, ''],
      ]);
      const mine = await watchResources(a, 'no-patching', [uri]);
      expect(told(await nextDiff(mine))).toEqual([[own, undefined, etagA, '']]);
      const fresh = pathOf(stage, 'B', `fresh${uri.length}`);
      const etag = await write(xcapB, fresh, listDocument());
      expect(told(await nextDiff(all))).toEqual([[fresh, undefined, etag, '']]);
      await write(xcapB, fresh, undefined);
      expect(told(await nextDiff(all))).toEqual([[fresh, etag, undefined, '']]);
      expect(mine.notifications).toHaveLength(1);
      await all.unsubscribe();
      await mine.unsubscribe();
    }
  });

  test('of a usage that everyone may read hold the documents of all users, the new ones too', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const [xcapB, xcapC] = [await stage.xcap('B'), await stage.xcap('C')];
    const [first, second] = [pathOf(stage, 'B', 'user-profile', PROFILE), pathOf(stage, 'C', 'user-profile', PROFILE)];
    const etag = await write(xcapB, first, profile('B'));
    const subscription = await watchResources(a, 'no-patching', [`${PROFILE}/users/`]);
    expect(told(await nextDiff(subscription))).toEqual([[first, undefined, etag, '']]);
    const fresh = await write(xcapC, second, profile('C'));
    expect(told(await nextDiff(subscription))).toEqual([[second, undefined, fresh, '']]);
  });

  test('hold what users share, while the watcher is among those they share it with', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    const [xcapB, xcapC] = [await stage.xcap('B'), await stage.xcap('C')];
    const put = (xcap: XcapClient, user: string, data: string) => write(xcap, pathOf(stage, user, 'index', CONTENT), icon(data));
    const [ofB, ofC] = [pathOf(stage, 'B', 'index', CONTENT), pathOf(stage, 'C', 'index', CONTENT)];
    const etag = await put(xcapB, 'B', 'AAAA');
    await put(xcapC, 'C', 'AAAA');
    await writeRules(stage, 'B', 'allow', ['A']);
    await writeRules(stage, 'C', 'block', ['A']);
    const subscription = await watchResources(a, 'aggregate', [`${CONTENT}/users/`]);
    expect(told(await nextDiff(subscription))).toEqual([[ofB, undefined, etag, '']]);
    const second = await put(xcapC, 'C', 'BBBB');
    await writeRules(stage, 'C', 'allow', ['A']);
    expect(told(await nextDiff(subscription))).toEqual([[ofC, undefined, second, '']]);
    await writeRules(stage, 'B', 'block', ['A']);
    await put(xcapB, 'B', 'CCCC');
    const third = await put(xcapC, 'C', 'CCCC');
    expect(told(await nextDiff(subscription))).toEqual([[ofC, second, third, expect.stringContaining('replace')]]);
    expect(subscription.notifications).toHaveLength(3);
  });

  test('of a usage, a tree or a user that is not there are empty, and so are those of strange paths', async () => {
    await stage.boot({ diffInterval: 0 });
    const a = await stage.peer('A');
    await write(await stage.xcap('A'), pathOf(stage, 'A'), listDocument());
    const uris = ['none/', 'none/users/', 'resource-lists/user/', 'resource-lists/users/sip:nobody@example.com/', 'resource-lists/global/'];
    const strange = ['', '/', '//', '../', 'resource-lists/users/../', 'resource-lists//users/', '%2e%2e/', 'resource-lists/users/%2F/'];
    const subscription = await a.subscribe(a.address, { event: 'xcap-diff', headers: [LISTS_TYPE], body: resources(...uris, ...strange) });
    expect(told(await nextDiff(subscription))).toEqual([]);
  });
});
