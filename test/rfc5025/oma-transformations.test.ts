import { describe, expect, it } from 'vitest';
import { parsePidf } from '../../schemas/pidf.ts';
import { parsePresenceRules } from '../../schemas/pres-rules.ts';
import { parseXml } from '../../schemas/xml/parse.ts';
import { transformComponent } from '../../sip/presence/transformations.ts';

const DOCUMENT = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:o="urn:oma:xml:prs:pidf:oma-pres" xmlns:g="urn:ietf:params:xml:ns:pidf:geopriv10" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" entity="sip:bob@example.com">
<tuple id="chat"><status><basic>open</basic><g:geopriv>home</g:geopriv></status><o:willingness><o:basic>open</o:basic></o:willingness><o:session-participation/><o:registration-state>active</o:registration-state><o:barring-state>active</o:barring-state><o:service-description><o:service-id>org.example.chat</o:service-id><o:version>1</o:version></o:service-description></tuple>
<tuple id="mail"><status><basic>open</basic></status></tuple>
<dm:person id="p"><o:overriding-willingness/></dm:person>
<dm:device id="d"><o:network-availability/><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device>
</presence>`;

const ALL =
  '<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons><provide-devices><all-devices/></provide-devices>';

function seenWith(transformations: string): string {
  const rules = `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:op="urn:oma:xml:prs:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="r"><cr:transformations>${transformations}</cr:transformations></cr:rule></cr:ruleset>`;
  const [rule] = parsePresenceRules(parseXml(rules));
  if (!rule) throw new Error('no rule');
  return parsePidf(DOCUMENT)
    .components.map((c) => transformComponent(c, rule.permissions) ?? '')
    .join('');
}

const EXTENSIONS = [
  'willingness',
  'overriding-willingness',
  'network-availability',
  'session-participation',
  'registration-state',
  'barring-state',
  'geopriv',
];
const extensionsSeen = (seen: string) => EXTENSIONS.filter((name) => new RegExp(`<[og]:${name}\\b`).test(seen));

describe("OMA's permissions", () => {
  it.each([
    ['', []],
    ['<op:provide-willingness>true</op:provide-willingness>', ['willingness', 'overriding-willingness']],
    ['<op:provide-willingness>false</op:provide-willingness>', []],
    ['<op:provide-network-availability>1</op:provide-network-availability>', ['network-availability']],
    ['<op:provide-session-participation>true</op:provide-session-participation>', ['session-participation']],
    ['<op:provide-registration-state>true</op:provide-registration-state>', ['registration-state']],
    ['<op:provide-barring-state>true</op:provide-barring-state>', ['barring-state']],
    ['<op:provide-geopriv>full</op:provide-geopriv>', ['geopriv']],
    ['<op:provide-geopriv>false</op:provide-geopriv>', []],
    ['<op:provide-geopriv>true</op:provide-geopriv>', []],
    ['<op:provide-everything>true</op:provide-everything>', []],
    ['<provide-willingness>true</provide-willingness>', []],
    ['<provide-all-attributes/>', EXTENSIONS],
  ])('%s', (permission, extensions) => {
    expect(extensionsSeen(seenWith(ALL + permission))).toEqual(extensions);
  });

  it('name services by their service-id, and nothing else by it', () => {
    const id = (name: string) => `<op:service-id>${name}</op:service-id>`;
    expect(seenWith(`<provide-services>${id('org.example.chat')}</provide-services>`)).toMatch(
      /^<tuple [^>]*id="chat"[^<]*<status>(?:(?!<tuple).)*<\/tuple>$/s,
    );
    expect(seenWith(`<provide-services>${id('org.example.mail')}</provide-services>`)).toBe('');
    expect(seenWith(`<provide-persons>${id('org.example.chat')}</provide-persons>`)).toBe('');
  });
});
