import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.close());

async function block(settings: Partial<Config>, handling: 'block' | 'polite-block' | 'allow') {
  await stage.boot(settings);
  const [a, b] = [await stage.peer('A'), await stage.peer('B')];
  const xcap = await stage.xcap('B');
  const put = await xcap.put(rulesPath('B'), rulesDocument(rule('a', handling, [stage.address('A')])));
  expect(put.status).toBe(201);
  return { a, b, inbox: new Inbox(b) };
}

const list = (uri: string): string =>
  `--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="${uri}"/></list></resource-lists>\r\n--b--`;

describe('senders whom the presence rules block', () => {
  it('may write unless the setting says otherwise', async () => {
    const { a, b, inbox } = await block({}, 'block');
    await b.register();
    expect((await sendMessage(a, b.address, 'hello')).status).toBe(200);
    expect(await inbox.bodies(1)).toEqual(['hello']);
  });

  it('are refused, whether the user is there or not, by a list too', async () => {
    const { a, b, inbox } = await block({ messageBlocking: 'presence-rules' }, 'block');
    expect((await sendMessage(a, b.address, 'hello')).status).toBe(403);
    await b.register();
    expect((await sendMessage(a, b.address, 'hello')).status).toBe(403);
    const headers = [['Require', 'recipient-list-message']] as const;
    const spread = await sendMessage(a, `sip:${stage.server.domain}`, list(b.address), { type: 'multipart/mixed;boundary=b', headers });
    expect(spread.status).toBe(202);
    await sleep(200);
    expect(inbox.received).toEqual([]);
  });

  it('that are blocked politely are answered as if the user was away, in both cases, and nothing is kept', async () => {
    const { a, b, inbox } = await block({ messageBlocking: 'presence-rules' }, 'polite-block');
    const away = await sendMessage(a, b.address, 'hello');
    await b.register();
    const there = await sendMessage(a, b.address, 'hello again');
    expect([away.status, away.reason]).toEqual([there.status, there.reason]);
    const c = await stage.peer('C');
    await stage.user('D');
    const toAnother = await sendMessage(c, stage.address('D'), 'hello');
    expect([away.status, away.reason]).toEqual([toAnother.status, toAnother.reason]);
    await b.register();
    await sleep(200);
    expect(inbox.received).toEqual([]);
  });

  it('and allowed ones are not', async () => {
    const { a, b, inbox } = await block({ messageBlocking: 'presence-rules' }, 'allow');
    await b.register();
    expect((await sendMessage(a, b.address, 'hello')).status).toBe(200);
    expect(await inbox.bodies(1)).toEqual(['hello']);
  });
});
