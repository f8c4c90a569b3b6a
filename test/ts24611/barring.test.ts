import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CallAgent, type Sending } from '../helpers/call-agent.ts';
import { LogLines } from '../helpers/log-lines.ts';
import { Phones } from '../helpers/phones.ts';
import { header, type SipMessage } from '../helpers/sip-message.ts';
import { callRule, callServicesPath, diversionDocument, forwardTo, simservs } from '../scenarios/documents.ts';

const USERS = ['alice', 'bob', 'carol', '+4930123', '+15551234', '007'];
const log = new LogLines();
let phones: Phones;

beforeAll(async () => {
  phones = await Phones.open(USERS, { countryCode: '49' }, log.logger);
});
afterAll(() => phones.close());
afterEach(async () => {
  for (const user of USERS) expect(phones.of(user).untaken).toEqual([]);
  for (const user of ['alice', 'bob']) await phones.set(user, diversionDocument());
});

const at = (user: string): string => phones.address(user);
const identity = (user: string): string => `<cp:identity><cp:one id="${at(user)}"/></cp:identity>`;
const [ALLOW, BAR] = ['<allow>true</allow>', '<allow>false</allow>'];
const barring = (way: 'incoming' | 'outgoing', ...rules: readonly string[]): string =>
  simservs(`<${way}-communication-barring><cp:ruleset>${rules.join('')}</cp:ruleset></${way}-communication-barring>`);
const outcome = async (caller: string, callee: string, sending: Sending = {}): Promise<[string | undefined, number]> => {
  const { reached, response } = await phones.call(caller, at(callee), sending, [480]);
  return [reached, response.status];
};
const BARRED = [undefined, 603];

