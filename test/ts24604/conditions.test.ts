import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Sending } from '../helpers/call-agent.ts';
import { Phones } from '../helpers/phones.ts';
import { callRule, callServicesPath, diversionDocument, forwardTo, pidf, simservs } from '../scenarios/documents.ts';

let phones: Phones;

beforeAll(async () => {
  phones = await Phones.open(['alice', 'bob', 'carol', 'dave']);
});
afterAll(() => phones.close());
afterEach(() => {
  for (const user of ['alice', 'bob', 'carol', 'dave']) expect(phones.of(user).untaken).toEqual([]);
});

const toCarol = (): string => forwardTo(phones.address('carol'));
/** The user that alice's (or another's) call to bob comes to when bob's only rule has these conditions. */
async function reachedWith(conditions: string, sending: Sending = {}, caller = 'alice'): Promise<string | undefined> {
  await phones.set('bob', diversionDocument(callRule('r', conditions, toCarol())));
  return (await phones.call(caller, phones.address('bob'), sending)).reached;
}

describe('TS 24.604 4.9.1.3: conditions of a diversion', () => {
  it('none: every call', async () => {
    expect(await reachedWith('')).toBe('carol');
  });

  it('identity: callers by address, domain and exception', async () => {
    const one = (user: string) => `<cp:identity><cp:one id="${phones.address(user)}"/></cp:identity>`;
    expect(await reachedWith(one('alice'))).toBe('carol');
    expect(await reachedWith(one('dave'))).toBe('bob');
    expect(await reachedWith('<cp:identity><cp:many domain="example.com"/></cp:identity>')).toBe('carol');
    expect(await reachedWith('<cp:identity><cp:many domain="example.org"/></cp:identity>')).toBe('bob');
    const except = `<cp:identity><cp:many><cp:except id="${phones.address('alice')}"/></cp:many></cp:identity>`;
    expect(await reachedWith(except)).toBe('bob');
    expect(await reachedWith(except, {}, 'dave')).toBe('carol');
  });

  it('anonymous: callers who ask that they be hidden', async () => {
    expect(await reachedWith('<anonymous/>')).toBe('bob');
    for (const privacy of ['id', 'header;user', 'critical;ID']) {
      expect(await reachedWith('<anonymous/>', { headers: [['Privacy', privacy]] })).toBe('carol');
    }
    for (const privacy of ['none', 'session', 'history;critical']) {
      expect(await reachedWith('<anonymous/>', { headers: [['Privacy', privacy]] })).toBe('bob');
    }
  });

  it('presence-status: what the served user publishes as activity', async () => {
    expect(await reachedWith('<presence-status>meeting</presence-status>')).toBe('bob');
    const activity = (name: string) =>
      pidf(phones.address('bob'), { basic: 'open' }).replace(
        '</presence>',
        `<dm:person xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" id="p"><r:activities xmlns:r="urn:ietf:params:xml:ns:pidf:rpid"><r:${name}/></r:activities></dm:person></presence>`,
      );
    const publish = async (name: string, etag?: string): Promise<string> => {
      const response = await phones.of('bob').request('PUBLISH', phones.address('bob'), {
        headers: [
          ['Event', 'presence'],
          ['Expires', '600'],
          ['Content-Type', 'application/pidf+xml'],
          ...(etag === undefined ? [] : [['SIP-If-Match', etag] as const]),
        ],
        body: activity(name),
      });
      expect(response.status).toBe(200);
      return response.headers.find((field) => field.name.toLowerCase() === 'sip-etag')?.value ?? '';
    };
    const etag = await publish('meeting');
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('carol');
    expect(await reachedWith('<presence-status>Meeting</presence-status>')).toBe('carol');
    await publish('away', etag);
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
  });

  it('validity: only between its times', async () => {
    const validity = (from: number, until: number) =>
      `<cp:validity><cp:from>${new Date(Date.now() + from).toISOString()}</cp:from><cp:until>${new Date(Date.now() + until).toISOString()}</cp:until></cp:validity>`;
    expect(await reachedWith(validity(-3600_000, 3600_000))).toBe('carol');
    expect(await reachedWith(validity(-3600_000, -60_000))).toBe('bob');
    expect(await reachedWith(validity(60_000, 3600_000))).toBe('bob');
  });

  it('media: what the INVITE offers, in a multipart body too', async () => {
    expect(await reachedWith('<media>audio</media>')).toBe('carol');
    expect(await reachedWith('<media>video</media>')).toBe('bob');
    const parts = ['--x', 'Content-Type: application/sdp', '', 'v=0', 'm=video 5004 RTP/AVP 31', '--x--', ''].join('\r\n');
    expect(await reachedWith('<media>Video</media>', { body: parts })).toBe('carol');
    expect(await reachedWith('<media>audio</media>', { body: parts })).toBe('bob');
  });

  it('rule-deactivated and roaming never hold, nor does what is not understood', async () => {
    for (const never of ['<rule-deactivated/>', '<roaming/>', '<x:weather xmlns:x="urn:example:x">rain</x:weather>']) {
      expect(await reachedWith(never)).toBe('bob');
    }
  });

  it('external-list and other-identity: members of a list, and whoever no rule names', async () => {
    const lists = await phones.stage.xcap('bob');
    const path = '/resource-lists/users/bob/index';
    const list = (user: string) =>
      `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="night"><entry uri="${phones.address(user)}"/></list></resource-lists>`;
    expect((await lists.put(path, list('alice'))).status).toBe(201);
    const oma = 'xmlns:ocp="urn:oma:xml:xdm:common-policy"';
    const anchor = `${phones.stage.root}${path}/~~/resource-lists/list%5b@name=%22night%22%5d`;
    const listed = `<ocp:external-list ${oma}><ocp:entry anc="${anchor}"/></ocp:external-list>`;
    expect(await reachedWith(listed)).toBe('carol');
    expect(await reachedWith(listed, {}, 'dave')).toBe('bob');
    expect((await lists.put(path, list('dave'))).status).toBe(200);
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
    expect((await phones.call('dave', phones.address('bob'))).reached).toBe('carol');
    const others = callRule('others', `<ocp:other-identity ${oma}/>`, toCarol());
    const alice = callRule('alice', `<cp:identity><cp:one id="${phones.address('alice')}"/></cp:identity><rule-deactivated/>`, toCarol());
    const named = callRule('alice', `<cp:identity><cp:one id="${phones.address('alice')}"/></cp:identity><busy/>`, toCarol());
    await phones.set('bob', diversionDocument(alice, others));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('carol');
    await phones.set('bob', diversionDocument(named, others));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
    expect((await phones.call('dave', phones.address('bob'))).reached).toBe('carol');
  });

  it('not-registered: without a binding, and then not-reachable holds too', async () => {
    for (const condition of ['<not-registered/>', '<not-reachable/>']) expect(await reachedWith(condition)).toBe('bob');
    await phones.of('bob').register(';expires=0');
    try {
      for (const condition of ['<not-registered/>', '<not-reachable/>']) expect(await reachedWith(condition)).toBe('carol');
      expect(await reachedWith('<busy/>')).toBeUndefined();
    } finally {
      await phones.of('bob').register();
    }
  });

  it('events: each only after what it names', async () => {
    const answers: readonly [string, number, string][] = [
      ['<busy/>', 486, 'carol'],
      ['<busy/>', 480, 'bob'],
      ['<busy/>', 600, 'carol'],
      ['<not-reachable/>', 480, 'carol'],
      ['<not-reachable/>', 503, 'carol'],
      ['<not-reachable/>', 408, 'carol'],
      ['<not-reachable/>', 430, 'carol'],
      ['<not-reachable/>', 486, 'bob'],
      ['<not-reachable/>', 404, 'bob'],
      ['<no-answer/>', 486, 'bob'],
      ['<busy/><no-answer/>', 486, 'bob'],
    ];
    for (const [conditions, status, wanted] of answers) {
      await phones.set('bob', diversionDocument(callRule('r', conditions, toCarol())));
      const { reached } = await phones.call('alice', phones.address('bob'), {}, [status]);
      expect([conditions, status, reached]).toEqual([conditions, status, wanted]);
    }
  });
});

