import { describe, expect, it } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';

const NS = 'urn:ietf:params:xml:ns:';

function violations(name: string, text: string): string[] {
  parseXml(text);
  return schemaViolations(NS + name, text).map(({ message }) => message);
}

/** A namespace, its documents from their content, contents that are valid, and contents that are not with what is said of them. */
interface Suite {
  readonly title: string;
  readonly name: string;
  readonly document: (content: string) => string;
  readonly valid: readonly string[];
  readonly invalid: readonly (readonly [content: string, message: string | RegExp])[];
}

const lists = (content: string) => `<resource-lists xmlns="${NS}resource-lists" xmlns:x="urn:example:x">${content}</resource-lists>`;
const services = (content: string) =>
  `<rls-services xmlns="${NS}rls-services" xmlns:rl="${NS}resource-lists" xmlns:x="urn:example:x">${content}</rls-services>`;
const ruleset = (content: string) =>
  `<ruleset xmlns="${NS}common-policy" xmlns:pr="${NS}pres-rules" xmlns:x="urn:example:x">${content}</ruleset>`;
const conditions = (content: string) => ruleset(`<rule id="a"><conditions>${content}</conditions></rule>`);
const rule = (actions: string, transformations = '') =>
  ruleset(`<rule id="a"><actions>${actions}</actions><transformations>${transformations}</transformations></rule>`);
const presence = (content: string) =>
  `<presence xmlns="${NS}pidf" xmlns:dm="${NS}pidf:data-model" xmlns:r="${NS}pidf:rpid" xmlns:c="${NS}pidf:cipid" xmlns:t="${NS}pidf:timed-status" xmlns:caps="${NS}pidf:caps" xmlns:lt="urn:ietf:params:xml:ns:location-type" xmlns:x="urn:example:x" entity="pres:ann@example.com">${content}</presence>`;
const tuple = (content: string) => presence(`<tuple id="t"><status><basic>open</basic></status>${content}</tuple>`);
const person = (content: string) => presence(`<dm:person id="p">${content}</dm:person>`);
const caps = (content: string) => tuple(`<caps:servcaps>${content}</caps:servcaps>`);