/** Sends a message that bob's phone, if it gets it, accepts. */
async function message(caller: string, sending: Sending = {}): Promise<SipMessage> {
  const asked = phones
    .of(caller)
    .request('MESSAGE', at('bob'), { body: 'hello', ...sending, headers: [['Content-Type', 'text/plain'], ...(sending.headers ?? [])] });
  let done = false;
  void asked.then(() => {
    done = true;
  });
  while (!done) {
    if (phones.of('bob').untaken.includes('MESSAGE')) (await phones.of('bob').take('MESSAGE')).answer(200, { contact: false });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return asked;
}

describe('TS 24.611 4.5.2.6: incoming calls', () => {
  it('are declined where a rule bars the caller, and nobody’s phone rings', async () => {
    await phones.set('bob', barring('incoming', callRule('r', identity('alice'), BAR)));
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    expect(await outcome('carol', 'bob')).toEqual(['bob', 480]);
  });

  it('are let through by any rule that allows them (RFC 4745 10.2)', async () => {
    await phones.set('bob', barring('incoming', callRule('all', '', BAR), callRule('friend', identity('carol'), ALLOW)));
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    expect(await outcome('carol', 'bob')).toEqual(['bob', 480]);
  });

  it('are barred by the operator whatever the user allows', async () => {
    const ruleset = (id: string, conditions: string, action: string) => `<cp:ruleset>${callRule(id, conditions, action)}</cp:ruleset>`;
    const user = `<incoming-communication-barring>${ruleset('user', '', ALLOW)}</incoming-communication-barring>`;
    const operator = `<operator-incoming-communication-barring>${ruleset('operator', identity('alice'), BAR)}</operator-incoming-communication-barring>`;
    await phones.set('bob', simservs(user + operator));
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    expect(await outcome('carol', 'bob')).toEqual(['bob', 480]);
  });

  it('are not barred by a service that is not active, a rule that is deactivated, or conditions that do not hold', async () => {
    for (const condition of ['<rule-deactivated/>', '<roaming/>', '<media>video</media>', '<communication-diverted/>', '<busy/>']) {
      await phones.set('bob', barring('incoming', callRule('r', condition, BAR)));
      expect(await outcome('alice', 'bob')).toEqual(['bob', 480]);
    }
    await phones.set(
      'bob',
      barring('incoming', callRule('r', '', BAR)).replace(
        '<incoming-communication-barring>',
        '<incoming-communication-barring active="false">',
      ),
    );
    expect(await outcome('alice', 'bob')).toEqual(['bob', 480]);
  });

  it('are barred by media, time and diversion too', async () => {
    await phones.set('bob', barring('incoming', callRule('r', '<media>audio</media>', BAR)));
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    await phones.set('bob', barring('incoming', callRule('r', '<communication-diverted/>', BAR)));
    await phones.set('carol', diversionDocument(callRule('r', '', forwardTo(at('bob')))));
    expect(await outcome('alice', 'carol')).toEqual(BARRED);
    expect(await outcome('alice', 'bob')).toEqual(['bob', 480]);
    await phones.set('carol', diversionDocument());
  });

  it('of anonymous callers are answered 433 where the rule is about them (RFC 5079)', async () => {
    await phones.set('bob', barring('incoming', callRule('r', '<anonymous/>', BAR)));
    expect(await outcome('alice', 'bob', { headers: [['Privacy', 'id']] })).toEqual([undefined, 433]);
    expect(await outcome('alice', 'bob')).toEqual(['bob', 480]);
    const hidden = await CallAgent.open({ user: 'anonymous', domain: 'anonymous.invalid', server: phones.stage.server.sip });
    const call = hidden.send('INVITE', at('bob'), { headers: [['Contact', '<sip:192.0.2.1>']] });
    expect((await call.final()).status).toBe(433);
    await hidden.close();
  });

  it('do not get past a rule by a name that nobody has proved', async () => {
    const stranger = await CallAgent.open({ user: 'friend', domain: 'example.org', server: phones.stage.server.sip });
    const friend = '<cp:identity><cp:one id="sip:friend@example.org"/></cp:identity>';
    const ask = async () => {
      const call = stranger.send('INVITE', at('bob'), { headers: [['Contact', '<sip:192.0.2.1>']] });
      return (await phones.finish(call, [480])).response.status;
    };
    await phones.set('bob', barring('incoming', callRule('all', '', BAR), callRule('friend', friend, ALLOW)));
    expect(await ask()).toBe(603);
    await phones.set('bob', barring('incoming', callRule('foe', friend, BAR)));
    expect(await ask()).toBe(603);
    const butFriend = '<cp:identity><cp:many><cp:except id="sip:friend@example.org"/></cp:many></cp:identity>';
    const butOne = '<cp:identity><cp:many domain="example.org"><cp:except id="sip:friend@example.org"/></cp:many></cp:identity>';
    const butDomain = '<cp:identity><cp:many><cp:except domain="example.org"/></cp:many></cp:identity>';
    for (const exception of [butFriend, butOne, butDomain]) {
      await phones.set('bob', barring('incoming', callRule('r', exception, BAR)));
      expect(await ask()).toBe(603);
    }
    await phones.set('bob', barring('incoming', callRule('r', '<cp:identity><cp:one id="sip:foe@example.org"/></cp:identity>', BAR)));
    expect(await ask()).toBe(480);
    await stranger.close();
  });

  it('tell the caller nothing of the rule, and the log everything', async () => {
    await phones.set('bob', barring('incoming', callRule('secret-rule', identity('alice'), BAR)));
    const { response } = await phones.call('alice', at('bob'));
    expect(response.raw.toString()).not.toMatch(/secret|simservs|barr|rule/i);
    const line = log.of('SIP request').findLast(({ status }) => status === 603);
    expect(line?.because).toBe(
      `simservs.ngn.etsi.org/users/${at('bob')}/simservs.xml incoming-communication-barring rule secret-rule (${at('alice')}): barred`,
    );
  });
});

describe('TS 24.611 4.5.2.4: outgoing calls', () => {
  it('are declined where the caller’s own rule bars whom they call', async () => {
    await phones.set('alice', barring('outgoing', callRule('r', identity('bob'), BAR)));
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    expect(await outcome('alice', 'carol')).toEqual(['carol', 480]);
    expect(await outcome('carol', 'bob')).toEqual(['bob', 480]);
  });

  it('abroad are those to numbers of another country', async () => {
    for (const condition of ['<international/>', '<international-exHC/>']) {
      await phones.set('alice', barring('outgoing', callRule('r', condition, BAR)));
      expect(await outcome('alice', '+15551234')).toEqual(BARRED);
      expect(await outcome('alice', '+4930123')).toEqual(['+4930123', 480]);
      expect(await outcome('alice', 'bob')).toEqual(['bob', 480]);
      // A user's name, not a number.
      expect(await outcome('alice', '007')).toEqual(['007', 480]);
      expect(await outcome('alice', '0015559999')).toEqual(BARRED);
      expect(await outcome('alice', '004930999')).toEqual([undefined, 404]);
    }
  });

  it('that others divert are not the caller’s own', async () => {
    await phones.set('alice', barring('outgoing', callRule('r', identity('carol'), BAR)));
    await phones.set('bob', diversionDocument(callRule('r', '', forwardTo(at('carol')))));
    expect(await outcome('alice', 'bob')).toEqual(['carol', 480]);
  });
});

describe('TS 24.611 4.1: messages', () => {
  it('are barred like calls, both ways', async () => {
    expect((await message('alice')).status).toBe(200);
    await phones.set('bob', barring('incoming', callRule('r', identity('alice'), BAR)));
    const refused = await message('alice');
    expect(refused.status).toBe(603);
    expect(header(refused, 'warning')).toBeUndefined();
    expect((await message('carol')).status).toBe(200);
    await phones.set('bob', barring('incoming', callRule('r', '<anonymous/>', BAR)));
    expect((await message('alice', { headers: [['Privacy', 'id']] })).status).toBe(433);
    await phones.set('bob', diversionDocument());
    await phones.set('alice', barring('outgoing', callRule('r', '', BAR)));
    expect((await message('alice')).status).toBe(603);
  });

  it('do not get past a rule by a list of recipients (RFC 5365)', async () => {
    await phones.set('bob', barring('incoming', callRule('r', identity('alice'), BAR)));
    const list = ['bob', 'carol'].map((user) => `<entry uri="${at(user)}"/>`).join('');
    const body = [
      '--b',
      'Content-Type: text/plain',
      '',
      'hello',
      '--b',
      'Content-Type: application/resource-lists+xml',
      'Content-Disposition: recipient-list',
      '',
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${list}</list></resource-lists>`,
      '--b--',
      '',
    ].join('\r\n');
    const response = await phones.of('alice').request('MESSAGE', 'sip:example.com', {
      headers: [
        ['Require', 'recipient-list-message'],
        ['Content-Type', 'multipart/mixed;boundary=b'],
      ],
      body,
    });
    expect(response.status).toBe(202);
    (await phones.of('carol').take('MESSAGE')).answer(200, { contact: false });
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Nor when bob logs on again, as a message that was kept would.
    await phones.of('bob').register();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(phones.of('bob').untaken).toEqual([]);
  });

  it('are not diverted, and other requests are not barred', async () => {
    await phones.set('bob', diversionDocument(callRule('r', '', forwardTo(at('carol')))));
    expect((await message('alice')).status).toBe(200);
    await phones.set('bob', barring('incoming', callRule('r', '', BAR)));
    const asked = phones.of('alice').request('OPTIONS', at('bob'));
    (await phones.of('bob').take('OPTIONS')).answer(200, { contact: false });
    expect((await asked).status).toBe(200);
  });
});

describe('TS 24.623 5: the document', () => {
  it('counts at once as it is edited and deleted', async () => {
    await phones.set('bob', barring('incoming', callRule('r', '', BAR)));
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    const xcap = await phones.stage.xcap('bob');
    const selector = `${callServicesPath('bob')}/~~/simservs/incoming-communication-barring/@active`;
    expect((await xcap.put(selector, 'false', { 'Content-Type': 'application/xcap-att+xml' })).status).toBe(201);
    expect(await outcome('alice', 'bob')).toEqual(['bob', 480]);
    expect((await xcap.delete(selector)).status).toBe(200);
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    expect((await xcap.delete(callServicesPath('bob'))).status).toBe(200);
    expect(await outcome('alice', 'bob')).toEqual(['bob', 480]);
  });

  it('is refused where it is not well-formed or not valid, and what was there still counts', async () => {
    await phones.set('bob', barring('incoming', callRule('r', '', BAR)));
    const xcap = await phones.stage.xcap('bob');
    for (const bad of ['<simservs', '<simservs/>', simservs('<incoming-communication-barring active="perhaps"/>'), simservs('<x/>')]) {
      expect((await xcap.put(callServicesPath('bob'), bad)).status).toBe(409);
    }
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
  });

  it('may have thousands of rules and names', async () => {
    const many = Array.from({ length: 1500 }, (_, i) =>
      callRule(`r${i}`, `<cp:identity><cp:one id="sip:u${i}@example.org"/></cp:identity>`, BAR),
    );
    const general = Array.from({ length: 800 }, (_, i) =>
      callRule(`g${i}`, `<cp:identity><cp:many domain="d${i}.example.org"/></cp:identity>`, BAR),
    );
    await phones.set('bob', barring('incoming', ...many, ...general, callRule('last', identity('alice'), BAR)));
    expect(await outcome('alice', 'bob')).toEqual(BARRED);
    expect(await outcome('carol', 'bob')).toEqual(['bob', 480]);
  });
});
