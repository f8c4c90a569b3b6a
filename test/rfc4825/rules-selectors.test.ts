import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ATTRIBUTE, AUTH_POLICY, byName, D, ELEMENT, entry, F, G, LISTS, RESOURCE_LISTS, XcapServer } from './xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start({ roots: ['/xcap-root', '/', '/services'] });
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.delete(D);
  expect((await server.put(D, RESOURCE_LISTS, LISTS)).status).toBe(201);
});

const status = async (path: string) => (await server.get(path)).status;

describe('rule 4: every step must select exactly one element (RFC 4825 6.3)', () => {
  test('rule 4: two lists match, though only one holds an entry [1]', async () => {
    expect(await status(`${D}/~~/resource-lists/list/entry%5B1%5D`)).toBe(404);
    await server.delete(G);
    expect(await status(`${D}/~~/resource-lists/list/entry%5B1%5D`)).toBe(200);
  });

  test('rule 4: a PUT through such a step finds no parent (8.2.1)', async () => {
    const response = await server.put(`${D}/~~/resource-lists/list/${entry('sip:d@x')}`, ELEMENT, '<entry uri="sip:d@x"/>');
    expect(response.status).toBe(409);
    expect(response.body).toContain('<no-parent');
  });
});

describe('rule 5: several matches at the last step (RFC 4825 8.3, 8.4)', () => {
  test('rule 5: GET and DELETE answer 404', async () => {
    expect(await status(`${F}/entry`)).toBe(404);
    expect((await server.delete(`${F}/entry`)).status).toBe(404);
    expect((await server.get(D)).body).toBe(LISTS);
  });

  test('rule 5: PUT cannot make such a selector select what is put', async () => {
    const response = await server.put(`${F}/entry`, ELEMENT, '<entry uri="sip:d@x"/>');
    expect([response.status, response.body]).toEqual([409, expect.stringContaining('<cannot-insert')]);
  });
});

describe('rule 8: names in selectors (RFC 4825 5.2, 6.3; RFC 5025 9.3)', () => {
  const RULES = '/xcap-root/pres-rules/users/sip:a@x/index';
  const ruleset =
    '<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns="urn:ietf:params:xml:ns:pres-rules"><cr:rule id="a"><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule></cr:ruleset>';

  test('rule 8: the unprefixed step is in pres-rules, so that ruleset is not there', async () => {
    expect((await server.put(RULES, AUTH_POLICY, ruleset)).status).toBe(201);
    expect(await status(`${RULES}/~~/ruleset`)).toBe(404);
    const query = '?xmlns(cp=urn:ietf:params:xml:ns:common-policy)';
    expect(await status(`${RULES}/~~/cp:ruleset${query}`)).toBe(200);
    const handling = await server.get(`${RULES}/~~/cp:ruleset/cp:rule/cp:actions/sub-handling${query}`);
    expect([handling.status, handling.body]).toEqual([200, '<sub-handling>allow</sub-handling>']);
  });

  test('rule 8: an unprefixed attribute is in no namespace, and a declaration is no attribute', async () => {
    const text = `<list name="h" xmlns:e="urn:e" e:k="1" xmlns="urn:ietf:params:xml:ns:resource-lists"/>`;
    await server.put(`${D}/~~/resource-lists/list%5B@name=%22h%22%5D`, ELEMENT, text);
    const list = `${D}/~~/resource-lists/list`;
    expect(await status(`${list}%5B@k=%221%22%5D`)).toBe(404);
    expect(await status(`${list}%5B@e:k=%221%22%5D?xmlns(e=urn:e)`)).toBe(200);
    expect(await status(`${list}%5B@xmlns=%22urn:ietf:params:xml:ns:resource-lists%22%5D`)).toBe(404);
    expect(await status(`${list}%5B@name=%22h%22%5D/@xmlns`)).toBe(404);
    const put = await server.put(`${list}%5B@name=%22h%22%5D/@xmlns`, ATTRIBUTE, 'urn:z');
    expect([put.status, put.body]).toEqual([409, expect.stringContaining('<cannot-insert')]);
  });
});

