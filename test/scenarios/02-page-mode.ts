import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { parseNameAddress } from '../helpers/sip-headers.ts';
import { header, type SipMessage } from '../helpers/sip-message.ts';
import type { Scenario } from './stage.ts';

export const pageMode: Scenario = {
  number: 2,
  title: 'Page-mode IM both ways',
  async play(stage) {
    await stage.boot();
    const [a, b] = [await stage.peer('A'), await stage.peer('B', { transport: 'tcp' })];
    const inboxes = new Map([
      [a, new Inbox(a)],
      [b, new Inbox(b)],
    ]);
    await stage.given('both have logged on', async () => {
      await a.register();
      await b.register();
    });
    const seen: SipMessage[] = [];
    for (const [from, to, text] of [
      [a, b, 'Hello, B'],
      [b, a, 'Hello, A'],
      [a, b, 'Are you coming?'],
    ] as const) {
      const response = await sendMessage(from, to.address, text);
      stage.equal(response.status, 200, 'the MESSAGE is answered 200');
      stage.equal([response.body.length, header(response, 'contact')], [0, undefined], 'without body or Contact');
      const message = await inboxes.get(to)?.next();
      if (!message) throw stage.failure('a MESSAGE reaches the binding');
      stage.equal([message.requestUri, message.body.toString()], [to.contact, text], 'which reaches the binding with its text');
      stage.equal(header(message, 'content-type'), 'text/plain', 'text/plain');
      seen.push(message);
    }
    const tags = seen.map((message) => parseNameAddress(header(message, 'from') ?? '').params.get('tag'));
    stage.equal(new Set(seen.map((message) => header(message, 'call-id'))).size, 3, 'each message has a Call-ID of its own');
    stage.equal(new Set(tags).size, 3, 'and a From tag of its own');
  },
};
