import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LogLines } from '../helpers/log-lines.ts';
import { Phones, told } from '../helpers/phones.ts';
import { parseNameAddress } from '../helpers/sip-headers.ts';
import { headerList } from '../helpers/sip-message.ts';
import { callRule, diversionDocument, forwardTo } from '../scenarios/documents.ts';

const USERS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace'];
const log = new LogLines();
let phones: Phones;

beforeAll(async () => {
  phones = await Phones.open(USERS, {}, log.logger);
});
afterAll(() => phones.close());
afterEach(async () => {
  for (const user of USERS) expect(phones.of(user).untaken).toEqual([]);
  for (const user of USERS) await phones.set(user, diversionDocument());
});

const at = (user: string): string => phones.address(user);
const divert = (user: string, target: string, conditions = '', more = '') =>
  phones.set(user, diversionDocument(callRule('r', conditions, forwardTo(target, more))));

describe('RFC 7044 10, RFC 4458 5: History-Info of a diverted call', () => {
  it('tells of each diversion and its cause, with indices that grow', async () => {
    await divert('bob', at('carol'));
    await divert('carol', at('dave'), '<busy/>');
    const result = await phones.call('alice', at('bob'), {}, [486]);
    expect(result.reached).toBe('dave');
    expect(result.invite && headerList(result.invite, 'history-info')).toEqual([
      `<${at('bob')}>;index=1`,
      `<${at('carol')};cause=302?Reason=SIP%3Bcause%3D486>;index=1.1;mp=1`,
      `<${at('dave')};cause=486>;index=1.1.1;mp=1.1`,
    ]);
    expect(result.invite && headerList(result.invite, 'diversion')).toEqual([
      `<${at('carol')};cause=302>;reason=user-busy;counter=1;privacy=off`,
      `<${at('bob')}>;reason=unconditional;counter=1;privacy=off`,
    ]);
    expect(result.provisional).toEqual([181, 181]);
  });

  it('has for each event its cause', async () => {
    const causes: readonly [string, number, number, string][] = [
      ['<busy/>', 486, 486, 'user-busy'],
      ['<not-reachable/>', 480, 503, 'unavailable'],
    ];
    for (const [condition, status, cause, reason] of causes) {
      await divert('bob', at('carol'), condition);
      const result = await phones.call('alice', at('bob'), {}, [status]);
      expect(told(result, 'history-info')).toContain(`<${at('bob')}?Reason=SIP%3Bcause%3D${status}>;index=1`);
      expect(told(result, 'history-info')).toContain(`<${at('carol')};cause=${cause}>;index=1.1;mp=1`);
      expect(told(result, 'diversion')).toContain(`;reason=${reason};`);
    }
    await divert('bob', at('carol'), '<not-registered/>');
    await phones.of('bob').register(';expires=0');
    const result = await phones.call('alice', at('bob'));
    await phones.of('bob').register();
    expect(told(result, 'history-info')).toContain(`<${at('carol')};cause=404>;index=1.1;mp=1`);
  });

  it('goes on from what came with the call, and says where something is missing', async () => {
    await divert('bob', at('carol'));
    const known = ['<sip:sales@example.org>;index=1', `<${at('bob')}>;index=1.2;mp=1`];
    const next = await phones.call('alice', at('bob'), { headers: [['History-Info', known.join(', ')]] });
    expect(next.invite && headerList(next.invite, 'history-info')).toEqual([...known, `<${at('carol')};cause=302>;index=1.2.1;mp=1.2`]);
    const gap = await phones.call('alice', at('bob'), { headers: [['History-Info', '<sip:sales@example.org>;index=1.1']] });
    expect(gap.invite && headerList(gap.invite, 'history-info')).toEqual([
      '<sip:sales@example.org>;index=1.1',
      `<${at('bob')}>;index=1.1.0`,
      `<${at('carol')};cause=302>;index=1.1.0.1;mp=1.1.0`,
    ]);
  });

  it('is made anew where what came cannot be understood, and the call goes on', async () => {
    await divert('bob', at('carol'));
    for (const odd of ['nonsense', '<sip:a@b', ';;;', '<sip:x@example.org>;index=abc', `<sip:x@example.org>;index=${'1.'.repeat(500)}1`]) {
      const result = await phones.call('alice', at('bob'), { headers: [['History-Info', odd]] });
      expect([odd, result.reached]).toEqual([odd, 'carol']);
      expect(told(result, 'history-info')?.endsWith(`<${at('carol')};cause=302>;index=1.1;mp=1`)).toBe(true);
    }
  });

  it('is not touched in a call that nobody diverts', async () => {
    const result = await phones.call('alice', at('bob'), { headers: [['History-Info', '<sip:x@example.org>;index=1']] });
    expect([result.reached, told(result, 'history-info'), told(result, 'diversion')]).toEqual([
      'bob',
      '<sip:x@example.org>;index=1',
      undefined,
    ]);
  });
});

