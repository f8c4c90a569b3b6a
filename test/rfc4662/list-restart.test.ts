import { afterEach, expect, test } from 'vitest';
import { startServerProcess } from '../helpers/server-process.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { ASKED, entry, ListWatcher, list, lists, putServices } from './list-stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

test('after kill -9 lists, lists within them and lists from SUBSCRIBEs go on, with the same instances', { timeout: 40_000 }, async () => {
  const server = await startServerProcess(['--default-decision', 'allow', '--list-interval', '0']);
  await stage.use(server);
  const a = await stage.peer('A', { transport: 'udp' });
  const b = await stage.peer('B', { transport: 'tcp' });
  const member = (name: string) => entry(stage.address(name));
  await putServices(stage, 'A', { outer: { items: [member('inner'), member('B')] }, inner: { items: [member('B')] } });
  const { etag } = await b.publish(pidf(b.address, { basic: 'open' }), { expires: 600 });
  const nested = await ListWatcher.open(a, stage.address('outer'));
  const brought = await ListWatcher.open(a, 'sip:rls@example.com', {
    ...ASKED,
    headers: [
      ['Require', 'recipient-list-subscribe'],
      ['Content-Type', 'application/resource-lists+xml'],
    ],
    body: lists(list('l', member('B'))),
  });
  expect([nested.view.words(), brought.view.words()]).toEqual([{ inner: { B: 'open' }, B: 'open' }, { B: 'open' }]);
  const ids = () => [nested, brought].map(({ view }) => view.rows.get(b.address)?.[0]?.id);
  const before = ids();

  await server.kill();
  for (const { subscription, view } of [nested, brought]) {
    subscription.serverRestarted();
    view.mayForget = true;
  }
  await server.start();
  await nested.next();
  await brought.next();
  expect([nested.last?.fullState, brought.last?.fullState, ids()]).toEqual([true, true, before]);
  expect([nested.view.words(), brought.view.words()]).toEqual([{ inner: { B: 'open' }, B: 'open' }, { B: 'open' }]);
  await b.publish(pidf(b.address, { basic: 'closed' }), { expires: 600, etag });
  await nested.until((words) => words.B === 'closed');
  await brought.until((words) => words.B === 'closed');
  expect(nested.view.words()).toEqual({ inner: { B: 'closed' }, B: 'closed' });
});
