import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CallAgent } from '../helpers/call-agent.ts';
import { Phones } from '../helpers/phones.ts';
import { header, headerList } from '../helpers/sip-message.ts';
import { callRule, diversionDocument, forwardTo, simservs } from '../scenarios/documents.ts';

const ABROAD = 'sip:ext@example.org';
let phones: Phones;
let external: CallAgent;
let stranger: CallAgent;

beforeAll(async () => {
  // It only takes calls: where the server is it need not know.
  external = await CallAgent.open({ user: 'ext', domain: 'example.org', server: { address: '127.0.0.1', port: 9 } });
  const { address, port } = external.socket.local;
  const nextHops = [{ domain: 'example.org', uri: `sip:${address}:${port}` }];
  phones = await Phones.open(['alice', 'bob'], { nextHops, maxDivertedAbroad: 3 });
  stranger = await CallAgent.open({ user: 'stranger', domain: 'example.net', server: phones.stage.server.sip });
});
afterAll(async () => {
  await Promise.all([phones.close(), external.close(), stranger.close()]);
});

const invite = [['Contact', '<sip:stranger@192.0.2.1>']] as const;

describe('TS 24.604 4.5.2.6: a diversion to another domain', () => {
  it('goes by the right of the served user, whoever calls', async () => {
    await phones.set('bob', diversionDocument(callRule('r', '', forwardTo(ABROAD))));
    const call = stranger.send('INVITE', phones.address('bob'), { headers: invite });
    const incoming = await external.take('INVITE');
    expect(incoming.message.requestUri).toBe(`${ABROAD};cause=302`);
    expect(headerList(incoming.message, 'history-info')[0]).toBe(`<${phones.address('bob')}>;index=1`);
    incoming.answer(603);
    await external.take('ACK');
    expect((await call.final()).status).toBe(603);
  });

  it('gives nobody else a way there', async () => {
    const call = stranger.send('INVITE', ABROAD, { headers: invite });
    expect([401, 403, 407]).toContain((await call.final()).status);
    // Nor by saying that bob had diverted it.
    const claimed = stranger.send('INVITE', ABROAD, {
      headers: [
        ...invite,
        ['History-Info', `<${phones.address('bob')}>;index=1, <${ABROAD};cause=302>;index=1.1;mp=1`],
        ['Diversion', `<${phones.address('bob')}>`],
      ],
    });
    expect([401, 403, 407]).toContain((await claimed.final()).status);
    expect(external.untaken).toEqual([]);
  });

  it('does not multiply: of a flood of calls no more ring there than the setting says, the others are 480, and room is made by each that ends', async () => {
    await phones.set('bob', diversionDocument(callRule('r', '', forwardTo(ABROAD))));
    const calls = Array.from({ length: 60 }, () => stranger.send('INVITE', phones.address('bob'), { headers: invite }));
    const ringing = await Promise.all(Array.from({ length: 3 }, () => external.take('INVITE')));
    const refused = calls.slice(3).map(async (call) => {
      const response = await call.final();
      return [response.status, header(response, 'warning')];
    });
    for (const each of await Promise.all(refused)) expect(each).toEqual([480, '399 example.com "Too many calls are diverted"']);
    for (const one of ringing) one.answer(486);
    for (const call of calls.slice(0, 3)) expect((await call.final()).status).toBe(486);
    for (const _ of ringing) await external.take('ACK');
    const next = stranger.send('INVITE', phones.address('bob'), { headers: invite });
    (await external.take('INVITE')).answer(486);
    expect((await next.final()).status).toBe(486);
    await external.take('ACK');
    expect(external.untaken).toEqual([]);
  });

  it('does not go where the served user may not call', async () => {
    const barred = `<outgoing-communication-barring><cp:ruleset>${callRule('home', '<cp:identity><cp:many domain="example.org"/></cp:identity>', '<allow>false</allow>')}</cp:ruleset></outgoing-communication-barring>`;
    const diverted = `<communication-diversion><cp:ruleset>${callRule('r', '', forwardTo(ABROAD))}</cp:ruleset></communication-diversion>`;
    await phones.set('bob', simservs(barred + diverted));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
    expect(external.untaken).toEqual([]);
  });
});
