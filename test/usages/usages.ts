/** One example of every usage in which clients store documents. */

/** What every stored usage must do on the wire: create, edit by node, validate, reject, delete. */
export interface Usage {
  readonly auid: string;
  readonly name: string;
  readonly type: string;
  /** A document, and a node of it with its query. */
  readonly document: string;
  readonly node: string;
  /** The node as it stands, and another in its place. */
  readonly before: string;
  readonly after: string;
  /** And one that may not stand there. */
  readonly bad: string;
  /** What in the document is replaced by what, and the error that this makes. */
  readonly wrong: readonly (readonly [
    from: string,
    to: string,
    error: 'schema-validation-error' | 'constraint-failure' | 'uniqueness-failure',
    phrase: RegExp,
  ])[];
  /** Whether other users may read the documents. */
  readonly open?: boolean;
}

const LISTS = 'urn:ietf:params:xml:ns:resource-lists';
const AUTH_POLICY = 'application/auth-policy+xml';
const CP = 'urn:ietf:params:xml:ns:common-policy';
export const PIDF = 'urn:ietf:params:xml:ns:pidf';
export const OMA = 'application/vnd.oma.';
export const icon = (data: string, more = '') =>
  `<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/png</mime-type><encoding>base64</encoding>${more}<data>${data}</data></content>`;

const iconUsage = (auid: string, name: string): Usage => ({
  auid,
  name,
  type: `${OMA}pres-content+xml`,
  document: icon('iVBORw0KGgo=', '<description xml:lang="en">me</description>'),
  node: '/content/description',
  before: '<description xml:lang="en">me</description>',
  after: '<description xml:lang="en">me, laughing</description>',
  bad: '<description><b/></description>',
  wrong: [
    ['<data>iVBORw0KGgo=</data>', '', 'schema-validation-error', /it needs .*<data>/],
    ['<mime-type>image/png</mime-type>', '', 'constraint-failure', /needs a mime-type/],
    ['image/png', 'an image', 'constraint-failure', /"an image" is no media type/],
    ['<encoding>base64</encoding>', '<encoding>hex</encoding>', 'constraint-failure', /must be base64, not "hex"/],
    ['iVBORw0KGgo=', 'iVBORw0KGgo', 'constraint-failure', /not in base64/],
    ['iVBORw0KGgo=', '?', 'constraint-failure', /not in base64/],
    ['iVBORw0KGgo=', ' ', 'constraint-failure', /no data/],
    ['iVBORw0KGgo=', 'AAAA'.repeat(88_000), 'constraint-failure', /has 264000 bytes; 262144 are allowed/],
  ],
});