describe('TS 24.604 4.5.2.6: who learns what', () => {
  it('hides the served user from the target where the rule says so', async () => {
    await divert('bob', at('carol'), '', '<reveal-identity-to-target>false</reveal-identity-to-target>');
    const result = await phones.call('alice', at('bob'));
    expect(result.invite && headerList(result.invite, 'history-info')).toEqual([
      '<sip:anonymous@anonymous.invalid>;index=1',
      `<${at('carol')};cause=302>;index=1.1;mp=1`,
    ]);
    expect(told(result, 'diversion')).toBe('<sip:anonymous@anonymous.invalid>;reason=unconditional;counter=1;privacy=full');
  });

  it('keeps the causes of those who are hidden, so that diversions are still counted', async () => {
    await divert('bob', at('carol'));
    await divert('carol', at('dave'), '', '<reveal-identity-to-target>false</reveal-identity-to-target>');
    const result = await phones.call('alice', at('bob'));
    expect(result.invite && headerList(result.invite, 'history-info')).toEqual([
      `<${at('bob')}>;index=1`,
      '<sip:anonymous@anonymous.invalid;cause=302>;index=1.1;mp=1',
      `<${at('dave')};cause=302>;index=1.1.1;mp=1.1`,
    ]);
  });

  it('tells the caller with 181 unless the rule says not to', async () => {
    await divert('bob', at('carol'), '', '<notify-caller>false</notify-caller>');
    expect((await phones.call('alice', at('bob'))).provisional).toEqual([]);
    await divert('bob', at('carol'), '', '<notify-caller>true</notify-caller>');
    expect((await phones.call('alice', at('bob'))).provisional).toEqual([181]);
  });
});

describe('TS 24.604 4.5.2.6.1: loops and too many diversions', () => {
  const warned = (result: { response: { headers: readonly { name: string; value: string }[] } }) =>
    result.response.headers.find(({ name }) => name.toLowerCase() === 'warning')?.value;

  it('ends a call that comes back to who diverted it', async () => {
    await divert('bob', at('carol'));
    await divert('carol', at('bob'));
    const result = await phones.call('alice', at('bob'));
    expect([result.reached, result.response.status]).toEqual([undefined, 480]);
    expect(warned(result)).toBe('399 example.com "The call has been there before"');
    await divert('carol', at('bob'), '<busy/>');
    const busy = await phones.call('alice', at('bob'), {}, [486]);
    expect([busy.reached, busy.response.status]).toEqual(['carol', 486]);
  });

  it('ends a call that was there before it came to us', async () => {
    await divert('bob', at('carol'));
    for (const header of [
      ['History-Info', `<${at('carol')}>;index=1, <${at('bob')};cause=302>;index=1.1;mp=1`],
      ['Diversion', `<${at('carol')}>;reason=user-busy`],
    ] as const) {
      const result = await phones.call('alice', at('bob'), { headers: [header] });
      expect([result.reached, result.response.status]).toEqual([undefined, 480]);
    }
  });

  it('lets a user who diverts to themselves be called, by whatever spelling', async () => {
    for (const self of [at('bob'), 'sips:bob@EXAMPLE.com:5061;transport=tcp', 'sip:b%6Fb@example.com']) {
      await divert('bob', self);
      expect((await phones.call('alice', at('bob'))).reached).toBe('bob');
    }
  });

  it('diverts five times, and no more', async () => {
    const chain = ['bob', 'carol', 'dave', 'erin', 'frank', 'grace'];
    for (const [i, user] of chain.slice(0, -1).entries()) await divert(user, at(chain[i + 1] ?? ''));
    expect((await phones.call('alice', at('bob'))).reached).toBe('grace');
    await divert('grace', at('alice'));
    const result = await phones.call('alice', at('bob'));
    expect([result.reached, result.response.status]).toEqual([undefined, 480]);
    expect(warned(result)).toBe('399 example.com "Too many diversions"');
  });

  it('counts those that others made', async () => {
    await divert('bob', at('carol'));
    for (const header of [
      ['Diversion', '<sip:x@example.org>;reason=no-answer;counter=5'],
      ['Diversion', Array.from({ length: 5 }, (_, i) => `<sip:x${i}@example.org>;reason=unknown`).join(', ')],
      ['History-Info', Array.from({ length: 5 }, (_, i) => `<sip:x${i}@example.org;cause=486>;index=1.${i}`).join(', ')],
    ] as const) {
      expect((await phones.call('alice', at('bob'), { headers: [header] })).response.status).toBe(480);
    }
    const four = '<sip:x@example.org>;reason=no-answer;counter=4';
    expect((await phones.call('alice', at('bob'), { headers: [['Diversion', four]] })).reached).toBe('carol');
  });
});

