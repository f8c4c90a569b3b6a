import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { textContent } from '../../schemas/xml/tree.ts';
import { schemaFor } from '../../schemas/xml/validate.ts';
import { ATTRIBUTE, AUTH_POLICY, D, ELEMENT, entry, F, G, LISTS, RESOURCE_LISTS, RLS_SERVICES, XcapServer } from './xcap-server.ts';

/** Rules of RFC 4825 that no other test proves, by section; `COVERAGE.md` has them all. */

const LIST_NAMESPACE = 'urn:ietf:params:xml:ns:resource-lists';
const RULES = '/xcap-root/pres-rules/users/sip:a@x/index';
const POLICY_QUERY = '?xmlns(c=urn:ietf:params:xml:ns:common-policy)';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.delete(D);
  expect((await server.put(D, RESOURCE_LISTS, LISTS)).status).toBe(201);
});

const status = async (path: string) => (await server.get(path)).status;
const text = async () => (await server.get(D)).body;
const put = (path: string, body: string) => server.put(path, ELEMENT, body);

/** Status and error element of a 409. */
async function conflict(response: Promise<{ status: number; body: string }>): Promise<string | undefined> {
  const { status, body } = await response;
  expect(status).toBe(409);
  return parseXml(body).root.elements[0]?.local;
}

describe('5: application usages', () => {
  test('5.1: an AUID is compared character by character, after its escapes are undone', async () => {
    expect(await status(D.replace('resource-lists', 'resource%2Dlists'))).toBe(200);
    expect(await status(D.replace('resource-lists', 'Resource-Lists'))).toBe(404);
    expect(await status(D.replace('resource-lists', 'resource'))).toBe(404);
  });

  test('5.2: the default document namespace is for URIs alone, not for what is put into a document', async () => {
    const document = `<r:resource-lists xmlns:r="${LIST_NAMESPACE}"><r:list name="g"/></r:resource-lists>`;
    await server.put(D, RESOURCE_LISTS, document);
    expect((await server.get(G)).body).toBe('<r:list name="g"/>');
    expect(await conflict(put(`${G}/entry`, '<entry uri="sip:d@x"/>'))).toBe('cannot-insert');
    expect((await put(`${G}/entry`, '<r:entry uri="sip:d@x"/>')).status).toBe(201);
    expect(await text()).toContain('<r:list name="g"><r:entry uri="sip:d@x"/></r:list>');
  });

  test('5.3: referential integrity is for clients to keep', async () => {
    const rls = '/xcap-root/rls-services/users/sip:a@x/index';
    const document = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="sip:s@x"><resource-list>http://x.test${F}</resource-list></service></rls-services>`;
    expect((await server.put(rls, RLS_SERVICES, document)).status).toBe(201);
    expect((await server.delete(F)).status).toBe(200);
    expect((await server.get(rls)).body).toBe(document);
    expect((await server.delete(D)).status).toBe(200);
    await server.delete(rls);
  });

  test('5.6: with an element go its descendants and their attributes', async () => {
    const inner = `${F}/${entry('sip:c@x')}`;
    for (const path of [inner, `${inner}/display-name`, `${inner}/@uri`]) expect(await status(path)).toBe(200);
    expect((await server.delete(F)).status).toBe(200);
    for (const path of [F, `${F}/@name`, inner, `${inner}/display-name`, `${inner}/@uri`]) expect(await status(path)).toBe(404);
  });

  test('5.8: elements and attributes of namespaces that the server does not know are taken as they are', async () => {
    const foreign = '<o:a xmlns:o="urn:o" b="1"><o:c>t</o:c><d xmlns=""/></o:a>';
    const list = `<list name="f" xmlns:o="urn:o" o:k="v"><entry uri="sip:b@x" o:k="v">${foreign}</entry>${foreign}</list>`;
    expect((await put(F, list)).status).toBe(200);
    expect((await server.get(F)).body).toBe(list);
    const rules = `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"><rule id="r"><conditions>${foreign}</conditions></rule></ruleset>`;
    expect((await server.put(RULES, AUTH_POLICY, rules)).status).toBe(201);
    expect((await server.get(RULES)).body).toBe(rules);
    await server.delete(RULES);
  });
});

