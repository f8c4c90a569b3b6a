import { changedOnTheWay } from '../helpers/sip-checks-forwarded.ts';
import { header } from '../helpers/sip-message.ts';
import type { Scenario } from './stage.ts';

export const options: Scenario = {
  number: 22,
  title: 'OPTIONS',
  async play(stage) {
    const server = await stage.boot();
    const [alice, bob] = [await stage.phone('A'), await stage.phone('B')];
    await stage.given('the phone of B is logged on', async () => void (await bob.register()));
    for (const uri of [`sip:${server.domain}`, `sip:${server.sip.address}:${server.sip.port}`]) {
      const response = await alice.send('OPTIONS', uri).final();
      stage.equal(response.status, 200, `OPTIONS ${uri} is answered by the server`);
      for (const name of ['Allow', 'Accept', 'Accept-Encoding', 'Accept-Language', 'Supported']) {
        stage.expect((header(response, name) ?? '') !== '', `with ${name}`);
      }
    }
    const asked = alice.request('OPTIONS', bob.address, { headers: [['Accept', 'application/sdp']] });
    const incoming = await bob.take('OPTIONS');
    const sent = alice.transcript.entries.findLast(({ direction }) => direction === 'sent')?.message;
    if (!sent) throw alice.error('nothing was sent');
    stage.equal(changedOnTheWay(sent, incoming.message), [], 'OPTIONS to a user is relayed as it is');
    incoming.answer(200, { contact: false, headers: [['Allow', 'INVITE, ACK, BYE, DANCE']] });
    const response = await asked;
    stage.equal([response.status, header(response, 'allow')], [200, 'INVITE, ACK, BYE, DANCE'], 'and the answer is that of the phone');
  },
};