describe('rule 9: namespace bindings in the query component (RFC 4825 6.4)', () => {
  const LIST = 'urn:ietf:params:xml:ns:resource-lists';
  const path = `${D}/~~/p:resource-lists/q:list%5B@name=%22g%22%5D`;

  test.each([
    ['several parts', `?xmlns(p=${LIST})xmlns(q=${LIST})`],
    ['percent-encoded', `?${encodeURIComponent(`xmlns(p=${LIST})xmlns(q=${LIST})`)}`],
    ['brackets encoded', `?xmlns%28p=${LIST}%29%20xmlns%28q=${LIST}%29`],
    ['an unknown scheme between', `?xmlns(p=${LIST})xpointer(id(%22a%22))element(/1)xmlns(q=${LIST})`],
    ['white space around the equals sign', `?xmlns(p%20=%20${LIST})xmlns(q=${LIST})`],
    ['the later binding counts', `?xmlns(p=urn:wrong)xmlns(p=${LIST})xmlns(q=${LIST})`],
  ])('rule 9: %s', async (_, query) => {
    expect((await server.get(path + query)).body).toBe('<list name="g"></list>');
  });

  test('rule 9: a query that is no pointer -> 400', async () => {
    expect(await status(`${path}?xmlns(p=${LIST}`)).toBe(400);
    expect(await status(`${path}?a=b`)).toBe(400);
  });
});

describe('rule 10: a prefix without a binding (RFC 4825 8)', () => {
  test.each(['GET', 'PUT', 'DELETE'])('rule 10: %s -> 400', async (method) => {
    const steps = [`${D}/~~/z:resource-lists`, `${D}/~~/resource-lists/*%5B@z:a=%22b%22%5D`, `${F}/@z:name`];
    for (const path of steps) {
      expect((await server.request(method, path, { 'content-type': ELEMENT }, '<a/>')).status).toBe(400);
    }
  });
});

describe('rule 18: namespace bindings (RFC 4825 8.2, 8.4, 10)', () => {
  test('rule 18: GET gives the element with every binding in scope, prefixes kept', async () => {
    const document =
      '<r:resource-lists xmlns:r="urn:ietf:params:xml:ns:resource-lists" xmlns:o="urn:&amp;o"><r:list name="f" xmlns="urn:d"/></r:resource-lists>';
    await server.put(D, RESOURCE_LISTS, document);
    const response = await server.get(`${D}/~~/resource-lists/list/namespace::*`);
    expect(response.headers['content-type']).toBe('application/xcap-ns+xml');
    expect(response.body).toBe('<r:list xmlns:r="urn:ietf:params:xml:ns:resource-lists" xmlns:o="urn:&amp;o" xmlns="urn:d"/>');
  });

  test.each(['PUT', 'DELETE'])('rule 18: %s -> 405 with Allow: GET', async (method) => {
    const response = await server.request(method, `${F}/namespace::*`, { 'content-type': ELEMENT }, '<a/>');
    expect(response.status).toBe(405);
    expect(response.headers.allow).toMatch(/\bGET\b/);
    expect(response.headers.allow).not.toMatch(/PUT|DELETE/);
  });
});

describe('rule 20: predicates apply in order (RFC 4825 6.3)', () => {
  test('rule 20: [2][@uri="v"] is the second, if its uri is v', async () => {
    expect(await status(`${F}/entry%5B2%5D%5B@uri=%22sip:c@x%22%5D`)).toBe(200);
    expect(await status(`${F}/entry%5B1%5D%5B@uri=%22sip:c@x%22%5D`)).toBe(404);
    expect(await status(`${F}/*%5B2%5D%5B@uri=%22sip:c@x%22%5D`)).toBe(200);
  });

  test.each([
    'entry%5B@uri=%22sip:c@x%22%5D%5B1%5D',
    'entry%5B1%5D%5B1%5D',
    'entry%5Buri=%22a%22%5D',
    'entry%5B@uri=a%5D',
    'entry%5B-1%5D',
    'entry%5B',
  ])('rule 20: %s is outside the grammar -> 400', async (step) => {
    expect(await status(`${F}/${step}`)).toBe(400);
  });

  test('rule 20: an extension selector that is not known -> 404 (RFC 4825 8)', async () => {
    expect(await status(`${F}/id(%22a%22)`)).toBe(404);
  });
});