describe('6: URIs', () => {
  test('6.1: the XCAP root, the trees and the home directories are no resources', async () => {
    const home = '/xcap-root/resource-lists/users/sip:a@x';
    for (const path of ['/xcap-root', '/xcap-root/', '/xcap-root/resource-lists', '/xcap-root/resource-lists/users', home, `${home}/`]) {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const response = await server.request(method, path, { 'content-type': RESOURCE_LISTS }, LISTS);
        expect([method, path, response.status]).toEqual([method, path, 404]);
      }
    }
  });

  test('6.2: characters of an XUI that no path segment can hold are percent-encoded', async () => {
    const path = D.replace('sip:a@x', 'sip:d%2Fe%3Ff@x');
    expect((await server.put(path, RESOURCE_LISTS, LISTS)).status).toBe(201);
    expect((await server.get(path)).body).toBe(LISTS);
    expect((await server.get(path.replace('sip:', 'sip%3a').replace('%3F', '%3f'))).body).toBe(LISTS);
    expect(await status(path.replace('%2F', '/'))).toBe(404);
    await server.delete(path);
  });

  test('6.2: a document is not called like a directory beside it', async () => {
    const key = { auid: 'resource-lists', xui: 'sip:a@x', name: 'work/friends' };
    await server.store.write({ key, expected: undefined, text: LISTS });
    const path = D.replace('index', 'work');
    expect(await conflict(server.put(path, RESOURCE_LISTS, LISTS))).toBe('constraint-failure');
    expect(await status(path)).toBe(404);
    expect(await conflict(server.put(`${D}/friends`, RESOURCE_LISTS, LISTS))).toBe('no-parent');
    await server.delete(`${path}/friends`);
    expect((await server.put(path, RESOURCE_LISTS, LISTS)).status).toBe(201);
    await server.delete(path);
  });

  test('6.2: a file name has an extension or none', async () => {
    for (const name of ['friends.xml', 'friends', 'Friends', 'a b', 'f\u00fcr', '~~~', 'index.']) {
      const path = D.replace('index', encodeURIComponent(name));
      expect([name, (await server.put(path, RESOURCE_LISTS, LISTS)).status]).toEqual([name, 201]);
      expect((await server.get(path)).body).toBe(LISTS);
      await server.delete(path);
    }
  });

  test('6.3: a step selects by expanded name, whatever prefix the document has', async () => {
    const document = `<r:resource-lists xmlns:r="${LIST_NAMESPACE}"><s:list xmlns:s="${LIST_NAMESPACE}" name="f"/><list name="g" xmlns="${LIST_NAMESPACE}"><r:list xmlns:r="urn:r" name="f"/></list></r:resource-lists>`;
    await server.put(D, RESOURCE_LISTS, document);
    expect((await server.get(F)).body).toBe(`<s:list xmlns:s="${LIST_NAMESPACE}" name="f"/>`);
    expect((await server.get(G)).body).toMatch(/^<list name="g" /);
    expect(await status(`${G}/list`)).toBe(404);
    expect((await server.get(`${G}/*%5B@name=%22f%22%5D`)).body).toBe('<r:list xmlns:r="urn:r" name="f"/>');
  });

  test('6.3: positions count from one, among the elements of the name or among all', async () => {
    const content =
      '<list name="f">\n<display-name>d</display-name><entry uri="1"/><list/><!-- - --><entry uri="2"/>text-free<entry uri="3"/></list>';
    const list = content.replace('text-free', ' ');
    expect((await put(F, list)).status).toBe(200);
    expect((await server.get(`${F}/entry%5B2%5D`)).body).toBe('<entry uri="2"/>');
    expect((await server.get(`${F}/*%5B4%5D`)).body).toBe('<entry uri="2"/>');
    expect((await server.get(`${F}/*%5B0002%5D`)).body).toBe('<entry uri="1"/>');
    for (const step of ['entry%5B0%5D', 'entry%5B4%5D', '*%5B6%5D', 'entry%5B99999999999999999999%5D']) {
      expect([step, await status(`${F}/${step}`)]).toEqual([step, 404]);
    }
  });

  test('6.3: an attribute predicate or terminal compares expanded names and exact values', async () => {
    await put(F, '<list name="f"><entry xmlns:o="urn:o" uri="1" o:uri="2"/><entry uri="2"/><entry uri=" 1 "/><entry uri="&#x33;"/></list>');
    expect((await server.get(`${F}/${entry('2')}`)).body).toBe('<entry uri="2"/>');
    expect((await server.get(`${F}/entry%5B@p:uri=%222%22%5D/@p:uri?xmlns(p=urn:o)`)).body).toBe('2');
    expect((await server.get(`${F}/${entry('%201%20')}`)).body).toBe('<entry uri=" 1 "/>');
    expect((await server.get(`${F}/${entry('3')}`)).body).toBe('<entry uri="&#x33;"/>');
    expect(await status(`${F}/${entry('SIP:1')}`)).toBe(404);
    expect(await status(`${F}/entry%5B1%5D/@URI`)).toBe(404);
  });

  test('6.3: comments, text and processing instructions cannot be selected, but come with their element', async () => {
    const list = '<list name="f"> <!-- c --><?p i?>\r\n\t<entry uri="1"> <!-- - --> </entry>\n</list>';
    expect((await put(F, list)).status).toBe(200);
    expect((await server.get(F)).body).toBe(list);
    for (const step of ['text()', 'comment()', 'processing-instruction()', 'node()']) expect(await status(`${F}/${step}`)).toBe(404);
  });

  test('6.3: names and values beyond ASCII are percent-encoded UTF-8', async () => {
    const element = '<p:\u00c0\u30a2 xmlns:p="urn:p" \u00e9="\u30a2 \u{1F600}"/>';
    expect((await put(F, `<list name="f">${element}</list>`)).status).toBe(200);
    const path = `${F}/q:%C3%80%E3%82%A2%5B@%C3%A9=%22%E3%82%A2%20%F0%9F%98%80%22%5D`;
    expect((await server.get(`${path}?xmlns(q=urn:p)`)).body).toBe(element);
    expect((await server.get(`${path}/@%C3%A9?xmlns(q=urn:p)`)).body).toBe('\u30a2 \u{1F600}');
  });

  /** The document of 6.4, within a list, whose schema lets it stand there. */
  const foo =
    '<foo xmlns="urn:test:default-namespace">\n <ns1:bar xmlns:ns1="urn:test:namespace1-uri" xmlns="urn:test:namespace1-uri">\n  <baz/>\n  <ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>\n </ns1:bar>\n <ns3:hi xmlns:ns3="urn:test:namespace3-uri"><there/></ns3:hi>\n</foo>';

  test.each([
    ['?xmlns(d=urn:test:default-namespace)xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace1-uri)', '<baz/>'],
    [
      '?xmlns(d=urn:test:default-namespace)%20xmlns(a=urn:test:namespace1-uri)%0Axmlns(b=urn:test:namespace2-uri)',
      '<ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>',
    ],
  ])('6.4: %s', async (query, expected) => {
    await put(F, `<list name="f">${foo}</list>`);
    expect((await server.get(`${F}/d:foo/a:bar/b:baz${query}`)).body).toBe(expected);
  });

  test('10: the bindings in scope stand on an element of the same name and prefix', async () => {
    await put(F, `<list name="f">${foo}</list>`);
    const query = '?xmlns(df=urn:test:default-namespace)xmlns(df2=urn:test:namespace1-uri)';
    const { body } = await server.get(`${F}/df:foo/df2:bar/df2:baz/namespace::*${query}`);
    expect(body).toBe('<baz xmlns="urn:test:namespace1-uri" xmlns:ns1="urn:test:namespace1-uri"/>');
    expect((await server.get(`${F}/df:foo/df2:bar/namespace::*${query}`)).body).toMatch(/^<ns1:bar xmlns="urn:test:namespace1-uri" /);
  });

  test('10: a declaration that takes the default namespace away is told as none', async () => {
    await put(F, '<list name="f"><o:a xmlns:o="urn:o"><b xmlns=""/></o:a></list>');
    const { body } = await server.get(`${F}/p:a/*/namespace::*?xmlns(p=urn:o)`);
    expect(body).toBe('<b xmlns:o="urn:o"/>');
  });
});

