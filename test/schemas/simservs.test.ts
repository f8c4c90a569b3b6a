import { describe, expect, it } from 'vitest';
import { COMMON_POLICY } from '../../schemas/common-policy.ts';
import { parseSimservs, SIMSERVS } from '../../schemas/simservs.ts';
import { parseXml, XmlError } from '../../schemas/xml/parse.ts';

const parse = (content: string) =>
  parseSimservs(parseXml(`<simservs xmlns="${SIMSERVS}" xmlns:cp="${COMMON_POLICY}" xmlns:x="urn:example:x">${content}</simservs>`));
const ruleset = (rules: string): string => `<cp:ruleset>${rules}</cp:ruleset>`;
const rule = (id: string, conditions: string, actions: string): string =>
  `<cp:rule id="${id}"><cp:conditions>${conditions}</cp:conditions><cp:actions>${actions}</cp:actions></cp:rule>`;
const diversion = (conditions: string, action = '<forward-to><target>sip:c@example.com</target></forward-to>') =>
  parse(`<communication-diversion>${ruleset(rule('r', conditions, action))}</communication-diversion>`).diversion?.rules;

describe('TS 24.604 4.9: communication diversion', () => {
  it('reads conditions of events, facts, presence and media beside those of common policy', () => {
    const conditions = (xml: string) => diversion(xml)?.[0]?.conditions;
    expect(conditions('<busy/><no-answer/><not-reachable/><not-registered/>')).toEqual(
      ['busy', 'no-answer', 'not-reachable', 'not-registered'].map((event) => ({ kind: 'event', event })),
    );
    expect(conditions('<rule-deactivated/><anonymous/><roaming/><international-exHC/>')).toEqual(
      ['rule-deactivated', 'anonymous', 'roaming', 'international-exHC'].map((fact) => ({ kind: 'fact', fact })),
    );
    expect(conditions('<presence-status> Meeting </presence-status><media>Video</media>')).toEqual([
      { kind: 'presence-status', value: 'meeting' },
      { kind: 'media', value: 'video' },
    ]);
    expect(conditions('<cp:identity><cp:one id="sip:A@Example.COM"/></cp:identity><x:mood/>')).toEqual([
      { kind: 'identity', members: [{ kind: 'one', id: 'sip:A@Example.COM', canonical: 'sip:A@example.com' }] },
      { kind: 'unknown', name: 'mood', namespace: 'urn:example:x' },
    ]);
  });

  it('takes a condition of another namespace for no condition of its own', () => {
    expect(diversion('<x:busy/>')?.[0]?.conditions).toEqual([{ kind: 'unknown', name: 'busy', namespace: 'urn:example:x' }]);
  });

  it('reads the target and who learns what, with what holds where nothing is said', () => {
    expect(diversion('')?.[0]?.forwardTo).toEqual({
      target: 'sip:c@example.com',
      notifyCaller: true,
      revealTargetToCaller: true,
      revealServedUserToCaller: true,
      revealServedUserToTarget: true,
      notifyServedUser: false,
    });
    const said = `<forward-to><target>
      tel:+1-555 </target><notify-caller>false</notify-caller><reveal-identity-to-caller>false</reveal-identity-to-caller>
      <reveal-served-user-identity-to-caller>not-reveal-GRUU</reveal-served-user-identity-to-caller>
      <notify-served-user>1</notify-served-user><reveal-identity-to-target>0</reveal-identity-to-target></forward-to>`;
    expect(diversion('', said)?.[0]?.forwardTo).toEqual({
      target: 'tel:+1-555',
      notifyCaller: false,
      revealTargetToCaller: false,
      revealServedUserToCaller: true,
      revealServedUserToTarget: false,
      notifyServedUser: true,
    });
  });

  it('leaves out rules without a target, and reads the timer and whether the service is active', () => {
    expect(diversion('', '<allow>true</allow>')).toEqual([]);
    expect(diversion('', '<forward-to><target> </target></forward-to>')).toEqual([]);
    const timed = parse('<communication-diversion active="false"><NoReplyTimer> 030 </NoReplyTimer></communication-diversion>');
    expect([timed.noReplyTimer, timed.diversion]).toEqual([30, { active: false, rules: [] }]);
    for (const bad of ['', '0', '-5', 'soon', '1e9', '99999999999']) {
      expect(parse(`<communication-diversion><NoReplyTimer>${bad}</NoReplyTimer></communication-diversion>`).noReplyTimer).toBeUndefined();
    }
  });
});

describe('TS 24.611 4.9: communication barring', () => {
  it('reads the rules of each ruleset apart', () => {
    const services = [
      'incoming-communication-barring',
      'outgoing-communication-barring',
      'operator-incoming-communication-barring',
      'operator-outgoing-communication-barring',
    ];
    const read = parse(
      services.map((name, i) => `<${name} active="${i % 2}">${ruleset(rule(`r${i}`, '', `<allow>${i < 2}</allow>`))}</${name}>`).join(''),
    );
    const { incomingBarring, outgoingBarring, operatorIncomingBarring, operatorOutgoingBarring } = read;
    expect([incomingBarring, outgoingBarring, operatorIncomingBarring, operatorOutgoingBarring]).toEqual(
      services.map((_, i) => ({ active: i % 2 === 1, rules: [{ id: `r${i}`, conditions: [], allow: i < 2 }] })),
    );
    expect(read.diversion).toBeUndefined();
  });
});

describe('TS 24.623 6: the document', () => {
  it('may name no service at all, and is no other document', () => {
    expect(Object.values(parse('')).every((service) => service === undefined)).toBe(true);
    expect(() => parseSimservs(parseXml('<simservs/>'))).toThrow(XmlError);
    expect(parse('<communication-waiting/>').waiting).toEqual({ active: true });
    expect(parse('<communication-waiting active="0"/>').waiting).toEqual({ active: false });
  });
});