describe('the log', () => {
  it('says which document and rule diverted a call', async () => {
    await divert('bob', at('carol'), '<busy/>');
    await phones.call('alice', at('bob'), {}, [486]);
    const line = log.of('SIP request').findLast(({ status }) => status === 603);
    const rule = `simservs.ngn.etsi.org/users/${at('bob')}/simservs.xml communication-diversion rule r (busy)`;
    expect(line?.because).toBe(`${rule}: diverted to ${at('carol')}`);
  });
});

describe('TS 24.604 4.9.1.4: the target', () => {
  it('is a telephone number in the domain of the served user', async () => {
    await phones.stage.user('+15551234');
    const number = await phones.stage.phone('+15551234');
    await number.register();
    await divert('bob', 'tel:+1-555-1234');
    const call = await phones.of('alice').invite(at('bob'));
    const incoming = await number.take('INVITE');
    expect(headerList(incoming.message, 'history-info')[1]).toBe('<sip:+15551234@example.com;user=phone;cause=302>;index=1.1;mp=1');
    incoming.answer(603);
    await number.take('ACK');
    expect((await call.final()).status).toBe(603);
  });

  it('is no target where it is no SIP or telephone address: the call goes on as if the rule were not there', async () => {
    for (const odd of [
      'http://example.com/',
      'carol',
      'sip:',
      'tel:',
      'tel:+',
      'sip:carol@example.com:99999',
      'sip:carol@example.com&#10;Via: SIP/2.0/UDP evil.example',
      `sip:${'x'.repeat(600)}@example.com`,
      'sip:carol%0d%0aVia@exa mple.com',
      'sip:carol@example.com>',
      'mailto:carol@example.com',
    ].map((target) => target.replaceAll('>', '&gt;'))) {
      await divert('bob', odd);
      expect([odd, (await phones.call('alice', at('bob'))).reached]).toEqual([odd, 'bob']);
    }
  });

  it('loses the header fields and the method that its URI asks for', async () => {
    await divert('bob', `${at('carol')};method=REGISTER?Route=%3Csip:192.0.2.1%3E&amp;X-Evil=1`);
    const result = await phones.call('alice', at('bob'));
    expect([result.reached, told(result, 'x-evil'), told(result, 'route')]).toEqual(['carol', undefined, undefined]);
    const second = result.invite && headerList(result.invite, 'history-info')[1];
    expect(parseNameAddress(second ?? '').uri).toBe(`${at('carol')};cause=302`);
  });

  it('is nobody: 404, for whoever calls', async () => {
    await divert('bob', 'sip:nobody@example.com');
    const result = await phones.call('alice', at('bob'));
    expect([result.reached, result.response.status]).toEqual([undefined, 404]);
  });
});
