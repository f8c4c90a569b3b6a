import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CallAgent } from '../helpers/call-agent.ts';
import { Phones } from '../helpers/phones.ts';
import { headerList } from '../helpers/sip-message.ts';
import type { HeaderField } from '../helpers/sip-peer-options.ts';
import { callRule, diversionDocument, forwardTo } from '../scenarios/documents.ts';

const ABROAD = 'sip:ext@example.org';
const HIDDEN = 'sip:anonymous@anonymous.invalid';
let phones: Phones;
let external: CallAgent;

beforeAll(async () => {
  external = await CallAgent.open({ user: 'ext', domain: 'example.org', server: { address: '127.0.0.1', port: 9 } });
  const { address, port } = external.socket.local;
  phones = await Phones.open(['alice', 'bob', 'carol'], { nextHops: [{ domain: 'example.org', uri: `sip:${address}:${port}` }] });
});
afterEach(() => expect(external.untaken).toEqual([]));
afterAll(() => Promise.all([phones.close(), external.close()]));

/** What the other domain is told when alice calls her own domain's bob, who diverts there. */
async function told(headers: readonly HeaderField[]): Promise<{ history: string[]; diversion: string[] }> {
  const call = await phones.of('alice').invite(phones.address('bob'), { headers });
  const incoming = await external.take('INVITE');
  incoming.answer(603);
  await external.take('ACK');
  expect((await call.final()).status).toBe(603);
  const { message } = incoming;
  return { history: headerList(message, 'history-info'), diversion: headerList(message, 'diversion') };
}

describe('RFC 7044 10.1.2: what another domain is told of where a call has been', () => {
  beforeAll(() => phones.set('bob', diversionDocument(callRule('r', '', forwardTo(ABROAD)))));

  it('names our user where nobody asks for privacy, or for another kind of it', async () => {
    for (const headers of [[], [['Privacy', 'id;critical'] as const], [['Privacy', 'none'] as const]]) {
      const { history, diversion } = await told(headers);
      expect(history).toEqual([`<${phones.address('bob')}>;index=1`, `<${ABROAD};cause=302>;index=1.1;mp=1`]);
      expect(diversion).toEqual([`<${phones.address('bob')}>;reason=unconditional;counter=1;privacy=off`]);
    }
  });

  it.each(['history', 'header', 'user;session', 'HISTORY ; id'])('is anonymous where the caller asks for `%s`', async (privacy) => {
    const { history, diversion } = await told([['Privacy', privacy]]);
    expect(history).toEqual([`<${HIDDEN}>;index=1`, `<${ABROAD};cause=302>;index=1.1;mp=1`]);
    expect(diversion).toEqual([`<${HIDDEN}>;reason=unconditional;counter=1;privacy=full`]);
  });

  it('leaves the entries of others as they are, and keeps what says why and where in the history it was', async () => {
    const before = [
      '<sip:first@elsewhere.test>;index=1',
      `"Carol" <${phones.address('carol')};cause=486?Reason=SIP%3Bcause%3D486&X=y>;index=1.1;mp=1`,
      `<${phones.address('bob')}>;index=1.1.1;mp=1.1`,
      'no address at all',
    ];
    const { history } = await told([
      ['Privacy', 'history'],
      ['History-Info', before.join(', ')],
    ]);
    expect(history).toEqual([
      '<sip:first@elsewhere.test>;index=1',
      `<${HIDDEN};cause=486?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1`,
      `<${HIDDEN}>;index=1.1.1;mp=1.1`,
      `<${ABROAD};cause=302>;index=1.1.1.1;mp=1.1.1`,
    ]);
  });

  it('is anonymous in the entry alone that asks for it', async () => {
    const { history, diversion } = await told([
      ['History-Info', `<${phones.address('carol')}?Privacy=history>;index=1, <${phones.address('bob')}>;index=1.1`],
      ['Diversion', `"Carol" <${phones.address('carol')}>;reason=user-busy;privacy=full;counter=2`],
    ]);
    expect(history).toEqual([`<${HIDDEN}>;index=1`, `<${phones.address('bob')}>;index=1.1`, `<${ABROAD};cause=302>;index=1.1.1;mp=1.1`]);
    expect(diversion).toEqual([
      `<${phones.address('bob')}>;reason=unconditional;counter=1;privacy=off`,
      `<${HIDDEN}>;reason=user-busy;privacy=full;counter=2`,
    ]);
  });

  it('stays whole within the domain', async () => {
    await phones.set('bob', diversionDocument(callRule('r', '', forwardTo(phones.address('carol')))));
    const call = await phones.of('alice').invite(phones.address('bob'), { headers: [['Privacy', 'history']] });
    const incoming = await phones.of('carol').take('INVITE');
    expect(headerList(incoming.message, 'history-info')[0]).toBe(`<${phones.address('bob')}>;index=1`);
    incoming.answer(603);
    await phones.of('carol').take('ACK');
    await call.final();
  });
});