describe('rule 21: the URI is split before it is decoded (RFC 4825 6, 6.3)', () => {
  test('rule 21: %7E%7E is the separator too, and the first one counts', async () => {
    expect(await status(F.replace('~~', '%7E%7e'))).toBe(200);
    expect(await status(F.replace('~~', '~%7e'))).toBe(200);
    await server.put(`${F}/${entry('sip:~~/x')}`, ELEMENT, '<entry uri="sip:~~/x"/>');
    expect((await server.get(`${F}/${entry('sip:~~/x')}`)).body).toBe('<entry uri="sip:~~/x"/>');
  });

  test('rule 21: %2F in a value is data, decoded once', async () => {
    const put = await server.put(`${F}/${entry('sip:a%2Fb%252F@x')}`, ELEMENT, '<entry uri="sip:a/b%2F@x"/>');
    expect(put.status).toBe(201);
    expect(await status(`${F}/${entry('sip:a%2Fb%252F@x')}`)).toBe(200);
    expect(await status(`${F}/${entry('sip:a/b%252F@x')}`)).toBe(200);
    expect(await status(`${F}/${entry('sip:a%2Fb%2F@x')}`)).toBe(404);
  });

  test('rule 21: an escaped slash is no separator of steps', async () => {
    expect(await status(F.replace('/resource-lists/list', '/resource-lists%2Flist'))).toBe(404);
  });

  test('rule 21: values are literals with quotes of either kind; references stand for their characters', async () => {
    await server.put(`${F}/${entry('sip:q&amp;r@x')}`, ELEMENT, '<entry uri="sip:q&amp;r@x"/>');
    expect(await status(`${F}/${entry('sip:q%26r@x')}`)).toBe(200);
    expect(await status(`${F}/${entry('sip:q%26amp;r@x')}`)).toBe(200);
    expect(await status(`${F}/entry%5B@uri='sip:q%26r@x'%5D`)).toBe(200);
    expect(await status(`${F}/entry%5B@uri=%27sip:q%26%26%23114;@x%27%5D`)).toBe(200);
  });
});

describe('rule 22: XUIs (RFC 4825 6.2)', () => {
  test.each(['sip%3Aa%40x', 'a@x', 'a', 'a%40x'])('rule 22: %s names sip:a@x', async (xui) => {
    expect((await server.get(D.replace('sip:a@x', xui))).body).toBe(LISTS);
  });

  test('rule 22: an unknown user -> 404, for those who may know who is a user', async () => {
    const strict = await XcapServer.start({ authenticator: byName });
    try {
      const nobody = D.replace('sip:a@x', 'sip:nobody@x');
      expect((await strict.get(nobody)).status).toBe(401);
      expect((await strict.get(nobody, { authorization: 'Test sip:b@x' })).status).toBe(403);
      expect((await strict.get(nobody, { authorization: 'Test admin' })).status).toBe(404);
      expect((await strict.get(D)).status).toBe(401);
    } finally {
      await strict.stop();
    }
    expect(await status(D.replace('sip:a@x', 'sip:nobody@x'))).toBe(404);
  });
});

describe('rule 28: the root element (RFC 4825 8.2.4)', () => {
  test('rule 28: PUT D/~~/resource-lists replaces the root and nothing around it', async () => {
    const root = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="z"/></resource-lists>';
    expect((await server.put(`${D}/~~/resource-lists`, ELEMENT, root)).status).toBe(200);
    expect((await server.get(D)).body).toBe(`<?xml version="1.0" encoding="UTF-8"?>\n${root}\n`);
  });

  test('rule 28: it cannot be removed, nor have a sibling', async () => {
    expect((await server.delete(`${D}/~~/resource-lists`)).status).toBe(409);
    const put = await server.put(`${D}/~~/other`, ELEMENT, '<other/>');
    expect([put.status, put.body]).toEqual([409, expect.stringContaining('<cannot-insert')]);
  });
});