describe('7: what clients rely on', () => {
  test('7: PUT and DELETE are idempotent', async () => {
    const path = `${F}/${entry('sip:d@x')}`;
    expect((await put(path, '<entry uri="sip:d@x"/>')).status).toBe(201);
    const once = await server.get(D);
    expect((await put(path, '<entry uri="sip:d@x"/>')).status).toBe(200);
    expect((await server.get(D)).body).toBe(once.body);
    expect((await server.delete(path)).status).toBe(200);
    expect((await server.delete(path)).status).toBe(404);
    expect(await text()).toBe(LISTS);
  });

  test('7.4: a replacement is complete: attributes, declarations and content of the old element are gone', async () => {
    const old = '<entry uri="sip:d@x" xmlns:o="urn:o" o:k="1"><display-name>D</display-name><o:x/><!-- c --><?p i?></entry>';
    const path = `${F}/${entry('sip:d@x')}`;
    await put(path, old);
    expect((await put(path, '<entry uri="sip:d@x"/>')).status).toBe(200);
    expect(await text()).toBe(LISTS.replace('</entry>\n', '</entry><entry uri="sip:d@x"/>\n'));
  });

  test('7.5: by position alone only the last of all siblings can be removed', async () => {
    await put(F, '<list name="f"><entry uri="1"/><list/><entry uri="2"/><list/></list>');
    expect(await conflict(server.delete(`${F}/*%5B3%5D`))).toBe('cannot-delete');
    expect(await conflict(server.delete(`${F}/entry%5B1%5D`))).toBe('cannot-delete');
    expect((await server.delete(`${F}/*%5B3%5D%5B@uri=%222%22%5D`)).status).toBe(200);
    expect((await server.delete(`${F}/*%5B3%5D`)).status).toBe(200);
    expect((await server.delete(`${F}/entry%5B1%5D`)).status).toBe(200);
    expect((await server.get(F)).body).toBe('<list name="f"><list/></list>');
  });

  test('7.8: an attribute is removed with the white space before it, and nothing else', async () => {
    await put(F, '<list name="f"><entry\n  xmlns:o="urn:o" uri="1"\n  o:k="en" /></list>');
    const path = `${F}/entry/@o:k?xmlns(o=urn:o)`;
    expect((await server.delete(path)).status).toBe(200);
    expect((await server.get(F)).body).toBe('<list name="f"><entry\n  xmlns:o="urn:o" uri="1" /></list>');
    expect((await server.delete(path)).status).toBe(404);
  });
});

