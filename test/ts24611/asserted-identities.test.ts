/** RFC 3325 9.1, RFC 5025 3.1.1.2: a caller of whom a SIP URI and a tel URI are asserted is meant by rules that name either. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Phones } from '../helpers/phones.ts';
import type { HeaderField } from '../helpers/sip-peer-options.ts';
import { callRule, diversionDocument, forwardTo, simservs } from '../scenarios/documents.ts';

const TEL = 'tel:+15551234567';
let phones: Phones;

beforeAll(async () => {
  phones = await Phones.open(['alice', 'bob', 'carol', 'dave'], { sipTrustedPeers: ['127.0.0.1/32'] });
});
afterAll(() => phones.close());

const asserted = (...uris: readonly string[]): HeaderField => ['P-Asserted-Identity', uris.map((uri) => `<${uri}>`).join(', ')];
const identity = (uri: string): string => `<cp:identity><cp:one id="${uri}"/></cp:identity>`;
const incoming = (...rules: readonly string[]): string =>
  simservs(`<incoming-communication-barring><cp:ruleset>${rules.join('')}</cp:ruleset></incoming-communication-barring>`);
const [ALLOW, BAR] = ['<allow>true</allow>', '<allow>false</allow>'];

async function called(assertion: HeaderField): Promise<[string | undefined, number]> {
  const alice = phones.of('alice');
  // Whom a trusted element vouches for is not asked for credentials.
  const call = alice.send('INVITE', phones.address('bob'), { headers: [['Contact', `<${alice.contact}>`], assertion] });
  const { reached, response } = await phones.finish(call, [480]);
  return [reached, response.status];
}

describe('TS 24.611, TS 24.604: identity conditions', () => {
  it('bar whoever is named by any of the addresses', async () => {
    await phones.set('bob', incoming(callRule('r', identity(TEL), BAR)));
    const alice = phones.address('alice');
    expect(await called(asserted(alice, TEL))).toEqual([undefined, 603]);
    expect(await called(asserted(TEL, alice))).toEqual([undefined, 603]);
    expect(await called(asserted(alice))).toEqual(['bob', 480]);
    expect(await called(asserted(alice, 'tel:+15550000000'))).toEqual(['bob', 480]);
  });

  it('let in whoever is, and leave out whom <except> names by any', async () => {
    const alice = phones.address('alice');
    await phones.set('bob', incoming(callRule('all', '', BAR), callRule('r', identity(TEL), ALLOW)));
    expect(await called(asserted(alice, TEL))).toEqual(['bob', 480]);
    expect(await called(asserted(alice))).toEqual([undefined, 603]);
    await phones.set('bob', incoming(callRule('r', `<cp:identity><cp:many><cp:except id="${TEL}"/></cp:many></cp:identity>`, BAR)));
    expect(await called(asserted(alice, TEL))).toEqual(['bob', 480]);
    expect(await called(asserted(alice))).toEqual([undefined, 603]);
  });

  it('divert, by the first rule of those that name one of the addresses each', async () => {
    const alice = phones.address('alice');
    const [toCarol, toDave] = ['carol', 'dave'].map((user) => forwardTo(phones.address(user)));
    await phones.set(
      'bob',
      diversionDocument(callRule('one', identity(TEL), toCarol ?? ''), callRule('two', identity(alice), toDave ?? '')),
    );
    expect(await called(asserted(alice, TEL))).toEqual(['carol', 480]);
    expect(await called(asserted(alice))).toEqual(['dave', 480]);
  });

  it('bar messages, also those that have waited', async () => {
    const alice = phones.address('alice');
    const bob = phones.of('bob');
    const send = (body: string) => phones.of('alice').request('MESSAGE', phones.address('bob'), { headers: [['Content-Type', 'text/plain'], asserted(alice, TEL)], body }); // biome-ignore format: one line
    await phones.set('bob', incoming(callRule('r', identity(TEL), BAR)));
    expect((await send('refused')).status).toBe(603);
    await phones.set('bob', diversionDocument());
    await bob.register(';expires=0');
    expect((await send('kept')).status).toBe(202);
    await phones.set('bob', incoming(callRule('r', identity(TEL), BAR)));
    await bob.register();
    const sender = phones.of('carol').request('MESSAGE', phones.address('bob'), { headers: [['Content-Type', 'text/plain'], asserted(phones.address('carol'))], body: 'after it' }); // biome-ignore format: one line
    const next = await bob.take('MESSAGE');
    expect(next.message.body.toString()).toBe('after it');
    next.answer(200, { contact: false });
    expect((await sender).status).toBe(200);
    expect(bob.untaken).toEqual([]);
  });
});
