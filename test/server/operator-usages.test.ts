import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../server/config.ts';
import { operatorUsages } from '../../server/operator-usages.ts';
import { startRollcall } from '../../server/server.ts';
import { OWN_AUIDS } from '../../xcap/usages/index.ts';
import { Stage } from '../scenarios/stage.ts';
import { run, serve } from './command.ts';

const directory = mkdtempSync(join(tmpdir(), 'rollcall-usages-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;

function file(text: string, end = 'xsd'): string {
  const path = join(directory, `f${files++}.${end}`);
  writeFileSync(path, text);
  return path;
}

const xsd = (namespace: string, content: string): string => `<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:rl="urn:ietf:params:xml:ns:resource-lists" targetNamespace="${namespace}" xmlns="${namespace}" elementFormDefault="qualified">
${content}
</xs:schema>`;
const NOTES = `<xs:import namespace="urn:ietf:params:xml:ns:resource-lists" schemaLocation="http://lists.example/lists.xsd"/>
<xs:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="http://www.w3.org/2001/xml.xsd"/>
<xs:element name="notes"><xs:complexType><xs:sequence>
  <xs:element name="note" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:simpleContent><xs:extension base="xs:string">
    <xs:attribute name="id" type="xs:ID" use="required"/><xs:attribute ref="xml:lang"/>
  </xs:extension></xs:simpleContent></xs:complexType></xs:element>
  <xs:element name="about" type="rl:entry" minOccurs="0"/>
</xs:sequence></xs:complexType></xs:element>`;

const stage = new Stage();
afterEach(() => stage.close());

describe('a usage that the settings define', () => {
  it('with an XSD: create, edit by node, validate, reject, delete, and its place in xcap-caps and the directory', async () => {
    const schema = file(xsd('urn:example:notes', NOTES));
    const config = file(
      `usages:\n  - auid: org.example.notes\n    namespace: urn:example:notes\n    content-type: application/Notes+xml\n    schema: ${schema}\n`,
      'yaml',
    );
    await stage.boot({ usages: loadConfig({ flags: { config }, environment: {} }).usages });
    const xcap = await stage.xcap('A');
    const path = '/org.example.notes/users/A/index';
    const type = { 'content-type': 'application/notes+xml' };
    const document = (id: string) => `<notes xmlns="urn:example:notes"><note id="${id}" xml:lang="en">milk</note></notes>`;

    expect((await xcap.put(path, document('a'), type)).status).toBe(201);
    expect((await xcap.get(path)).headers['content-type']).toBe('application/notes+xml');
    const note = `${path}/~~/notes/note%5B@id=%22b%22%5D`;
    expect((await xcap.put(note, '<note id="b">bread</note>')).status).toBe(201);
    const bad = await xcap.put(note, '<note id="b"><b/></note>');
    expect([bad.status, bad.body]).toEqual([409, expect.stringContaining('schema-validation-error')]);
    expect((await xcap.put(path, document('a').replace(' id="a"', ''), type)).body).toContain('needs the attribute id');
    expect((await xcap.put(path, '<strange xmlns="urn:example:notes"/>', type)).body).toContain('schema-validation-error');
    expect((await xcap.put(path, '<notes xmlns="urn:example:other"/>', type)).body).toContain('must be of the namespace urn:example:notes');
    expect((await xcap.put(path, document('a'), { 'content-type': 'application/xml' })).status).toBe(415);
    expect((await (await stage.xcap('B')).get(path)).status).toBe(403);

    const caps = (await xcap.get('/xcap-caps/global/index')).body;
    expect(caps).toContain('<auid>org.example.notes</auid>');
    expect(caps).toContain('<namespace>urn:example:notes</namespace>');
    expect((await xcap.get('/org.openmobilealliance.xcap-directory/users/A/directory.xml')).body).toContain(
      '/org.example.notes/users/sip:A@',
    );
    expect((await xcap.delete(path)).status).toBe(200);
    expect((await xcap.get(path)).status).toBe(404);
  });

  it('without an XSD: any well-formed document of the namespace, which xcap-caps does not claim to validate', async () => {
    await stage.boot({ usages: [{ auid: 'org.example.free', namespace: 'urn:example:free?a&b', contentType: 'application/free+xml' }] });
    const xcap = await stage.xcap('A');
    const path = '/org.example.free/users/A/index';
    const type = { 'content-type': 'application/free+xml' };
    expect((await xcap.put(path, '<a xmlns="urn:example:free?a&amp;b"><b/></a>', type)).status).toBe(201);
    expect((await xcap.put(`${path}/~~/a/b`, '<b>1</b>')).status).toBe(200);
    expect((await xcap.get(`${path}/~~/a/b`)).body).toBe('<b>1</b>');
    expect((await xcap.put(path, '<a xmlns="urn:example:other"/>', type)).body).toContain('schema-validation-error');
    expect((await xcap.put(path, '<a xmlns="urn:example:free?a&amp;b">', type)).body).toContain('not-well-formed');
    const caps = (await xcap.get('/xcap-caps/global/index')).body;
    expect([caps.includes('<auid>org.example.free</auid>'), caps.includes('urn:example:free')]).toEqual([true, false]);
    expect((await xcap.delete(path)).status).toBe(200);
  });

  it("in a namespace of the server's own is validated by the server's own schema", async () => {
    const namespace = 'urn:ietf:params:xml:ns:resource-lists';
    await stage.boot({ usages: [{ auid: 'org.example.lists', namespace, contentType: 'application/lists+xml' }] });
    const xcap = await stage.xcap('A');
    const put = (content: string) =>
      xcap.put('/org.example.lists/users/A/index', `<resource-lists xmlns="${namespace}">${content}</resource-lists>`, {
        'content-type': 'application/lists+xml',
      });
    expect((await put('<list><entry/></list>')).body).toContain('needs the attribute uri');
    expect((await put('<list/>')).status).toBe(201);
  });
});

describe('a usage that cannot be is told in one line', () => {
  const usage = (more: string, namespace = 'urn:example:u') =>
    `{auid: org.example.u, namespace: "${namespace}", content-type: application/u+xml${more}}`;
  const schema = (text: string, namespace?: string) => `[${usage(`, schema: ${file(text)}`, namespace)}]`;
  const wrong: [string, string, RegExp][] = [
    ['no mapping', '[7]', /: 7 is not a usage with auid, namespace, content-type, schema$/],
    ['unknown part', '[{auid: a, colour: red}]', /: colour is no part of a usage; it has auid/],
    ['part of another type', '[{auid: 1}]', /: auid: 1 is not a text$/],
    ['no AUID', '[{namespace: "urn:a"}]', /: "" is not an AUID/],
    ['AUID with a slash', '[{auid: a/b}]', /: "a\/b" is not an AUID/],
    ['no namespace', '[{auid: a}]', /: a: "" is not a namespace/],
    ['namespace that is none', '[{auid: a, namespace: "a b"}]', /: a: "a b" is not a namespace/],
    ['no content type', '[{auid: a, namespace: "urn:a"}]', /: a: "" is not a content-type/],
    ['content type with parameters', '[{auid: a, namespace: "urn:a", content-type: text/xml; a=b}]', /is not a content-type/],
    ['text with too many parts', '"a;urn:a;a/b;c;d"', /has more than AUID;NAMESPACE;TYPE;XSD$/],
    ['the same AUID twice', `[${usage('')}, ${usage('')}]`, /^usages: org\.example\.u: there are two usages of this AUID$/],
    ['no such file', `[${usage(', schema: /nowhere/u.xsd')}]`, /^usages: org\.example\.u: cannot read \/nowhere\/u\.xsd: ENOENT/],
    ['a schema that is no XML', schema('<xs:schema'), /not well-formed XML/],
    ['a schema that is none', schema('<a/>'), /the root element is not that of an XML Schema$/],
    ['a schema of another namespace', schema(xsd('urn:example:v', '')), /its targetNamespace is "urn:example:v", not "urn:example:u"$/],
    [
      'a schema with an error',
      schema(xsd('urn:example:u', '<xs:element name="a" type="b"/>')),
      /\.xsd: the schema of urn:example:u is unusable: .*b' does not resolve/,
    ],
    [
      'an import of what there is not',
      schema(xsd('urn:example:u', '<xs:import namespace="urn:w"/>')),
      /imports the namespace "urn:w", of which/,
    ],
    [
      'a schema with an error, besides an import that is found elsewhere',
      schema(
        xsd(
          'urn:example:u',
          '<xs:import namespace="urn:ietf:params:xml:ns:resource-lists" schemaLocation="r.xsd"/><xs:element name="a" type="rl:none"/>',
        ),
      ),
      /\.xsd: element decl\. .*none' does not resolve/,
    ],
    ['an include', schema(xsd('urn:example:u', '<xs:include schemaLocation="a.xsd"/>')), /<include> of other files is not supported$/],
    [
      "a schema for one of the server's own namespaces",
      schema(xsd('urn:ietf:params:xml:ns:pidf', ''), 'urn:ietf:params:xml:ns:pidf'),
      /the server has a schema for urn:ietf:params:xml:ns:pidf itself$/,
    ],
  ];
  it.each(wrong)('%s', (_, usages, message) => {
    const config = file(`usages: ${usages}\n`, 'yaml');
    let told: unknown;
    try {
      operatorUsages(loadConfig({ flags: { config }, environment: {} }).usages);
    } catch (error) {
      told = error;
    }
    expect(told).toBeInstanceOf(ConfigError);
    expect((told as ConfigError).message).toMatch(message);
    expect((told as ConfigError).message).not.toContain('\n');
  });

  it('an AUID that the server has itself, whichever', async () => {
    await stage.boot();
    const caps = (await (await stage.xcap('A')).get('/xcap-caps/global/index')).body;
    const auids = [...caps.matchAll(/<auid>([^<]*)</g)].map(([, auid]) => auid);
    expect([...OWN_AUIDS].sort()).toEqual(auids.sort());
  });

  it('an AUID that the server has itself, at the start', async () => {
    const dataDirectory = join(directory, 'data');
    const endpoint = [{ host: '127.0.0.1', port: 0 }];
    const config = loadConfig({ flags: { usages: ['pres-rules;urn:example:p;application/p+xml'] }, environment: {} });
    const start = startRollcall({ ...config, http: endpoint, sip: endpoint, dataDirectory, logLevel: 'silent' });
    await expect(start).rejects.toThrow(new ConfigError('usages: pres-rules: the server has this usage itself'));
  });

  it('check-config looks at the schemas, and prints what it has read as it would stand in a file', { timeout: 60_000 }, async () => {
    const missing = await run(['check-config', '--usages', 'a;urn:example:a;application/a+xml;/nowhere/a.xsd']);
    expect([missing.code, missing.err]).toEqual([
      2,
      expect.stringMatching(/^rollcall: usages: a: cannot read \/nowhere\/a\.xsd: ENOENT.*$/m),
    ]);
    const taken = await run(['check-config', '--usages', 'pres-rules;urn:example:p;application/p+xml']);
    expect(taken).toEqual({ code: 2, out: '', err: 'rollcall: usages: pres-rules: the server has this usage itself\n' });
    const printed = await run(['check-config', '--usages', 'a;urn:example:a;application/a+xml']);
    expect(printed.out).toContain('usages:\n  - auid: a\n    namespace: urn:example:a\n    content-type: application/a+xml\n');
    expect(loadConfig({ flags: { config: file(printed.out, 'yaml') }, environment: {} }).usages).toHaveLength(1);
  });
});

describe('the compiled program', () => {
  it('goes on while a document takes very long by a schema whose pattern has many ways to match', { timeout: 60_000 }, async () => {
    const pattern = '<xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="(a|aa)+b"/></xs:restriction></xs:simpleType>';
    const values = `<xs:complexType><xs:sequence><xs:element name="v" maxOccurs="unbounded">${pattern}</xs:element></xs:sequence></xs:complexType>`;
    const schema = file(xsd('urn:example:slow', `<xs:element name="values">${values}</xs:element>`));
    const data = join(mkdtempSync(join(directory, 'data-')), 'data');
    const setting = `org.example.slow;urn:example:slow;application/slow+xml;${schema}`;
    const server = await serve(['--auth', 'none', '--data', data, '--usages', setting]);
    try {
      const order: string[] = [];
      const put = async (path: string, type: string, body: string) => {
        const response = await fetch(`${server.base}${path}`, { method: 'PUT', headers: { 'content-type': type }, body });
        order.push(path);
        return [response.status, await response.text()] as const;
      };
      const slow = `<values xmlns="urn:example:slow">${`<v>${'a'.repeat(1000)}</v>`.repeat(50)}</values>`;
      const hostile = put('/xcap-root/org.example.slow/users/alice/slow', 'application/slow+xml', slow);
      const lists = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">';
      const large = `${lists}<list><entry uri="sip:bob@example.com"/></list>${' '.repeat(70_000)}</resource-lists>`;
      // Neither small nor large documents of other usages wait for it.
      const others = [
        await put('/xcap-root/resource-lists/users/alice/small', 'application/resource-lists+xml', `${lists}</resource-lists>`),
        await put('/xcap-root/resource-lists/users/alice/large', 'application/resource-lists+xml', large),
      ];
      expect(others.map(([status]) => status)).toEqual([201, 201]);
      expect(await hostile).toEqual([409, expect.stringMatching(/schema-validation-error phrase="line 1: the document/)]);
      expect(order.map((path) => path.split('/').at(-1))).toEqual(['small', 'large', 'slow']);
      const good = '<values xmlns="urn:example:slow"><v>aab</v></values>';
      expect((await put('/xcap-root/org.example.slow/users/alice/slow', 'application/slow+xml', good))[0]).toBe(201);
      const bad = good.replace('aab', 'c');
      expect((await put('/xcap-root/org.example.slow/users/alice/slow', 'application/slow+xml', bad))[1]).toContain(
        'schema-validation-error',
      );
    } finally {
      await server.stop('SIGTERM');
    }
  });
});
