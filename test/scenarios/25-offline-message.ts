import { setTimeout as sleep } from 'node:timers/promises';
import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { header } from '../helpers/sip-message.ts';
import type { Scenario } from './stage.ts';

export const offlineMessage: Scenario = {
  number: 25,
  title: 'Offline MESSAGE',
  async play(stage) {
    const server = await startServerProcess(['--min-expires', '1', '--log', 'error']);
    await stage.use(server);
    const a = await stage.peer('A');
    await stage.user('B');
    const b = stage.address('B');
    for (const text of ['first', 'second', 'third']) {
      stage.equal((await sendMessage(a, b, text)).status, 202, 'B is not there: 202');
    }
    const soon: readonly (readonly [string, string])[] = [
      ['Expires', '2'],
      ['Date', new Date().toUTCString()],
    ];
    stage.equal((await sendMessage(a, b, 'gone in two seconds', { headers: soon })).status, 202, 'one that expires soon is stored too');
    stage.note('the server is killed and started again');
    await server.kill();
    await server.start();
    await sleep(2100);
    const phone = await stage.peer('B', { transport: 'tcp' });
    const inbox = new Inbox(phone);
    await phone.register();
    stage.equal(await inbox.bodies(3), ['first', 'second', 'third'], 'B registers: all come, in order, and the expired one does not');
    const [message] = inbox.received;
    stage.expect(message !== undefined && /^<sip:A@example\.com>;tag=/.test(header(message, 'from') ?? ''), 'from A, with its tag');
    stage.expect(message !== undefined && header(message, 'date') !== undefined, 'and with the date');
    await phone.register();
    await sleep(200);
    stage.equal(inbox.left, 0, 'and none comes a second time');
  },
};
