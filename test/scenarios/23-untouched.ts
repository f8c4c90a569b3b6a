import type { CallAgent, Sending } from '../helpers/call-agent.ts';
import { changedOnTheWay } from '../helpers/sip-checks-forwarded.ts';
import { header, headerLines, type SipMessage } from '../helpers/sip-message.ts';
import { establish, hangUp, SDP } from './calls.ts';
import type { Scenario, Stage } from './stage.ts';

const BINARY = Buffer.from([0, 1, 2, 13, 10, 13, 10, 255, 254, 0x80, 0x41]);
const MULTIPART = Buffer.concat([
  Buffer.from(`--one\r\nContent-Type: application/sdp\r\n\r\n${SDP}\r\n--one\r\nContent-Type: application/octet-stream\r\n\r\n`, 'latin1'),
  BINARY,
  Buffer.from('\r\n--one--\r\n'),
]);

/** Requests inside a call: method and what they carry. */
const IN_DIALOG: readonly [method: string, sending: Sending][] = [
  ['INFO', { headers: [['Content-Type', 'application/dtmf-relay'], ['Info-Package', 'foo']], body: 'Signal=5\r\nDuration=160\r\n' }],
  ['UPDATE', { headers: [['Content-Type', 'application/sdp']], body: SDP }],
  ['PRACK', { headers: [['RAck', '776656 1 INVITE']] }],
  [
    'REFER',
    { headers: [['Refer-To', '<sip:carol@example.org?Replaces=1%40x%3Bto-tag%3Da%3Bfrom-tag%3Db>'], ['Referred-By', '<sip:A@example.com>;cid="1@x"']] },
  ],
  ['MESSAGE', { headers: [['Content-Type', 'multipart/mixed;boundary=one']], body: MULTIPART }],
]; // biome-ignore format: a table

/** Fields of an INVITE that only its target understands. */
const FIELDS: readonly (readonly [name: string, value: string])[] = [
  ['Join', '12345601@atlanta.example.com;from-tag=1234567;to-tag=23431'],
  ['Replaces', '425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only'],
  ['Require', 'replaces, 100rel'],
  ['Supported', 'join,replaces , 100rel'],
  ['X-Unknown', '"quoted, with comma";x=<a>,  two   blanks'],
  ['x-utf8', Buffer.from('Grüße').toString('latin1')],
];

export const untouched: Scenario = {
  number: 23,
  title: 'What passes through untouched',
  async play(stage) {
    const server = await stage.boot();
    const [alice, bob] = [await stage.phone('A'), await stage.phone('B')];
    await stage.given('the phones are logged on', async () => {
      await alice.register();
      await bob.register();
    });
    await invitation(stage, alice, bob);
    const session = await establish(stage, alice, bob);
    for (const [method, sending] of IN_DIALOG) {
      const forth = alice.inDialog(method, session.call.message, session.ok, withContact(alice, method, sending));
      await relayed(stage, forth.message, bob, method);
      stage.equal((await forth.final()).status, 200, `${method} in the call is answered`);
      const back = bob.backwards(method, session.invite, withContact(bob, method, sending));
      await relayed(stage, back.message, alice, method);
      stage.equal((await back.final()).status, 200, `and one of the other side`);
    }
    await hangUp(stage, alice, bob, session);

    const asked = alice.request('ALLOCATE', bob.address, { headers: [['Content-Type', 'x/y']], body: BINARY });
    const incoming = await bob.take('ALLOCATE');
    stage.expect(incoming.message.body.equals(BINARY), 'a method that the server does not know reaches the user it is for');
    incoming.answer(200, { contact: false });
    stage.equal((await asked).status, 200, 'and the answer comes back');
    for (const uri of [`sip:${server.domain}`, `sip:${server.sip.address}:${server.sip.port}`]) {
      stage.equal((await alice.send('ALLOCATE', uri).final()).status, 501, `to ${uri} itself it gets 501`);
    }
  },
};

/** An INVITE of a conference with everything in it, and an answer with everything in it. */
async function invitation(stage: Stage, alice: CallAgent, bob: CallAgent): Promise<void> {
  const headers = [['Content-Type', 'multipart/mixed;boundary=one'], ...FIELDS] as const;
  const uri = bob.address;
  const sending: Sending = { headers: [['Contact', `<${alice.contact}>;isfocus;+g.oma.sip-im`], ...headers], body: MULTIPART };
  const challenge = await alice.send('INVITE', uri, sending).final();
  const call = alice.send('INVITE', uri, alice.authorized('INVITE', uri, challenge, sending));
  const invite = await bob.take('INVITE');
  stage.equal(changedOnTheWay(call.message, invite.message), [], 'Join, Replaces, isfocus and a multipart body arrive as they were sent');
  invite.answer(606, { contact: true, headers: [['Warning', '370 devnull "Choose a bigger pipe"'], ['X-Back', 'a;b']], body: '' }); // biome-ignore format: one line
  const response = await call.final();
  await bob.take('ACK');
  stage.equal(
    [response.status, header(response, 'warning'), headerLines(response, 'x-back')],
    [606, '370 devnull "Choose a bigger pipe"', ['a;b']],
    'and so does what the answer says',
  );
}

function withContact(agent: CallAgent, method: string, sending: Sending): Sending {
  if (method !== 'UPDATE' && method !== 'REFER') return sending;
  return { ...sending, headers: [['Contact', `<${agent.contact}>`], ...(sending.headers ?? [])] };
}

async function relayed(stage: Stage, sent: SipMessage, receiver: CallAgent, method: string): Promise<void> {
  const incoming = await receiver.take(method);
  stage.equal(changedOnTheWay(sent, incoming.message), [], `${method} arrives as it was sent`);
  incoming.answer(200, { contact: method === 'UPDATE' });
}
