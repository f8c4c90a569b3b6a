import { setTimeout as sleep } from 'node:timers/promises';
import { Inbox, sendMessage } from '../helpers/inbox.ts';
import type { Scenario } from './stage.ts';

const TYPE = 'application/im-iscomposing+xml';
const ACTIVE = `<?xml version="1.0" encoding="UTF-8"?>\n<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state><contenttype>text/plain</contenttype><refresh>90</refresh></isComposing>`;

export const isComposing: Scenario = {
  number: 27,
  title: 'isComposing',
  async play(stage) {
    await stage.boot();
    const [a, b] = [await stage.peer('A'), await stage.peer('B')];
    const inbox = new Inbox(b);
    await b.register();
    stage.equal((await sendMessage(a, b.address, ACTIVE, { type: TYPE })).status, 200, 'that A is typing is relayed (RFC 3994)');
    stage.equal((await inbox.next()).body.toString(), ACTIVE, 'as it is');
    await b.register({ expires: 0 });
    stage.equal((await sendMessage(a, b.address, ACTIVE, { type: TYPE })).status, 480, 'nobody wants to know it later');
    const wrapped = `From: <im:A@example.com>\r\nTo: <im:B@example.com>\r\n\r\nContent-type: ${TYPE}\r\n\r\n${ACTIVE}`;
    stage.equal((await sendMessage(a, b.address, wrapped, { type: 'message/cpim' })).status, 480, 'in a message/cpim neither');
    await b.register();
    await sleep(200);
    stage.equal(inbox.left, 0, 'so nothing waits for B');
  },
};
