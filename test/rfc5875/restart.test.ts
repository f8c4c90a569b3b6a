import { afterEach, expect, test } from 'vitest';
import { startServerProcess } from '../helpers/server-process.ts';
import { XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { fetchAll, listDocument, nextDiff, pathOf, told, watchResources, write } from './diff-stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

test('RFC 5875 after kill -9: the subscription goes on with its resources, tells all there is, and then what changes', {
  timeout: 40_000,
}, async () => {
  const server = await startServerProcess(['--diff-interval', '0']);
  await stage.use(server);
  const a = await stage.peer('A');
  const xcap = await stage.xcap('A');
  const [index, other] = [pathOf(stage, 'A'), pathOf(stage, 'A', 'other')];
  const first = await write(xcap, index, listDocument());
  const attribute = `${index}/~~/resource-lists/list/@name`;
  const gone = `${index}/~~/resource-lists/list/entry`;
  const subscription = await watchResources(a, 'xcap-patching', [attribute, gone, 'resource-lists/'], { expires: 900 });
  const client = new XcapDiffClient();
  client.receive((await nextDiff(subscription)).body);
  await fetchAll(client, xcap);

  await server.kill();
  subscription.serverRestarted();
  await server.start();

  // What may have been told before, and is not there, is said to be not there.
  const again = await nextDiff(subscription);
  expect(told(again)).toEqual([
    [index, undefined, first, ''],
    [attribute, 'friends'],
    [gone, false],
  ]);
  client.receive(again.body);
  const second = await write(xcap, index, listDocument('sip:b@example.com'));
  const changed = await nextDiff(subscription);
  expect(changed.diffs.map(({ sel, newEtag }) => [sel, newEtag])).toEqual([
    [index, second],
    [gone, undefined],
  ]);
  client.receive(changed.body);
  expect(client.documents.get(index)).toEqual({ etag: second, text: (await xcap.get(`/${index}`)).body });
  const third = await write(xcap, other, listDocument());
  expect(told(await nextDiff(subscription))).toEqual([[other, undefined, third, '']]);
  expect((await subscription.unsubscribe()).status).toBe(200);
  expect((await subscription.notify()).reason).toBe('timeout');
});