describe('TS 24.604 4.9.1.2: which rule', () => {
  const identity = (user: string) => `<cp:identity><cp:one id="${phones.address(user)}"/></cp:identity>`;

  it('is the first that holds, in the order of the document', async () => {
    const toDave = forwardTo(phones.address('dave'));
    await phones.set(
      'bob',
      diversionDocument(callRule('a', identity('dave'), toDave), callRule('b', '', toCarol()), callRule('c', '', toDave)),
    );
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('carol');
    await phones.set('bob', diversionDocument(callRule('a', '', toDave), callRule('b', identity('alice'), toCarol())));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('dave');
    await phones.set('bob', diversionDocument(callRule('a', identity('alice'), toCarol()), callRule('b', '', toDave)));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('carol');
  });

  it('is after an event the first that asks for it', async () => {
    const rules = [callRule('a', '<no-answer/>', forwardTo(phones.address('dave'))), callRule('b', '<busy/>', toCarol())];
    await phones.set('bob', diversionDocument(...rules));
    expect((await phones.call('alice', phones.address('bob'), {}, [486])).reached).toBe('carol');
  });

  it('is none in a service that is not active, and none of a document that is gone', async () => {
    const rules = `<cp:ruleset>${callRule('r', '', toCarol())}</cp:ruleset>`;
    await phones.set('bob', simservs(`<communication-diversion active="false">${rules}</communication-diversion>`));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
    await phones.set('bob', simservs(`<communication-diversion>${rules}</communication-diversion>`));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('carol');
    expect((await (await phones.stage.xcap('bob')).delete(callServicesPath('bob'))).status).toBe(200);
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
  });

  it('changes with one element that XCAP edits, for the next call', async () => {
    await phones.set('bob', diversionDocument(callRule('r', '<rule-deactivated/>', toCarol())));
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('bob');
    const namespaces = 'xmlns(cp=urn:ietf:params:xml:ns:common-policy)';
    const selector = `${callServicesPath('bob')}/~~/simservs/communication-diversion/cp:ruleset/cp:rule%5B@id=%22r%22%5D/cp:conditions/rule-deactivated?${namespaces}`;
    expect((await (await phones.stage.xcap('bob')).delete(selector)).status).toBe(200);
    expect((await phones.call('alice', phones.address('bob'))).reached).toBe('carol');
  });
});