export const USAGES: readonly Usage[] = [
  {
    auid: 'resource-lists',
    name: 'index',
    type: 'application/resource-lists+xml',
    document: `<resource-lists xmlns="${LISTS}"><list name="friends"><entry uri="sip:b@x"><display-name xml:lang="en">Bob</display-name></entry><entry uri="sip:c@x"/></list></resource-lists>`,
    node: '/resource-lists/list%5B@name=%22friends%22%5D/entry%5B@uri=%22sip:c@x%22%5D',
    before: '<entry uri="sip:c@x"/>',
    after: '<entry uri="sip:c@x"><display-name>Carol</display-name></entry>',
    bad: '<entry uri="sip:c@x"><name/></entry>',
    wrong: [
      [' uri="sip:c@x"', '', 'schema-validation-error', /needs the attribute uri/],
      ['<entry uri="sip:c@x"/>', '<buddy/>', 'schema-validation-error', /<buddy> is not allowed here/],
      ['sip:c@x', 'sip:b@x', 'uniqueness-failure', /unique/],
      ['<entry uri="sip:c@x"/>', '<entry-ref ref="/a"/>', 'constraint-failure', /relative/],
      ['<entry uri="sip:c@x"/>', '<external anchor="a"/>', 'constraint-failure', /absolute/],
    ],
  },
  {
    auid: 'rls-services',
    name: 'index',
    type: 'application/rls-services+xml',
    document: `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services" xmlns:rl="${LISTS}"><service uri="sip:buddies@x"><list><rl:entry uri="sip:b@x"/></list><packages><package>presence</package></packages></service></rls-services>`,
    node: '/rls-services/service%5B@uri=%22sip:buddies@x%22%5D/packages/package',
    before: '<package>presence</package>',
    after: '<package>dialog</package>',
    bad: '<package><presence/></package>',
    wrong: [
      [' uri="sip:buddies@x"', '', 'schema-validation-error', /needs the attribute uri/],
      ['<list><rl:entry uri="sip:b@x"/></list>', '', 'schema-validation-error', /<list>/],
      ['sip:buddies@x', 'http://x/buddies', 'constraint-failure', /sip:, sips: or pres:/],
      ['<list><rl:entry uri="sip:b@x"/></list>', '<resource-list>a</resource-list>', 'constraint-failure', /absolute/],
      ['<rl:entry uri="sip:b@x"/>', '<rl:entry uri="sip:b@x"/><rl:entry uri="sip:b@x"/>', 'uniqueness-failure', /unique/],
    ],
  },
  {
    auid: 'pres-rules',
    name: 'index',
    type: AUTH_POLICY,
    document: `<cr:ruleset xmlns:cr="${CP}" xmlns="urn:ietf:params:xml:ns:pres-rules"><cr:rule id="a"><cr:conditions><cr:identity><cr:one id="sip:b@x"/></cr:identity></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions><cr:transformations><provide-mood>true</provide-mood></cr:transformations></cr:rule></cr:ruleset>`,
    // RFC 5025 9.3: the default namespace is that of presence rules, the root in another.
    node: `/cr:ruleset/cr:rule%5B@id=%22a%22%5D/cr:transformations/provide-mood?xmlns(cr=${CP})`,
    before: '<provide-mood>true</provide-mood>',
    after: '<provide-mood>false</provide-mood>',
    bad: '<provide-mood>perhaps</provide-mood>',
    wrong: [
      ['>allow<', '>perhaps<', 'schema-validation-error', /must be one of/],
      ['<cr:rule id="a">', '<cr:rule>', 'schema-validation-error', /needs the attribute id/],
      ['<provide-mood>true</provide-mood>', '<provide-moods/>', 'schema-validation-error', /provide-moods/],
    ],
  },

  {
    auid: 'org.openmobilealliance.pres-rules',
    name: 'pres-rules',
    type: AUTH_POLICY,
    document: `<ruleset xmlns="${CP}" xmlns:pr="urn:ietf:params:xml:ns:pres-rules" xmlns:op="urn:oma:xml:prs:pres-rules" xmlns:ocp="urn:oma:xml:xdm:common-policy"><rule id="friends"><conditions><ocp:external-list><ocp:entry anc="http://x/resource-lists/users/sip:a@x/index/~~/resource-lists/list%5B@name=%22f%22%5D"/></ocp:external-list></conditions><actions><pr:sub-handling>allow</pr:sub-handling></actions><transformations><op:provide-willingness>true</op:provide-willingness><op:provide-geopriv>full</op:provide-geopriv></transformations></rule><rule id="others"><conditions><ocp:other-identity/></conditions></rule></ruleset>`,
    // OMA's default namespace is that of common policy, so that steps need no prefix.
    node: '/ruleset/rule%5B@id=%22others%22%5D',
    before: '<rule id="others"><conditions><ocp:other-identity/></conditions></rule>',
    after: '<rule id="others"><actions><pr:sub-handling>polite-block</pr:sub-handling></actions></rule>',
    bad: '<rule id="others"><actions><pr:sub-handling>perhaps</pr:sub-handling></actions></rule>',
    wrong: [
      ['>allow<', '>perhaps<', 'schema-validation-error', /sub-handling/],
      ['willingness>true<', 'willingness>maybe<', 'schema-validation-error', /true or false/],
      ['>full<', '>half<', 'schema-validation-error', /must be one of "false", "full"/],
      [' anc=', ' anchor=', 'schema-validation-error', /<entry>.*anc/],
      ['id="others"', 'id="friends"', 'schema-validation-error', /friends/],
    ],
  },
  {
    auid: 'pidf-manipulation',
    name: 'index',
    type: 'application/pidf+xml',
    document: `<presence xmlns="${PIDF}" entity="sip:a@x"><tuple id="mail"><status><basic>open</basic></status><note>by mail</note></tuple></presence>`,
    node: '/presence/tuple%5B@id=%22mail%22%5D/note',
    before: '<note>by mail</note>',
    after: '<note>by mail only</note>',
    bad: '<note><b/></note>',
    wrong: [
      ['<basic>open</basic>', '<basic>ajar</basic>', 'schema-validation-error', /must be one of "open", "closed"/],
      [' id="mail"', '', 'schema-validation-error', /needs the attribute id/],
      [' entity="sip:a@x"', '', 'schema-validation-error', /needs the attribute entity/],
      [
        ' entity=',
        `${Array.from({ length: 101 }, (_, n) => ` xmlns:p${n}="urn:${n}"`).join('')} entity=`,
        'constraint-failure',
        /more than 100 namespaces/,
      ],
      ['by mail', 'by mail '.repeat(8300), 'constraint-failure', /may have 65536 characters, not 66\d\d\d/],
    ],
  },
  iconUsage('org.openmobilealliance.pres-content', 'oma_status-icon/rcs_status_icon'),
  iconUsage('oma_status-icon', 'index'),
  {
    auid: 'org.openmobilealliance.user-profile',
    name: 'user-profile',
    type: `${OMA}user-profile+xml`,
    document:
      '<user-profiles xmlns="urn:oma:xml:xdm:user-profile"><user-profile uri="sip:a@x"><display-name xml:lang="en">Ann</display-name><birth-date><date>1990-02-28</date></birth-date><name><given-name>Ann</given-name></name><hobbies><hobby>chess</hobby></hobbies></user-profile></user-profiles>',
    node: '/user-profiles/user-profile/hobbies/hobby',
    before: '<hobby>chess</hobby>',
    after: '<hobby>go</hobby>',
    bad: '<hobby><b/></hobby>',
    wrong: [
      ['1990-02-28', 'yesterday', 'schema-validation-error', /yesterday/],
      ['<hobby>chess</hobby>', '<sport/>', 'schema-validation-error', /<sport> is not allowed here/],
      ['sip:a@x', 'sip:b@x', 'constraint-failure', /about sip:b@x/],
      [' uri="sip:a@x"', '', 'schema-validation-error', /needs the attribute uri/],
    ],
    open: true,
  },
  {
    auid: 'org.openmobilealliance.group-usage-list',
    name: 'index',
    type: `${OMA}group-usage-list+xml`,
    document:
      '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:u="urn:oma:xml:xdm:resource-list:oma-uriusage"><list name="chats"><entry uri="sip:club@x"><display-name>The club</display-name><u:uriusages><u:uriusage>chat</u:uriusage></u:uriusages></entry></list></resource-lists>',
    node: '/resource-lists/list%5B@name=%22chats%22%5D/entry%5B@uri=%22sip:club@x%22%5D/u:uriusages/u:uriusage?xmlns(u=urn:oma:xml:xdm:resource-list:oma-uriusage)',
    before: '<u:uriusage>chat</u:uriusage>',
    after: '<u:uriusage>poc</u:uriusage>',
    bad: '<u:uriusage><u:b/></u:uriusage>',
    wrong: [
      [' uri="sip:club@x"', '', 'schema-validation-error', /needs the attribute uri/],
      ['<u:uriusage>chat</u:uriusage>', '<u:use/>', 'schema-validation-error', /<use> is not allowed here/],
      [' name="chats"', '', 'constraint-failure', /needs a name/],
      ['</list>', '<entry-ref ref="a/users/b/c"/></list>', 'constraint-failure', /cannot refer to others by <entry-ref>/],
      ['</list>', '<list name="n"><external anchor="http://x/y"/></list></list>', 'constraint-failure', /by <external>/],
    ],
  },
  {
    auid: 'simservs.ngn.etsi.org',
    name: 'simservs.xml',
    type: 'application/vnd.etsi.simservs+xml',
    document: `<simservs xmlns="http://uri.etsi.org/ngn/params/xml/simservs/xcap" xmlns:cp="${CP}"><communication-diversion active="true"><cp:ruleset><cp:rule id="busy"><cp:conditions><rule-deactivated/><busy/></cp:conditions><cp:actions><forward-to><target>tel:+15551234</target><notify-caller>true</notify-caller></forward-to></cp:actions></cp:rule></cp:ruleset><NoReplyTimer>20</NoReplyTimer></communication-diversion><incoming-communication-barring active="false"><cp:ruleset><cp:rule id="all"><cp:conditions><anonymous/><media>audio</media></cp:conditions><cp:actions><allow>false</allow></cp:actions></cp:rule></cp:ruleset></incoming-communication-barring><outgoing-communication-barring/><communication-waiting active="true"/><originating-identity-presentation-restriction><default-behaviour>presentation-restricted</default-behaviour></originating-identity-presentation-restriction></simservs>`,
    node: `/simservs/communication-diversion/cp:ruleset/cp:rule%5B@id=%22busy%22%5D/cp:conditions/rule-deactivated?xmlns(cp=${CP})`,
    before: '<rule-deactivated/>',
    after: '<rule-deactivated></rule-deactivated>',
    bad: '<rule-deactivated>today</rule-deactivated>',
    wrong: [
      ['>20<', '>3<', 'schema-validation-error', /NoReplyTimer/],
      ['<allow>false</allow>', '<allow>no</allow>', 'schema-validation-error', /true or false/],
      ['<target>tel:+15551234</target>', '', 'schema-validation-error', /<forward-to> is incomplete; it needs .*<target>/],
      ['>presentation-restricted<', '>hidden<', 'schema-validation-error', /must be one of/],
      ['active="false"', 'active="off"', 'schema-validation-error', /true or false/],
      [
        '<communication-waiting active="true"/>',
        '<communication-wishing/>',
        'schema-validation-error',
        /<communication-wishing> is not allowed/,
      ],
      ['<cp:rule id="all">', '<cp:rule>', 'schema-validation-error', /needs the attribute id/],
    ],
  },
  {
    auid: 'org.openxcap.dialog-rules',
    name: 'index',
    type: AUTH_POLICY,
    document: `<cp:ruleset xmlns:cp="${CP}" xmlns="http://openxcap.org/ns/dialog-rules"><cp:rule id="r"><cp:conditions><cp:identity><cp:one id="sip:b@x"/></cp:identity></cp:conditions><cp:actions><sub-handling>allow</sub-handling></cp:actions></cp:rule></cp:ruleset>`,
    node: `/cp:ruleset/cp:rule%5B@id=%22r%22%5D/cp:actions/sub-handling?xmlns(cp=${CP})`,
    before: '<sub-handling>allow</sub-handling>',
    after: '<sub-handling>block</sub-handling>',
    bad: '<sub-handling>maybe</sub-handling>',
    wrong: [
      ['>allow<', '>maybe<', 'schema-validation-error', /must be one of/],
      ['<cp:one id="sip:b@x"/>', '<cp:one/>', 'schema-validation-error', /needs the attribute id/],
    ],
  },
];
