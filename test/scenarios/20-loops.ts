import { header } from '../helpers/sip-message.ts';
import type { Scenario } from './stage.ts';

export const loops: Scenario = {
  number: 20,
  title: 'Loop detection',
  async play(stage) {
    const server = await stage.boot();
    const { address, port } = server.sip;
    const [alice, bob, carol] = [await stage.phone('A'), await stage.phone('B'), await stage.phone('C')];
    const zoe = await stage.phone('zoe', { domain: 'elsewhere.test' });
    const path = [['Path', `<sip:${address}:${port};lr>`] as const, ['Supported', 'path'] as const];
    await stage.given('B has its calls sent to C, and C to B', async () => {
      await bob.register('', carol.address, path);
      await carol.register('', bob.address, path);
    });
    stage.equal((await zoe.send('OPTIONS', bob.address).final()).status, 482, 'a request that comes back as it left gets 482');
    stage.equal((await alice.send('MESSAGE', bob.address, { maxForwards: 0 }).final()).status, 483, 'Max-Forwards 0 gets 483');
    const phone = await stage.phone('D');
    await phone.register();
    const sent = zoe.send('OPTIONS', phone.address, { maxForwards: 1 });
    const incoming = await phone.take('OPTIONS');
    stage.equal(header(incoming.message, 'max-forwards'), '0', 'Max-Forwards 1 goes one hop further');
    stage.equal(header(incoming.message, 'max-breadth'), '60', 'and Max-Breadth with it (RFC 5393)');
    incoming.answer(200, { contact: false });
    stage.equal((await sent.final()).status, 200, 'and is answered');
    const narrow = zoe.send('OPTIONS', phone.address, { headers: [['Max-Breadth', '0']] });
    stage.equal((await narrow.final()).status, 440, 'Max-Breadth 0 gets 440');
  },
};
