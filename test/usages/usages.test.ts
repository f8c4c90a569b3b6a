import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { attribute } from '../../schemas/xml/tree.ts';
import { byName, ELEMENT, type XcapResponse, XcapServer } from '../rfc4825/xcap-server.ts';

/** What every stored usage must do on the wire: create, edit by node, validate, reject, delete. */
interface Usage {
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
  readonly wrong: readonly (readonly [from: string, to: string, error: 'schema-validation-error' | 'constraint-failure', phrase: RegExp])[];
  /** Whether other users may read the documents. */
  readonly open?: boolean;
}

const AUTH_POLICY = 'application/auth-policy+xml';
const CP = 'urn:ietf:params:xml:ns:common-policy';
const PIDF = 'urn:ietf:params:xml:ns:pidf';
const OMA = 'application/vnd.oma.';
const icon = (data: string, more = '') =>
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

const usages: readonly Usage[] = [
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

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start({ authenticator: byName });
});
afterAll(() => server.stop());

const a = { authorization: 'Test sip:a@x' };
const b = { authorization: 'Test sip:b@x' };
const admin = { authorization: 'Test admin' };

function conflict({ status, body }: XcapResponse): [status: number, kind: string, phrase: string] {
  const error = status === 409 ? parseXml(body).root.elements[0] : undefined;
  return [status, error?.local ?? body, (error && attribute(error, 'phrase')) ?? ''];
}

describe.each(usages)('$auid', ({ auid, name, type, document, node, before, after, bad, wrong, open = false }) => {
  const home = `/xcap-root/${auid}/users/sip:a@x`;
  const path = `${home}/${name}`;
  const selector = `${path}/~~${node}`;

  test('a document is created, read, replaced and deleted', async () => {
    expect((await server.get(path, a)).status).toBe(404);
    expect((await server.put(path, type, document, a)).status).toBe(201);
    const { status, headers, body } = await server.get(path, a);
    expect([status, headers['content-type'], body]).toEqual([200, type, document]);
    expect((await server.put(path, type, `${document}\n`, a)).status).toBe(200);
    expect((await server.delete(path, a)).status).toBe(200);
    expect((await server.get(path, a)).status).toBe(404);
  });

  test('a node is read, replaced, deleted and created', async () => {
    await server.put(path, type, document, a);
    expect((await server.get(selector, a)).body).toBe(before);
    expect((await server.put(selector, ELEMENT, after, a)).status).toBe(200);
    expect((await server.get(path, a)).body).toBe(document.replace(before, after));
    const removed = await server.delete(selector, a);
    expect(removed.status).toBe(200);
    expect((await server.get(path, a)).body).toBe(document.replace(before, ''));
    expect((await server.put(selector, ELEMENT, after, a)).status).toBe(201);
    expect((await server.get(selector, a)).body).toBe(after);
  });

  test('another media type is refused', async () => {
    const response = await server.put(path, 'application/xml', document, a);
    expect([response.status, response.headers.accept]).toEqual([415, type]);
  });

  const faults = wrong.map((fault) => ({ title: `${fault[0]} as ${fault[1].slice(0, 80)}`, fault }));
  test.each(faults)('$title is refused', async ({ fault: [from, to, error, phrase] }) => {
    expect(document).toContain(from);
    await server.put(path, type, document, a);
    const [status, kind, said] = conflict(await server.put(path, type, document.replace(from, to), a));
    expect([status, kind, said]).toEqual([409, error, expect.stringMatching(phrase)]);
    expect((await server.get(path, a)).body).toBe(document);
  });

  test('an edit by node that would make the document invalid is refused', async () => {
    await server.put(path, type, document, a);
    const [status, kind] = conflict(await server.put(selector, ELEMENT, bad, a));
    expect([status, kind]).toEqual([409, 'schema-validation-error']);
    expect((await server.get(path, a)).body).toBe(document);
  });

  test(`others ${open ? 'read' : 'see nothing'} and change nothing; an admin does both`, async () => {
    await server.put(path, type, document, a);
    expect((await server.get(path, b)).status).toBe(open ? 200 : 403);
    expect((await server.put(path, type, document, b)).status).toBe(403);
    expect((await server.delete(path, b)).status).toBe(403);
    expect((await server.get(path, admin)).status).toBe(200);
    expect((await server.put(path, type, document, admin)).status).toBe(200);
  });
});

describe('particulars', () => {
  test('RFC 4827 9: a user has one presence document, named index', async () => {
    const document = `<presence xmlns="${PIDF}" entity="sip:a@x"/>`;
    for (const path of ['users/sip:a@x/other', 'global/index']) {
      const response = await server.put(`/xcap-root/pidf-manipulation/${path}`, 'application/pidf+xml', document, admin);
      expect(conflict(response)).toEqual([409, 'constraint-failure', expect.stringContaining('index')]);
    }
  });

  test('the directory for icons is there, others are not (RFC 4825 8.2.1)', async () => {
    const content = '/xcap-root/org.openmobilealliance.pres-content/users/sip:c@x';
    const c = { authorization: 'Test sip:c@x' };
    expect((await server.put(`${content}/oma_status-icon/a`, `${OMA}pres-content+xml`, icon('AAAA'), c)).status).toBe(201);
    expect(conflict(await server.put(`${content}/other/a`, `${OMA}pres-content+xml`, icon('AAAA'), c))[1]).toBe('no-parent');
  });

  test('base64 may be broken into lines', async () => {
    const path = '/xcap-root/org.openmobilealliance.pres-content/users/sip:a@x/lines';
    expect((await server.put(path, `${OMA}pres-content+xml`, icon('\n  iVBO\n  Rw0K\r\n'), a)).status).toBe(201);
  });
});