describe('TS 24.604 4.8: the no-reply timer', () => {
  it('is the document’s where it has one', async () => {
    const rules = `<cp:ruleset>${callRule('r', '<no-answer/>', toCarol())}</cp:ruleset>`;
    await phones.set('bob', simservs(`<communication-diversion><NoReplyTimer>5</NoReplyTimer>${rules}</communication-diversion>`));
    const started = Date.now();
    const call = await phones.of('alice').invite(phones.address('bob'));
    const ringing = await phones.of('bob').take('INVITE');
    ringing.answer(180);
    await phones.of('bob').take('CANCEL', 9000);
    // Not the second that the server is set to.
    expect(Date.now() - started).toBeGreaterThan(4000);
    ringing.answer(487);
    await phones.of('bob').take('ACK');
    expect((await phones.finish(call)).reached).toBe('carol');
  }, 20_000);

  it('diverts by the rules of the moment when it has run out', async () => {
    await phones.set('bob', diversionDocument(callRule('r', '<no-answer/>', toCarol())));
    const call = await phones.of('alice').invite(phones.address('bob'));
    const ringing = await phones.of('bob').take('INVITE');
    ringing.answer(180);
    expect((await (await phones.stage.xcap('bob')).delete(callServicesPath('bob'))).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    // It rings on.
    expect(phones.of('bob').untaken).toEqual([]);
    ringing.answer(603);
    await phones.of('bob').take('ACK');
    expect((await call.final()).status).toBe(603);
  });

  it('runs only where a rule could divert for want of an answer', async () => {
    await phones.set('bob', diversionDocument(callRule('r', '<busy/>', toCarol())));
    const call = await phones.of('alice').invite(phones.address('bob'));
    const ringing = await phones.of('bob').take('INVITE');
    ringing.answer(180);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(phones.of('bob').untaken).toEqual([]);
    ringing.answer(603);
    await phones.of('bob').take('ACK');
    expect((await call.final()).status).toBe(603);
  });
});