describe('8: server behaviour', () => {
  test('8.2.3: a new document has the bytes of its body, and all its nodes are there', async () => {
    const document = LISTS.replaceAll('\n', '\r\n');
    const path = D.replace('index', 'new');
    const { headers } = await server.put(path, RESOURCE_LISTS, document);
    for (const node of ['', '/~~/resource-lists', '/~~/resource-lists/list%5B2%5D', '/~~/resource-lists/list%5B2%5D/@name']) {
      const response = await server.get(path + node);
      expect([response.status, response.headers.etag]).toEqual([200, headers.etag]);
    }
    expect((await server.get(path)).body).toBe(document);
    await server.delete(path);
  });

  test('8.2.3: the schema has no say in where an element goes, only in whether it may stay there', async () => {
    expect(await conflict(put(`${F}/display-name`, '<display-name>late</display-name>'))).toBe('schema-validation-error');
    expect((await put(`${F}/*%5B1%5D%5B@xml:lang=%22en%22%5D`, '<display-name xml:lang="en">first</display-name>')).status).toBe(201);
    expect(await text()).toContain('\n  <display-name xml:lang="en">first</display-name><entry uri="sip:b@x"/>');
  });

  test('8.2.3, 8.2.4: namespace declarations stay as they were put, redundant or not', async () => {
    const fresh = `<entry xmlns="${LIST_NAMESPACE}" xmlns:o="urn:o" uri="sip:d@x"><o:a xmlns:o="urn:o"/></entry>`;
    const path = `${F}/${entry('sip:d@x')}`;
    for (const expected of [201, 200]) {
      expect((await put(path, fresh)).status).toBe(expected);
      expect((await server.get(path)).body).toBe(fresh);
    }
    const other = fresh.replace('<o:a xmlns:o="urn:o"/>', '<o:b/>');
    expect((await put(path, other)).status).toBe(200);
    expect(await text()).toBe(LISTS.replace('</entry>\n', `</entry>${other}\n`));
  });

  test('8.2.3: a new attribute has the name of the terminal selector and the value of the body', async () => {
    await server.put(D, RESOURCE_LISTS, LISTS.replace('<list name="g">', '<list>'));
    const path = `${D}/~~/resource-lists/list%5B2%5D/@name`;
    expect((await server.put(path, ATTRIBUTE, '"g"')).status).toBe(201);
    expect(await text()).toBe(LISTS);
  });

  test('8.2.5: an element or attribute that its known namespace does not have is refused', async () => {
    const policy = 'urn:ietf:params:xml:ns:common-policy';
    for (const content of [`<entry uri="1"><p:none xmlns:p="${policy}"/></entry>`, `<entry uri="1" xmlns:p="${policy}" p:none="1"/>`]) {
      const list = `<list name="f">${content}</list>`;
      expect(await conflict(put(F, list))).toBe('schema-validation-error');
      expect(await conflict(put(`${F}/*%5B3%5D`, content))).toBe('schema-validation-error');
      expect(await conflict(server.put(D, RESOURCE_LISTS, LISTS.replace('<list name="g">', `<list name="g">${content}`)))).toBe(
        'schema-validation-error',
      );
    }
    expect((await put(F, `<list name="f"><p:rule xmlns:p="${policy}" id="r"/></list>`)).status).toBe(200);
  });

  test('8.2.5: what fails leaves the document and its entity tag as they were', async () => {
    const before = await server.get(D);
    expect(await conflict(put(`${F}/entry%5B3%5D`, '<entry/>'))).toBe('schema-validation-error');
    expect(await conflict(put(`${F}/entry%5B3%5D`, '<entry uri="sip:b@x"/>'))).toBe('uniqueness-failure');
    expect(await conflict(put(`${F}/external`, '<external anchor="none"/>'))).toBe('constraint-failure');
    expect(await conflict(put(`${F}/${entry('sip:d@x')}`, '<entry uri="sip:e@x"/>'))).toBe('cannot-insert');
    expect(await conflict(server.delete(`${F}/entry%5B1%5D`))).toBe('cannot-delete');
    expect(await conflict(server.delete(`${F}/entry%5B1%5D/@uri`))).toBe('schema-validation-error');
    const after = await server.get(D);
    expect([after.body, after.headers.etag]).toEqual([before.body, before.headers.etag]);
  });

  test('8.3: a document has the media type of its usage, an unknown one is 404', async () => {
    expect((await server.get(D)).headers['content-type']).toBe(RESOURCE_LISTS);
    await server.put(RULES, AUTH_POLICY, '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>');
    expect((await server.get(RULES)).headers['content-type']).toBe(AUTH_POLICY);
    await server.delete(RULES);
    expect(await status(RULES)).toBe(404);
    expect(await status(`${RULES}/~~/c:ruleset${POLICY_QUERY}`)).toBe(404);
  });

  test('8.4: a document is removed with 200, and once', async () => {
    const response = await server.delete(D);
    expect([response.status, response.body]).toEqual([200, '']);
    expect((await server.delete(D)).status).toBe(404);
    expect(await status(D)).toBe(404);
  });

  test('8.4: white space around a removed element stays', async () => {
    expect((await server.delete(`${F}/${entry('sip:b@x')}`)).status).toBe(200);
    expect(await text()).toBe(LISTS.replace('<entry uri="sip:b@x"/>', ''));
    expect((await server.delete(G)).status).toBe(200);
    expect(await text()).toBe(LISTS.replace('<entry uri="sip:b@x"/>', '').replace('<list name="g"></list>', ''));
  });

  test('8.5: a document made anew has an entity tag that it never had', async () => {
    const tags = new Set([(await server.get(D)).headers.etag]);
    for (let i = 0; i < 5; i++) {
      await server.delete(D);
      tags.add((await server.put(D, RESOURCE_LISTS, LISTS)).headers.etag);
    }
    expect(tags.size).toBe(6);
  });

  test('9: caches are told to ask each time', async () => {
    for (const path of [D, F, `${F}/@name`, `${F}/namespace::*`, '/xcap-root/xcap-caps/global/index']) {
      expect((await server.get(path)).headers['cache-control']).toBe('no-cache');
    }
  });
});

