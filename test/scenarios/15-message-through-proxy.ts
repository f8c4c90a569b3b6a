import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { changedOnTheWay } from '../helpers/sip-checks-forwarded.ts';
import { parseVia } from '../helpers/sip-headers.ts';
import { header, headerList, type SipMessage } from '../helpers/sip-message.ts';
import { SipPeer } from '../helpers/sip-peer.ts';
import type { Scenario, Stage } from './stage.ts';

export const messageThroughProxy: Scenario = {
  number: 15,
  title: 'MESSAGE through the proxy',
  async play(stage) {
    stage.note('in one domain');
    const server = await stage.boot();
    const [a, b] = [await stage.peer('A'), await stage.peer('B')];
    const inbox = new Inbox(b);
    await stage.given('B has logged on', async () => void (await b.register()));
    const response = await sendMessage(a, b.address, 'Watson, come here.', { headers: [['X-Unknown', 'kept']] });
    const received = await inbox.next();
    relayed(stage, a, received, b.contact);
    const own = parseVia(headerList(received, 'via')[0] ?? '');
    stage.equal([own.host, own.port], [server.sip.address, server.sip.port], 'the top Via is the server');
    stage.equal(response.status, 200, 'the response goes back the same way');
    stage.equal(headerList(response, 'via').length, 1, 'and has lost that Via');

    stage.note('to another domain (RFC 3263)');
    const c = await SipPeer.create({ user: 'C', domain: 'elsewhere', server: server.sip, transport: 'udp' });
    try {
      const away = new Inbox(c);
      const target = `sip:C@127.0.0.1:${c.socket.local.port}`;
      stage.equal((await sendMessage(a, target, 'Hello, C')).status, 200, 'a user of ours may write to another domain');
      relayed(stage, a, await away.next(), target);
      stage.equal((await sendMessage(c, b.address, 'Hello, B')).status, 200, 'and is written to from there');
      await inbox.next();
      stage.equal((await sendMessage(c, target, 'an open relay?')).status, 403, 'but nothing is relayed between others');
      c.assertClean();

      stage.note('to another domain by a configured next hop');
      await stage.boot({ nextHops: [{ domain: 'elsewhere.example', uri: `sip:127.0.0.1:${c.socket.local.port}` }] });
      const again = await stage.peer('A');
      stage.equal((await sendMessage(again, 'sip:C@elsewhere.example', 'Hello again')).status, 200, 'the domain is reached there');
      relayed(stage, again, await away.next(), 'sip:C@elsewhere.example');
    } finally {
      await c.close();
    }
  },
};

/** Holds what came to what was sent. */
function relayed(stage: Stage, sender: SipPeer, received: SipMessage, target: string): void {
  const sent = sender.transcript.entries
    .filter(({ direction, message }) => direction === 'sent' && message?.method === 'MESSAGE')
    .map(({ message }) => message)
    .filter(
      (message) =>
        message && header(message, 'cseq') === header(received, 'cseq') && header(message, 'call-id') === header(received, 'call-id'),
    )[0];
  if (!sent) throw stage.failure('what came was sent');
  stage.equal(received.requestUri, target, 'the Request-URI is the target');
  stage.equal(changedOnTheWay(sent, received), [], 'From with its tag and all else is as it was sent, Max-Forwards is one less');
  const via = parseVia(headerList(received, 'via')[1] ?? '');
  stage.equal(
    [via.params.get('received'), via.params.get('rport')],
    ['127.0.0.1', String(sender.socket.local.port)],
    'received and rport are filled',
  );
}
