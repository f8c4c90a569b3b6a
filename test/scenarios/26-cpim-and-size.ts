import { Inbox, sendMessage } from '../helpers/inbox.ts';
import { header } from '../helpers/sip-message.ts';
import type { Scenario } from './stage.ts';

const CPIM = Buffer.from(
  'From: MR SANDERS <im:A@example.com>\r\nTo: Depressed Donkey <im:B@example.com>\r\nDateTime: 2000-12-13T13:40:00-08:00\r\nSubject: the weather will be fine today\r\nSubject:;lang=fr beau temps pr\u00e9vu pour aujourd\u2019hui\r\nNS: MyFeatures <mid:MessageFeatures@id.foo.com>\r\nRequire: MyFeatures.VitalMessageOption\r\nMyFeatures.VitalMessageOption: Confirmation-requested\r\n\r\nContent-type: text/xml; charset=utf-8\r\nContent-ID: <1234567890@foo.com>\r\n\r\n<body>\r\nHere is the text of my message.\n</body>\n',
);
const SIGNED = Buffer.concat([
  Buffer.from(
    '--next\r\nContent-Type: text/plain\r\n\r\n  signed text \t\r\n\r\n--next\r\nContent-Type: application/pkcs7-signature\r\n\r\n',
  ),
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.from('\r\n--next--\r\n'),
]);
const SIGNED_TYPE = 'multipart/signed;protocol="application/pkcs7-signature";micalg=sha-256;boundary=next';

export const cpimAndSize: Scenario = {
  number: 26,
  title: 'message/cpim, signed bodies and the 1300 bytes',
  async play(stage) {
    await stage.boot();
    const a = await stage.peer('A');
    const aTcp = await stage.peer('A', { transport: 'tcp', name: 'A over TCP' });
    const b = await stage.peer('B', { transport: 'tcp' });
    const inbox = new Inbox(b);
    await b.register();
    for (const [type, body] of [
      ['message/cpim', CPIM],
      [SIGNED_TYPE, SIGNED],
      ['text/plain', Buffer.from('plain')],
    ] as const) {
      stage.equal((await sendMessage(a, b.address, body, { type })).status, 200, `${type.split(';')[0]} is relayed`);
      const message = await inbox.next();
      stage.expect(message.body.equals(body) && header(message, 'content-type') === type, 'byte for byte, with its type as it was');
    }
    const large = Buffer.alloc(5000, 'large ');
    stage.equal((await sendMessage(a, b.address, large)).status, 513, 'a large one is refused over UDP');
    stage.equal(inbox.left, 0, 'and reaches nobody');
    stage.equal((await sendMessage(aTcp, b.address, large)).status, 200, 'over TCP it is relayed');
    stage.expect((await inbox.next()).body.equals(large), 'whole');
  },
};