describe('12: capabilities', () => {
  test('12: every namespace that is told has a schema', async () => {
    const { body } = await server.get('/xcap-root/xcap-caps/global/index');
    const namespaces = parseXml(body).root.elements.at(-1)?.elements.map(textContent) ?? [];
    expect(namespaces.length).toBeGreaterThan(3);
    expect(namespaces.filter((namespace) => schemaFor(namespace) === undefined)).toEqual([]);
  });
});

test('13: the examples, one after the other', async () => {
  const bills = await XcapServer.start({ roots: ['/'] });
  const document = '/resource-lists/users/sip:b@x/index';
  const friends = `${document}/~~/resource-lists/list%5b@name=%22friends%22%5d`;
  const close = (uri: string, name: string) =>
    `      <entry uri="sip:${uri}@example.com">\n        <display-name>${name}</display-name>\n      </entry>\n`;
  try {
    const lists = `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="${LIST_NAMESPACE}">\n  <list name="friends">\n  </list>\n</resource-lists>\n`;
    expect((await bills.put(document, RESOURCE_LISTS, lists)).status).toBe(201);
    const service = `<?xml version="1.0" encoding="UTF-8"?>\n<rls-services xmlns="urn:ietf:params:xml:ns:rls-services">\n<service uri="sip:myfriends@example.com">\n  <resource-list>http://xcap.example.com${friends}</resource-list>\n  <packages>\n   <package>presence</package>\n  </packages>\n </service>\n</rls-services>\n`;
    expect((await bills.put('/rls-services/users/sip:b@x/index', RLS_SERVICES, service)).status).toBe(201);
    const bob = '<entry uri="sip:bob@example.com">\n    <display-name>Bob Jones</display-name>\n  </entry>';
    expect((await bills.put(`${friends}/entry`, ELEMENT, bob)).status).toBe(201);
    expect((await bills.get(document)).body).toBe(lists.replace('\n  </list>', `\n  ${bob}</list>`));
    const closeFriends = `<list name="close-friends">\n${close('joe', 'Joe Smith')}${close('nancy', 'Nancy Gross')}${close('petri', 'Petri Aukia')}</list>`;
    expect((await bills.put(`${friends}/list%5b@name=%22close-friends%22%5d`, ELEMENT, closeFriends)).status).toBe(201);
    const inner = `${document}/~~/resource-lists/list/list`;
    expect((await bills.delete(`${inner}/entry%5b@uri=%22sip:petri@example.com%22%5d`)).status).toBe(200);
    const nancy = await bills.get(`${inner}/entry%5b2%5d/@uri`);
    expect([nancy.body, nancy.headers['content-type']]).toEqual(['sip:nancy@example.com', ATTRIBUTE]);
    expect(nancy.headers.etag).toMatch(/^".+"$/);
  } finally {
    await bills.stop();
  }
});
