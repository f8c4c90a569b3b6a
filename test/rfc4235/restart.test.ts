import { afterEach, expect, test } from 'vitest';
import { readDialogInfo } from '../helpers/dialog-info-reader.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { childrenNamed, readXml, requiredAttribute } from '../helpers/xml-reader.ts';
import { Stage } from '../scenarios/stage.ts';

const DIALOG = 'urn:ietf:params:xml:ns:dialog-info';
const CONFERENCE = 'urn:ietf:params:xml:ns:conference-info';
const stage = new Stage();
afterEach(() => stage.close());

test('RFC 4235, RFC 4575 after kill -9: dialogs and conferences published, merged as they were, and their watchers', {
  timeout: 40_000,
}, async () => {
  const server = await startServerProcess();
  await stage.use(server);
  const alice = await stage.peer('alice');
  const conf = await stage.peer('conf');

  const dialogs = (state: string, id: string) =>
    `<dialog-info xmlns="${DIALOG}" version="0" state="${state}" entity="${alice.address}"><dialog id="${id}"><state>early</state></dialog></dialog-info>`;
  const calls = { event: 'dialog', contentType: 'application/dialog-info+xml', expires: 900 };
  const first = await alice.publish(dialogs('full', 'a'), calls);
  const second = await alice.publish(dialogs('partial', 'b'), { ...calls, etag: first.etag });
  expect(second.status).toBe(200);

  const conference = (state: string, user: string) =>
    `<conference-info xmlns="${CONFERENCE}" entity="${conf.address}" state="${state}"><users state="${state}"><user entity="${user}"/></users></conference-info>`;
  const rooms = { event: 'conference', contentType: 'application/conference-info+xml', expires: 900 };
  const room = await conf.publish(conference('full', alice.address), rooms);
  expect((await conf.publish(conference('partial', 'sip:bob@example.com'), { ...rooms, etag: room.etag })).status).toBe(200);

  const own = await alice.subscribe(alice.address, { event: 'dialog', expires: 900 });
  const before = readDialogInfo((await own.notify()).body);
  const roster = await alice.subscribe(conf.address, { event: 'conference', expires: 900 });
  await roster.notify();
  await server.kill();
  for (const subscription of [own, roster]) subscription.serverRestarted();
  await server.start();

  const after = readDialogInfo((await own.notify()).body);
  expect([after.state, after.dialogs.map(({ id }) => id).sort()]).toEqual(['full', ['a', 'b']]);
  expect(after.version).toBeGreaterThan(before.version);
  const root = readXml((await roster.notify()).body);
  const users = childrenNamed(root, CONFERENCE, 'users').flatMap((each) => childrenNamed(each, CONFERENCE, 'user'));
  expect(users.map((user) => requiredAttribute(user, 'entity'))).toEqual([alice.address, 'sip:bob@example.com']);
  expect((await alice.publish(undefined, { ...calls, etag: second.etag, expires: 0 })).status).toBe(200);
  const over = readDialogInfo((await own.notify()).body);
  const ended = over.dialogs.filter(({ state }) => state === 'terminated').map(({ id }) => id);
  expect([over.state, over.dialogs.length, ended.sort()]).toEqual(['partial', 2, ['a', 'b']]);
});