describe('rule 33: request targets (RFC 4825 6.1, 8.2.1; RFC 9112 3.2)', () => {
  test('rule 33: raw [ " @ ] in the request line', async () => {
    const answer = await server.raw(`GET ${D}/~~/resource-lists/list[@name="g"]`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*<list name="g"><\/list>$/);
    const put = await server.raw(
      `PUT ${D}/~~/resource-lists/list[@name="g"]/entry[@uri="sip:d@x"]/@uri`,
      [`Content-Type: ${ATTRIBUTE}`],
      'x',
    );
    expect(put).toMatch(/^HTTP\/1\.1 409 /);
    expect(put).toContain('/~~/resource-lists/list%5B@name=%22g%22%5D</ancestor>');
  });

  test('rule 33: the absolute form, with any authority', async () => {
    expect(await server.raw(`GET http://elsewhere.test:99${F}`)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await server.raw(`GET http://elsewhere.test/`)).toMatch(/^HTTP\/1\.1 404 /);
  });

  test.each(['%', '%4', '%zz', '%C3', '%ff'])('rule 33: the malformed escape %s -> 400', async (escaped) => {
    expect(await server.raw(`GET ${D}${escaped}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await server.raw(`GET ${F}/${escaped}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await server.raw(`GET ${F}?xmlns(a=${escaped})`)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('rule 33: several roots, the longest that matches', async () => {
    for (const root of ['', '/services']) {
      const path = `${root}/resource-lists/users/sip:a@x/index`;
      expect((await server.get(path)).body).toBe(LISTS);
    }
    expect(await status('/elsewhere/resource-lists/users/sip:a@x/index')).toBe(404);
    expect((await server.get('/healthy')).body).toBe('yes');
  });

  test('rule 33: no directory, no document (409 no-parent, 8.2.1)', async () => {
    const path = D.replace('index', 'work/friends.xml');
    const put = await server.put(path, RESOURCE_LISTS, LISTS);
    expect(put.status).toBe(409);
    expect(put.body).toContain('<ancestor>/xcap-root/resource-lists/users/sip:a@x/</ancestor>');
    await server.store.write({ key: { auid: 'resource-lists', xui: 'sip:a@x', name: 'work/other' }, expected: undefined, text: LISTS });
    expect((await server.put(path, RESOURCE_LISTS, LISTS)).status).toBe(201);
    expect((await server.get(path)).body).toBe(LISTS);
  });

  test('rule 33: a directory that a usage has from the start takes a first document', async () => {
    const tree = await XcapServer.start({ adaptUsages: (usages) => usages.map((usage) => ({ ...usage, directories: ['work/old'] })) });
    try {
      const path = D.replace('index', 'work/old/friends.xml');
      expect((await tree.put(path, RESOURCE_LISTS, LISTS)).status).toBe(201);
      expect((await tree.get(path)).body).toBe(LISTS);
      expect((await tree.get(D.replace('index', 'work'))).status).toBe(404);
      expect((await tree.delete(path)).status).toBe(200);
      expect((await tree.get(path)).status).toBe(404);
    } finally {
      await tree.stop();
    }
  });

  test.each([
    ['/xcap-root/resource-lists/users/sip:a@x', 404],
    ['/xcap-root/resource-lists/users/sip:a@x/', 404],
    ['/xcap-root/resource-lists/users//index', 404],
    ['/xcap-root/resource-lists/other/sip:a@x/index', 404],
    ['/xcap-root/resource-lists/users/sip:a@x/%2e%2e', 404],
    ['/xcap-root/resource-lists/users/sip:a@x/./index', 404],
    ['/xcap-root/resource-lists/users/sip:a@x/a%00b', 400],
    ['/xcap-root/resource-lists/users/sip:a@x/a%2Fb', 400],
    [`/xcap-root/resource-lists/users/sip:a@x/${'a'.repeat(600)}`, 400],
    [`/xcap-root/resource-lists/users/sip:a@x/index/~~`, 400],
    [`/xcap-root/resource-lists/users/sip:a@x/index/~~/`, 400],
    [`/xcap-root/resource-lists/users/sip:a@x/index/~~/a//b`, 400],
    [`/xcap-root/resource-lists/users/sip:a@x/index/~~/@name`, 400],
    [`/xcap-root/resource-lists/users/sip:a@x/index/~~/resource-lists/@name/list`, 400],
    ['/xcap-root/resource-lists/global/index', 404],
  ])('rule 33: %s -> %i', async (path, expected) => {
    const response = await server.get(path);
    expect(response.status).toBe(expected);
    expect(response.body.length).toBeGreaterThan(10);
  });
});
