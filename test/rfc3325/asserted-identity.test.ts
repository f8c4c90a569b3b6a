import { afterEach, describe, expect, it } from 'vitest';
import { assertIdentity } from '../../sip/core/asserted-identity.ts';
import { SipRequest } from '../../sip/message/message.ts';
import { CallStage } from '../helpers/call-stage.ts';
import { headerLines } from '../helpers/sip-message.ts';

let stage: CallStage;

const FIELD = 'p-asserted-identity';
const FORGED = [['P-Asserted-Identity', '<sip:carol@example.com>'] as const, ['P-Preferred-Identity', '<sip:carol@example.com>'] as const];

describe('RFC 3325 5: P-Asserted-Identity', () => {
  afterEach(() => stage.close());

  it('of an element that is not trusted is removed, and a phone is told nothing in its place', async () => {
    stage = await CallStage.open();
    const alice = await stage.agent('alice');
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const bob = await stage.registered('bob');
    for (const sender of [alice, zoe]) {
      const asked = sender.request('MESSAGE', bob.address, { headers: FORGED });
      const incoming = await bob.take('MESSAGE');
      expect(headerLines(incoming.message, FIELD)).toEqual([]);
      expect(headerLines(incoming.message, 'p-preferred-identity')).toEqual([]);
      incoming.answer(200, { contact: false });
      expect((await asked).status).toBe(200);
    }
  });

  it('of a trusted peer is passed on, but for Privacy: id', async () => {
    stage = await CallStage.open({ auth: 'none', sipTrustedPeers: ['127.0.0.1'] });
    const zoe = await stage.agent('zoe', { domain: 'elsewhere.test' });
    const outside = await stage.agent('outside', { domain: 'elsewhere.test' });
    const asserted = ['P-Asserted-Identity', '"Zoe" <sip:zoe@elsewhere.test>'] as const;
    for (const headers of [[asserted], [asserted, ['Privacy', 'header;id'] as const]]) {
      const asked = zoe.request('MESSAGE', outside.contact, { headers });
      const incoming = await outside.take('MESSAGE');
      // The next hop is a trusted peer too, which is told all.
      expect(headerLines(incoming.message, FIELD)).toEqual([asserted[1]]);
      incoming.answer(200, { contact: false });
      expect((await asked).status).toBe(200);
    }
  });
});

describe('RFC 3325 5: who is told', () => {
  const ALICE = 'sip:alice@example.com';
  /** The field as it goes to a next hop. */
  const told = (fields: readonly (readonly [string, string])[], address: string | undefined, isTrusted: boolean): string[] => {
    const request = new SipRequest('MESSAGE', 'sip:bob@example.com');
    for (const [name, value] of fields) request.headers.add(name, value);
    assertIdentity(request, address, isTrusted);
    return request.headers.all(FIELD);
  };

  it.each([
    ['a trusted hop hears whom we have authenticated', [], ALICE, true, [`<${ALICE}>`]],
    ['also of who wants to be private, with the wish', [['Privacy', 'id']], ALICE, true, [`<${ALICE}>`]],
    ['but nothing of whom we have not', [], undefined, true, []],
    ['what another has asserted stays', [[FIELD, '<sip:zoe@x.test>']], ALICE, true, ['<sip:zoe@x.test>']],
    ['others hear nothing new', [], ALICE, false, []],
    ['others hear what was asserted', [[FIELD, '<sip:zoe@x.test>']], undefined, false, ['<sip:zoe@x.test>']],
    [
      'unless the sender wants to be private',
      [
        [FIELD, '<sip:zoe@x.test>'],
        ['Privacy', 'user; ID;critical'],
      ],
      undefined,
      false,
      [],
    ],
    [
      'which `none` and `user` do not say',
      [
        [FIELD, '<sip:zoe@x.test>'],
        ['Privacy', 'user'],
      ],
      undefined,
      false,
      ['<sip:zoe@x.test>'],
    ],
  ] as const)('%s', (_, fields, address, isTrusted, expected) => {
    expect(told(fields, address, isTrusted)).toEqual(expected);
  });
});