const suites: readonly Suite[] = [
  {
    title: 'RFC 4826 3.1: resource-lists',
    name: 'resource-lists',
    document: lists,
    valid: [
      '',
      '<list/>',
      '<list name="work" x:colour="red"><display-name xml:lang="en">Work</display-name><entry uri="sip:a@example.com"/><list><entry uri="tel:+123"/></list><entry uri="pres:b@example.com"/><x:more/></list>',
      '<list><entry uri="sip:a@example.com" x:a="1"><display-name xml:lang="">Ann</display-name><x:phone>1</x:phone></entry></list>',
      '<list><entry-ref ref="resource-lists/users/sip:b@example.com/index/~~/resource-lists/list%5b@name=%22l%22%5d/entry%5b@uri=%22sip:p@example.com%22%5d"><display-name>P</display-name></entry-ref></list>',
      '<list><external anchor="http://xcap.example.org/resource-lists/users/sip:a@example.org/index/~~/resource-lists/list%5b@name=%22mkting%22%5d"><display-name>Marketing</display-name></external></list>',
    ],
    invalid: [
      ['<entry uri="sip:a@example.com"/>', '<entry> is not allowed here; expected <list>'],
      ['<list><entry/></list>', '<entry> needs the attribute uri'],
      ['<list><entry-ref/></list>', '<entry-ref> needs the attribute ref'],
      ['<list><external/></list>', '<external> needs the attribute anchor'],
      ['<list nome="a"/>', '<list> must not have the attribute nome'],
      [
        '<list><entry uri="sip:a@example.com"/><display-name>late</display-name></list>',
        /^<display-name> is not allowed here; expected .*<entry>/,
      ],
      ['<list><x:more/><entry uri="sip:a@example.com"/></list>', '<entry> is not allowed here'],
      [
        '<list><entry uri="sip:a@example.com"><display-name>1</display-name><display-name>2</display-name></entry></list>',
        /^<display-name> is not/,
      ],
      ['<list>text</list>', '<list> must not contain text'],
      ['<list><display-name><b/></display-name></list>', /^<(b|display-name)>/],
    ],
  },
  {
    title: 'RFC 4826 4.1: rls-services',
    name: 'rls-services',
    document: services,
    valid: [
      '',
      '<service uri="sip:friends@example.com"><resource-list>http://xcap.example.com/resource-lists/users/sip:a@example.com/index/~~/resource-lists/list%5b@name=%22l1%22%5d</resource-list><packages><package>presence</package><x:more/><package>dialog</package></packages><x:more/></service>',
      '<service uri="sip:m@example.com" x:a="1"><list name="m"><rl:display-name>M</rl:display-name><rl:entry uri="sip:a@example.com"/><rl:list/></list></service>',
    ],
    invalid: [
      ['<service uri="sip:a@example.com"/>', '<service> is incomplete; it needs <resource-list> or <list>'],
      ['<service><list/></service>', '<service> needs the attribute uri'],
      [
        '<service uri="sip:a@example.com"><list/><resource-list>http://a.example/</resource-list></service>',
        /^<resource-list> is not allowed here; expected .*<packages>/,
      ],
      [
        '<service uri="sip:a@example.com"><packages/><list/></service>',
        '<packages> is not allowed here; expected <resource-list> or <list>',
      ],
      ['<service uri="sip:a@example.com"><list><rl:entry/></list></service>', '<entry> needs the attribute uri'],
      [
        '<service uri="sip:a@example.com"><list/><packages><pack>presence</pack></packages></service>',
        '<pack> is not allowed here; expected <package>',
      ],
    ],
  },
  {
    title: 'RFC 4745 7: common-policy conditions',
    name: 'common-policy',
    document: conditions,
    valid: [
      '',
      '<identity><one id="sip:alice@example.com"/><one id="tel:+1-212-555-1234"/><one id="mailto:bob@example.net"/></identity>',
      '<identity><many/></identity>',
      '<identity/>',
      '<sphere value="work"/><identity><many><except domain="example.com"/><except id="sip:a@bad.example.net"/></many></identity><validity><from>2003-12-24T17:00:00+01:00</from><until>2003-12-24T19:00:00+01:00</until></validity>',
      '<identity><many domain="example.com"><except id="sip:a@example.com"/><x:more/></many><x:friends/></identity>',
      '<validity><from>2026-01-01T00:00:00Z</from><until>2026-01-02T00:00:00Z</until><from>2027-01-01T00:00:00.5Z</from><until>2027-01-02T00:00:00</until></validity>',
      '<o:other-identity xmlns:o="urn:oma:xml:xdm:common-policy"/><o:external-list xmlns:o="urn:oma:xml:xdm:common-policy"><o:entry anc="http://a.example/x"/></o:external-list><o:anonymous-request xmlns:o="urn:oma:xml:xdm:common-policy"/>',
    ],
    invalid: [
      ['<identity><one/></identity>', '<one> needs the attribute id'],
      ['<identity><one id="sip:a@example.com" domain="example.com"/></identity>', '<one> must not have the attribute domain'],
      ['<identity><everyone/></identity>', /^<everyone> is not allowed here; expected <one>, <many> or an element of another namespace/],
      ['<sphere/>', '<sphere> needs the attribute value'],
      ['<validity/>', '<validity> is incomplete; it needs <from>'],
      ['<validity><from>2026-01-01T00:00:00Z</from></validity>', '<validity> is incomplete; it needs <until>'],
      [
        '<validity><from>yesterday</from><until>2026-01-01T00:00:00Z</until></validity>',
        'the content of <from> is "yesterday", but must be a date and time such as 2026-01-31T12:00:00Z',
      ],
      ['<identidad/>', /^<identidad> is not allowed here; expected <identity>, <sphere>, <validity>/],
    ],
  },
  {
    title: 'RFC 4745 13: common-policy rules',
    name: 'common-policy',
    document: ruleset,
    valid: [
      '',
      '<rule id="a"/>',
      '<rule id="a"><conditions/><actions><x:do/></actions><transformations><x:cut/><x:cut/></transformations></rule><rule id="b"><actions/></rule>',
    ],
    invalid: [
      ['<rule/>', '<rule> needs the attribute id'],
      ['<rule id="1"/>', /^the attribute id of <rule> is "1", but must be a name/],
      ['<rule id="a"/><rule id="a"/>', /^the attribute id of <rule> is "a", but must be a name .* that nothing else in the document has$/],
      ['<rule id="a"><transformations/><actions/></rule>', '<actions> is not allowed here'],
      ['<rule id="a"><actions><allow/></actions></rule>', /^<allow> is not allowed here/],
    ],
  },
  {
    title: 'RFC 5025 3.2: pres-rules actions',
    name: 'pres-rules',
    document: rule,
    valid: [
      '',
      ...['block', 'confirm', 'polite-block', 'allow', ' allow '].map((value) => `<pr:sub-handling>${value}</pr:sub-handling>`),
      '<x:other/>',
    ],
    invalid: [
      [
        '<pr:sub-handling>deny</pr:sub-handling>',
        'the content of <sub-handling> is "deny", but must be one of "block", "confirm", "polite-block", "allow"',
      ],
      ['<pr:sub-handling><pr:allow/></pr:sub-handling>', /^<sub-handling> must not contain elements|^<allow>/],
    ],
  },
  {
    title: 'RFC 5025 3.3: pres-rules transformations',
    name: 'pres-rules',
    document: (content) => rule('', content),
    valid: [
      '<pr:provide-devices><pr:all-devices/></pr:provide-devices><pr:provide-services><pr:all-services/></pr:provide-services><pr:provide-persons><pr:all-persons/></pr:provide-persons>',
      '<pr:provide-devices><pr:deviceID>urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6</pr:deviceID><pr:class>biz</pr:class><pr:occurrence-id>o</pr:occurrence-id><x:more/></pr:provide-devices>',
      '<pr:provide-services><pr:service-uri-scheme>sip</pr:service-uri-scheme><pr:service-uri>sip:a@example.com</pr:service-uri><pr:class>c</pr:class><pr:occurrence-id>o</pr:occurrence-id></pr:provide-services>',
      '<pr:provide-persons><pr:class>c</pr:class><pr:class>d</pr:class></pr:provide-persons><pr:provide-persons/>',
      [
        'activities',
        'class',
        'deviceID',
        'mood',
        'place-is',
        'place-type',
        'privacy',
        'relationship',
        'sphere',
        'status-icon',
        'time-offset',
        'note',
      ]
        .map((name, index) => `<pr:provide-${name}>${['true', 'false', '1', '0'][index % 4]}</pr:provide-${name}>`)
        .join(''),
      ...['false', 'bare', 'thresholds', 'full'].map((value) => `<pr:provide-user-input>${value}</pr:provide-user-input>`),
      '<pr:provide-unknown-attribute name="foo" ns="urn:vendor-specific:foo-namespace">true</pr:provide-unknown-attribute>',
      '<pr:provide-all-attributes/>',
      '<o:provide-willingness xmlns:o="urn:oma:xml:prs:pres-rules">true</o:provide-willingness>',
    ],
    invalid: [
      ['<pr:provide-mood>yes</pr:provide-mood>', 'the content of <provide-mood> is "yes", but must be true or false'],
      ['<pr:provide-user-input>some</pr:provide-user-input>', /must be one of "false", "bare", "thresholds", "full"$/],
      [
        '<pr:provide-unknown-attribute name="foo">true</pr:provide-unknown-attribute>',
        '<provide-unknown-attribute> needs the attribute ns',
      ],
      [
        '<pr:provide-unknown-attribute ns="foo">true</pr:provide-unknown-attribute>',
        '<provide-unknown-attribute> needs the attribute name',
      ],
      ['<pr:provide-all-attributes>true</pr:provide-all-attributes>', '<provide-all-attributes> must not contain text'],
      [
        '<pr:provide-persons><pr:deviceID>urn:a</pr:deviceID></pr:provide-persons>',
        /^<deviceID> is not allowed here; expected .*<all-persons>.*<class>/,
      ],
      ['<pr:provide-services><pr:all-services/><pr:class>a</pr:class></pr:provide-services>', '<class> is not allowed here'],
    ],
  },
  {
    title: 'RFC 3863 4: pidf',
    name: 'pidf',
    document: presence,
    valid: [
      '',
      '<tuple id="a"><status/></tuple><tuple id="b"><status><basic>closed</basic><x:location x:a="1">home</x:location></status><x:more/><contact priority="0.8">im:a@example.com</contact><note xml:lang="en">Hi</note><note>Ho</note><timestamp>2005-10-27T16:49:29Z</timestamp></tuple><note xml:lang="fr">Salut</note><x:more/>',
      ...['0', '0.', '0.123', '1', '1.000'].map(
        (value) => `<tuple id="a"><status/><contact priority="${value}">sip:a@example.com</contact></tuple>`,
      ),
    ],
    invalid: [
      ['<tuple id="a"/>', '<tuple> is incomplete; it needs <status>'],
      ['<tuple><status/></tuple>', '<tuple> needs the attribute id'],
      ['<tuple id="a"><status/></tuple><tuple id="a"><status/></tuple>', /^the attribute id of <tuple> is "a"/],
      [
        '<tuple id="a"><status><basic>away</basic></status></tuple>',
        'the content of <basic> is "away", but must be one of "open", "closed"',
      ],
      [
        '<note>a</note><tuple id="a"><status/></tuple>',
        /^<tuple> is not allowed here; expected <note> or an element of another namespace$/,
      ],
      [
        '<tuple id="a"><status/><note>a</note><contact>sip:a@example.com</contact></tuple>',
        /^<contact> is not allowed here; expected <note> or <timestamp>$/,
      ],
      [
        '<tuple id="a"><status/><contact priority="1.1">sip:a@example.com</contact></tuple>',
        /^the attribute priority of <contact> is "1.1"/,
      ],
      ['<tuple id="a"><status/><timestamp>now</timestamp></tuple>', /^the content of <timestamp> is "now"/],
    ],
  },
  {
    title: 'RFC 4479 6: data-model',
    name: 'pidf',
    document: presence,
    valid: [
      '<dm:device id="d"><r:user-input>idle</r:user-input><dm:deviceID>urn:device:1</dm:deviceID><dm:note xml:lang="en">PC</dm:note><dm:timestamp>2005-10-27T16:49:29Z</dm:timestamp></dm:device><dm:person id="p"><x:more/><dm:note>n</dm:note><dm:timestamp>2005-10-27T16:49:29Z</dm:timestamp></dm:person>',
      '<tuple id="a"><status/><dm:deviceID>urn:device:1</dm:deviceID></tuple>',
    ],
    invalid: [
      ['<dm:device id="d"/>', /^<device> is incomplete; it needs .*<deviceID>/],
      ['<dm:device><dm:deviceID>urn:device:1</dm:deviceID></dm:device>', '<device> needs the attribute id'],
      ['<dm:person/>', '<person> needs the attribute id'],
      ['<tuple id="a"><status/></tuple><dm:person id="a"/>', /^the attribute id of <person> is "a"/],
      ['<dm:person id="p"><dm:timestamp>2005-10-27T16:49:29Z</dm:timestamp><dm:note>n</dm:note></dm:person>', '<note> is not allowed here'],
    ],
  },
  {
    title: 'RFC 4480 3: rpid of a person',
    name: 'pidf',
    document: person,
    valid: [
      '<r:activities/>',
      '<r:activities from="2005-05-30T12:00:00+05:00" until="2005-05-30T17:00:00+05:00" id="x"><r:note xml:lang="en">Far away</r:note><r:away/><r:lunch/><r:on-the-phone/><r:other>knitting</r:other><x:fishing/></r:activities>',
      '<r:activities><r:unknown/></r:activities><r:class>calendar</r:class>',
      '<r:mood><r:note>n</r:note><r:angry/><r:in_awe/><r:other>brooding</r:other></r:mood><r:mood><r:unknown/></r:mood>',
      '<r:place-is><r:note>n</r:note><r:audio><r:noisy/></r:audio><r:video><r:toobright/></r:video><r:text><r:inappropriate/></r:text></r:place-is><r:place-is/>',
      '<r:place-type until="2005-05-30T12:00:00Z"><lt:residence/></r:place-type><r:place-type><r:other>ship</r:other></r:place-type>',
      '<r:privacy><r:audio/><r:video/><x:smell/></r:privacy><r:privacy><r:unknown/></r:privacy><r:privacy/>',
      '<r:sphere>bowling league</r:sphere><r:sphere><r:home/></r:sphere><r:sphere><x:club/></r:sphere><r:sphere/>',
      '<r:status-icon from="2005-05-30T12:00:00Z">http://example.com/play.gif</r:status-icon>',
      '<r:time-offset description="home">-240</r:time-offset>',
      '<r:user-input idle-threshold="600" last-input="2004-10-21T13:20:00-05:00">idle</r:user-input><r:user-input x:a="1">active</r:user-input>',
    ],
    invalid: [
      ['<r:activities><r:busyy/></r:activities>', /^<busyy> is not allowed here; expected one of <note>, <unknown>, <appointment>/],
      ['<r:activities><r:away/><r:note>late</r:note></r:activities>', /^<note> is not allowed here/],
      ['<r:activities until="noon"/>', /^the attribute until of <activities> is "noon", but must be a date and time/],
      ['<r:mood/>', /^<mood> is incomplete/],
      ['<r:mood><r:happy>very</r:happy></r:mood>', '<happy> must not contain text'],
      ['<r:place-is><r:audio><r:loud/></r:audio></r:place-is>', '<loud> is not allowed here; expected <noisy>, <ok>, <quiet> or <unknown>'],
      ['<r:place-type/>', /^<place-type> is incomplete/],
      ['<r:sphere><r:club/></r:sphere>', /^<club> is not allowed here/],
      ['<r:time-offset>four</r:time-offset>', 'the content of <time-offset> is "four", but must be a whole number'],
      ['<r:user-input>asleep</r:user-input>', 'the content of <user-input> is "asleep", but must be one of "active", "idle"'],
      ['<r:user-input idle-threshold="0">idle</r:user-input>', /must be a whole number, 1 or more$/],
    ],
  },
  {
    title: 'RFC 4480 3, 4481, 4482: rpid, timed-status and cipid of a service',
    name: 'pidf',
    document: tuple,
    valid: [
      '<r:relationship><r:self/></r:relationship><r:service-class><r:electronic/></r:service-class><r:class>email</r:class><contact>sip:a@example.com</contact>',
      '<r:relationship><r:note>n</r:note><r:other>boss</r:other></r:relationship><r:relationship/>',
      '<t:timed-status from="2005-08-15T10:20:00.000-05:00" until="2005-08-22T19:30:00.000-05:00"><t:basic>closed</t:basic><t:note xml:lang="en">away</t:note><x:more/></t:timed-status>',
      '<c:card>http://example.com/a.vcf</c:card><c:display-name>Ann</c:display-name><c:homepage>http://example.com</c:homepage><c:icon>http://example.com/i.png</c:icon><c:map>http://example.com/m.kml</c:map><c:sound>http://example.com/s.wav</c:sound>',
    ],
    invalid: [
      ['<r:relationship><r:cousin/></r:relationship>', /^<cousin> is not allowed here; expected .*<family>/],
      ['<r:service-class/>', /^<service-class> is incomplete/],
      ['<t:timed-status/>', '<timed-status> needs the attribute from'],
      ['<t:timed-status from="2005-08-15T10:20:00Z"><t:basic>away</t:basic></t:timed-status>', /^the content of <basic> is "away"/],
      ['<c:card><c:card/></c:card>', /^<card> must not contain elements/],
    ],
  },
  {
    title: 'RFC 5196 3: capabilities',
    name: 'pidf',
    document: caps,
    valid: [
      '',
      '<caps:audio>true</caps:audio><caps:description xml:lang="en">Example</caps:description><caps:description>2</caps:description><caps:duplex><caps:supported><caps:full/></caps:supported></caps:duplex><caps:event-packages><caps:notsupported><caps:conference/><caps:presence/><x:more/></caps:notsupported></caps:event-packages><caps:extensions><caps:supported><caps:rel100/><caps:timer/></caps:supported></caps:extensions><caps:isfocus>false</caps:isfocus><caps:message>true</caps:message><caps:methods><caps:supported><caps:ACK/><caps:INVITE/></caps:supported></caps:methods><caps:languages><caps:supported><caps:l>en</caps:l></caps:supported></caps:languages><caps:priority><caps:supported><caps:equals value="3"/><caps:higherthan minvalue="5"/><caps:lowerthan maxvalue="10"/><caps:range minvalue="1" maxvalue="2"/></caps:supported></caps:priority><caps:schemes><caps:supported><caps:s>sip</caps:s></caps:supported></caps:schemes><caps:type>text/plain</caps:type><caps:video>false</caps:video><x:more/>',
      '<caps:actor><caps:supported><caps:principal/></caps:supported></caps:actor><caps:class><caps:supported><caps:business/></caps:supported><caps:notsupported><caps:personal/></caps:notsupported></caps:class>',
    ],
    invalid: [
      ['<caps:audio>loud</caps:audio>', 'the content of <audio> is "loud", but must be true or false'],
      ['<caps:video>true</caps:video><caps:audio>true</caps:audio>', /^<audio> is not allowed here/],
      ['<caps:priority><caps:supported><caps:lowerthan/></caps:supported></caps:priority>', '<lowerthan> needs the attribute maxvalue'],
      ['<caps:schemes><caps:supported/></caps:schemes>', '<supported> is incomplete; it needs <s>'],
    ],
  },
  {
    title: 'RFC 5196 3.3: device capabilities',
    name: 'pidf',
    document: (content) =>
      presence(`<dm:device id="d"><caps:devcaps>${content}</caps:devcaps><dm:deviceID>urn:device:1</dm:deviceID></dm:device>`),
    valid: [
      '',
      '<caps:description>d</caps:description><caps:mobility><caps:supported><caps:mobile/></caps:supported><caps:notsupported><caps:fixed/></caps:notsupported></caps:mobility><x:more/>',
    ],
    invalid: [
      [
        '<caps:mobility><caps:supported><caps:flying/></caps:supported></caps:mobility>',
        /^<flying> is not allowed here; expected .*<mobile>/,
      ],
    ],
  },
  {
    title: 'RFC 3680 5.4: reginfo',
    name: 'reginfo',
    document: (content) => `<reginfo xmlns="${NS}reginfo" xmlns:x="urn:example:x" version="0" state="full">${content}</reginfo>`,
    valid: [
      '',
      '<registration aor="sip:user@example.com" id="as9" state="active"><contact id="76" state="active" event="registered" duration-registered="7322" q="0.8" callid="c" cseq="1" expires="10"><uri>sip:user@pc887.example.com</uri><display-name xml:lang="en">PC</display-name><unknown-param name="audio"/><x:more/></contact><contact id="77" state="terminated" event="probation" retry-after="3"><uri>sip:user@university.example</uri></contact><x:more/></registration><x:more/>',
    ],
    invalid: [
      ['<registration aor="sip:user@example.com" id="as9"/>', '<registration> needs the attribute state'],
      [
        '<registration aor="sip:a@b" id="1" state="active"><contact id="76" state="active" event="gone"><uri>sip:a@b</uri></contact></registration>',
        /"gone", but must be one of "registered"/,
      ],
      [
        '<registration aor="sip:a@b" id="1" state="active"><contact id="76" state="active" event="registered"/></registration>',
        /<contact>.*<uri>/,
      ],
    ],
  },
  {
    title: 'RFC 3858 3: watcherinfo',
    name: 'watcherinfo',
    document: (content) =>
      `<watcherinfo xmlns="${NS}watcherinfo" xmlns:x="urn:example:x" version="0" state="full">${content}</watcherinfo>`,
    valid: [
      '',
      '<watcher-list resource="sip:p@example.net" package="presence"><watcher status="active" id="8ajksjda7s" duration-subscribed="509" event="approved" >sip:a@example.net</watcher><watcher status="pending" id="h-9" display-name="Mr. S" xml:lang="en" event="subscribe" expiration="3">sip:b@example.org</watcher><x:more/></watcher-list><x:more/>',
    ],
    invalid: [
      ['<watcher-list resource="sip:p@example.net"/>', '<watcher-list> needs the attribute package'],
      [
        '<watcher-list resource="sip:p@example.net" package="presence"><watcher status="gone" id="a" event="approved">sip:a@b</watcher></watcher-list>',
        /"gone", but must be one of "pending", "active", "waiting", "terminated"$/,
      ],
      [
        '<watcher-list resource="sip:p@example.net" package="presence"><watcher status="active" id="a" event="asked">sip:a@b</watcher></watcher-list>',
        /"asked", but must be one of "subscribe"/,
      ],
      [
        '<watcher-list resource="sip:p@example.net" package="presence"><watcher status="active" event="approved">sip:a@b</watcher></watcher-list>',
        '<watcher> needs the attribute id',
      ],
    ],
  },
  {
    title: 'RFC 4662 5: rlmi',
    name: 'rlmi',
    document: (content) =>
      `<list xmlns="${NS}rlmi" xmlns:x="urn:example:x" uri="sip:l@example.com" version="7" fullState="true" x:a="1">${content}</list>`,
    valid: [
      '',
      '<name xml:lang="en">Buddies</name><name xml:lang="fr">Amis</name><resource uri="sip:b@example.com"><name>Bob</name><instance id="j" state="active" cid="1@example.com"/><instance id="k" state="terminated" reason="rejected"><x:more/></instance></resource><resource uri="sip:e@example.com"/>',
    ],
    invalid: [
      ['<resource/>', '<resource> needs the attribute uri'],
      [
        '<resource uri="sip:b@example.com"><instance id="a" state="waiting"/></resource>',
        /"waiting", but must be one of "active", "pending", "terminated"$/,
      ],
      ['<resource uri="sip:b@example.com"/><name>late</name>', '<name> is not allowed here; expected <resource>'],
      ['<resource uri="sip:b@example.com"><instance state="active"/></resource>', '<instance> needs the attribute id'],
    ],
  },
  {
    title: 'RFC 4825 11: xcap-error',
    name: 'xcap-error',
    document: (content) => `<xcap-error xmlns="${NS}xcap-error" xmlns:x="urn:example:x">${content}</xcap-error>`,
    valid: [
      '<uniqueness-failure phrase="taken"><exists field="rls-services/service/@uri"><alt-value>sip:b@example.com</alt-value></exists><exists field="a"/></uniqueness-failure>',
      '<no-parent><ancestor>http://a.example/x/~~/y%5b1%5d</ancestor></no-parent>',
      '<no-parent/>',
      '<extension><x:a/><not-utf-8/></extension>',
      '<cannot-insert phrase="p"/>',
    ],
    invalid: [
      ['', /^<xcap-error> is incomplete/],
      ['<not-utf-8/><cannot-insert/>', '<cannot-insert> is not allowed here'],
      ['<uniqueness-failure/>', '<uniqueness-failure> is incomplete; it needs <exists>'],
      ['<uniqueness-failure><exists/></uniqueness-failure>', '<exists> needs the attribute field'],
      ['<x:a/>', /^<a> \(namespace urn:example:x\) is not allowed here/],
    ],
  },
  {
    title: 'RFC 4825 12: xcap-caps',
    name: 'xcap-caps',
    document: (content) => `<xcap-caps xmlns="${NS}xcap-caps" xmlns:x="urn:example:x">${content}</xcap-caps>`,
    valid: [
      '<auids/><namespaces/>',
      '<auids><auid>xcap-caps</auid><auid>pres-rules</auid></auids><extensions><extension>e</extension></extensions><namespaces><namespace>urn:a</namespace></namespaces><x:more/>',
    ],
    invalid: [
      ['<namespaces/>', '<namespaces> is not allowed here; expected <auids>'],
      ['<auids/>', '<xcap-caps> is incomplete; it needs <extensions> or <namespaces>'],
      ['<auids><a/></auids><namespaces/>', '<a> is not allowed here; expected <auid>'],
    ],
  },
];

describe.each(suites)('$title', ({ name, document, valid, invalid }) => {
  it.each(valid)('takes %s', (content) => {
    expect(violations(name, document(content))).toEqual([]);
  });

  it.each(invalid)('refuses %s', (content, message) => {
    const [first] = violations(name, document(content));
    if (typeof message === 'string') expect(first).toBe(message);
    else expect(first).toMatch(message);
  });
});

describe('attributes of the root', () => {
  it.each([
    ['pidf', `<presence xmlns="${NS}pidf"/>`, '<presence> needs the attribute entity'],
    ['watcherinfo', `<watcherinfo xmlns="${NS}watcherinfo" state="full"/>`, '<watcherinfo> needs the attribute version'],
    [
      'watcherinfo',
      `<watcherinfo xmlns="${NS}watcherinfo" version="-1" state="full"/>`,
      'the attribute version of <watcherinfo> is "-1", but must be a whole number, 0 or more',
    ],
    [
      'rlmi',
      `<list xmlns="${NS}rlmi" uri="sip:a@b" version="4294967296" fullState="true"/>`,
      'the attribute version of <list> is "4294967296", but must be a whole number from 0 to 4294967295',
    ],
    [
      'rlmi',
      `<list xmlns="${NS}rlmi" uri="sip:a@b" version="1" fullState="full"/>`,
      'the attribute fullState of <list> is "full", but must be true or false',
    ],
    ['resource-lists', `<resource-lists xmlns="${NS}resource-lists" name="a"/>`, '<resource-lists> must not have the attribute name'],
  ])('%s: %s', (name, text, message) => {
    expect(violations(name, text)).toEqual([message]);
  });
});
