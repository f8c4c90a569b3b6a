import { METHODS } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { textContent } from '../../schemas/xml/tree.ts';
import { schemaNamespaces, schemaViolations } from '../../schemas/xml/validate.ts';
import type { DocumentStore } from '../../xcap/document-store.ts';
import { ATTRIBUTE, byName, D, ELEMENT, entry, F, G, LISTS, RESOURCE_LISTS, RLS_SERVICES, XcapServer } from './xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start();
});
afterAll(() => server.stop());
let etag = '';
beforeEach(async () => {
  await server.delete(D);
  const created = await server.put(D, RESOURCE_LISTS, LISTS);
  expect(created.status).toBe(201);
  etag = created.headers.etag ?? '';
});

describe('rule 15: If-None-Match: * (RFC 4825 8.2.6)', () => {
  test('rule 15: on an element or attribute PUT -> 412 when the document exists', async () => {
    const star = { 'if-none-match': '*' };
    expect((await server.put(`${F}/${entry('sip:d@x')}`, ELEMENT, '<entry uri="sip:d@x"/>', star)).status).toBe(412);
    expect((await server.put(`${G}/@name`, ATTRIBUTE, 'g', star)).status).toBe(412);
    expect((await server.get(D)).body).toBe(LISTS);
  });

  test('rule 15: a new document -> 201, an existing one -> 412', async () => {
    const star = { 'if-none-match': '*' };
    expect((await server.put(D, RESOURCE_LISTS, LISTS, star)).status).toBe(412);
    await server.delete(D);
    expect((await server.put(D, RESOURCE_LISTS, LISTS, star)).status).toBe(201);
  });
});

describe('rule 16: entity tags (RFC 4825 7.11, 8.5; RFC 9110 13.1)', () => {
  test('rule 16: one strong ETag per document, on every success, new with every change', async () => {
    expect(etag).toMatch(/^"[^"]+"$/);
    const seen = [etag];
    for (const path of [D, F, `${F}/@name`, `${F}/namespace::*`]) expect((await server.get(path)).headers.etag).toBe(etag);
    const changes = [
      await server.put(`${F}/${entry('sip:d@x')}`, ELEMENT, '<entry uri="sip:d@x"/>'),
      await server.put(`${D}/~~/resource-lists/list%5B2%5D/@name`, ATTRIBUTE, 'h'),
      await server.delete(`${F}/${entry('sip:d@x')}`),
      await server.put(D, RESOURCE_LISTS, LISTS.replace('"g"', '"i"')),
    ];
    for (const { headers, status } of changes) {
      expect(status).toBeLessThan(202);
      seen.push(headers.etag ?? '');
      expect(headers.etag).toMatch(/^"[^"]+"$/);
    }
    expect(new Set(seen).size).toBe(5);
    expect((await server.get(D)).headers.etag).toBe(seen.at(-1));
    expect((await server.delete(D)).headers.etag).toBeUndefined();
  });

  test.each([
    ['the tag', (tag: string) => tag, 200],
    ['any', () => '*', 200],
    ['in a list', (tag: string) => `"a,b" , ${tag},"c"`, 200],
    ['a weak tag, which never matches', (tag: string) => `W/${tag}`, 412],
    ['other tags', () => '"x", W/"y"', 412],
    ['no tag at all', () => '', 412],
  ])('rule 16: If-Match: %s', async (_, header, expected) => {
    const condition = { 'if-match': header(etag) };
    const response = await server.put(`${F}/${entry('sip:d@x')}`, ELEMENT, '<entry uri="sip:d@x"/>', condition);
    expect(response.status).toBe(expected === 200 ? 201 : 412);
    expect((await server.get(`${F}/${entry('sip:d@x')}`)).status).toBe(expected === 200 ? 200 : 404);
  });

  test('rule 16: If-Match on a missing document -> 412', async () => {
    await server.delete(D);
    for (const tag of ['*', '"x"']) {
      expect((await server.put(D, RESOURCE_LISTS, LISTS, { 'if-match': tag })).status).toBe(412);
      expect((await server.put(F, ELEMENT, '<list/>', { 'if-match': tag })).status).toBe(412);
      expect((await server.delete(D, { 'if-match': tag })).status).toBe(412);
    }
    expect((await server.get(D)).status).toBe(404);
  });

  test('rule 16: a stale If-Match fails though the body is what is stored', async () => {
    await server.put(D, RESOURCE_LISTS, LISTS.replace('"g"', '"h"'));
    await server.put(D, RESOURCE_LISTS, LISTS);
    const stale = await server.put(D, RESOURCE_LISTS, LISTS, { 'if-match': etag });
    expect(stale.status).toBe(412);
    expect((await server.delete(F, { 'if-match': etag })).status).toBe(412);
  });

  test('rule 16: GET with a matching If-None-Match -> 304, for nodes too, weakly compared', async () => {
    for (const path of [D, F]) {
      for (const tags of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
        const response = await server.get(path, { 'if-none-match': tags });
        expect([response.status, response.body, response.headers.etag]).toEqual([304, '', etag]);
      }
      expect((await server.get(path, { 'if-none-match': '"x"' })).status).toBe(200);
    }
    expect((await server.get(D, { 'if-match': '"x"' })).status).toBe(412);
    expect((await server.put(D, RESOURCE_LISTS, LISTS, { 'if-none-match': etag })).status).toBe(412);
  });

  test('rule 16: modification dates, where there are no tags', async () => {
    const { headers } = await server.get(D);
    const modified = headers['last-modified'] ?? '';
    expect((await server.get(D, { 'if-modified-since': modified })).status).toBe(304);
    expect((await server.get(D, { 'if-modified-since': modified, 'if-none-match': '"x"' })).status).toBe(200);
    expect((await server.get(D, { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).status).toBe(200);
    expect((await server.get(D, { 'if-modified-since': 'nonsense' })).status).toBe(200);
    // RFC 9110 13.1.3: what is no HTTP date (5.6.7) is no condition, even if it could be read as one.
    for (const date of ['2099', '2099-01-01', 'Jan 1 2099', 'Thu, 01 Jan 2099 00:00:00 +0000', 'Thu, 99 Jan 2099 00:00:00 GMT']) {
      expect([date, (await server.get(D, { 'if-modified-since': date })).status]).toEqual([date, 200]);
      expect((await server.get(D, { 'if-unmodified-since': date.replace('2099', '1999') })).status).toBe(200);
    }
    for (const date of ['Thursday, 01-Jan-37 00:00:00 GMT', 'Thu Jan  1 00:00:00 2037', 'Thu Jan 01 00:00:00 2037']) {
      expect([date, (await server.get(D, { 'if-modified-since': date })).status]).toEqual([date, 304]);
    }
    expect((await server.delete(D, { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).status).toBe(412);
    expect((await server.delete(D, { 'if-unmodified-since': modified })).status).toBe(200);
  });
});

describe('rule 23: the order of checks (RFC 4825 8, 5.7)', () => {
  let strict: XcapServer;
  beforeAll(async () => {
    strict = await XcapServer.start({ authenticator: byName });
  });
  afterAll(() => strict.stop());
  const as = (user: string) => ({ authorization: `Test ${user}` });
  const badPrefix = `${D}/~~/z:list`;

  test('rule 23: unknown usage 404, then 401, then 403, then the prefix 400, then the method itself', async () => {
    expect((await strict.get(badPrefix.replace('resource-lists', 'unknown'))).status).toBe(404);
    const challenged = await strict.get(badPrefix);
    expect(challenged.status).toBe(401);
    expect(challenged.headers['www-authenticate']).toBe('Digest realm="x", nonce="n", Basic realm="x"');
    expect((await strict.get(badPrefix, as('sip:b@x'))).status).toBe(403);
    expect((await strict.get(badPrefix, as('sip:a@x'))).status).toBe(400);
    expect((await strict.get(D, as('sip:a@x'))).status).toBe(404);
  });

  test('rule 23: own documents or an admin; the global tree is read by all and written by admins', async () => {
    const global = '/xcap-root/resource-lists/global/index';
    expect((await strict.put(D, RESOURCE_LISTS, LISTS, as('sip:b@x'))).status).toBe(403);
    expect((await strict.put(D, RESOURCE_LISTS, LISTS, as('sip:a@x'))).status).toBe(201);
    expect((await strict.get(D, as('sip:b@x'))).status).toBe(403);
    expect((await strict.delete(D, as('sip:b@x'))).status).toBe(403);
    expect((await strict.get(D, as('admin'))).status).toBe(200);
    expect((await strict.put(global, RESOURCE_LISTS, LISTS, as('sip:a@x'))).status).toBe(403);
    expect((await strict.put(global, RESOURCE_LISTS, LISTS, as('admin'))).status).toBe(201);
    expect((await strict.get(global, as('sip:a@x'))).body).toBe(LISTS);
    expect((await strict.get('/xcap-root/xcap-caps/global/index', as('sip:a@x'))).status).toBe(200);
  });

  test('rule 23: the union of all services is for trusted users (RFC 4826 4.4.9)', async () => {
    const index = '/xcap-root/rls-services/global/index';
    expect((await strict.get(index, as('sip:a@x'))).status).toBe(403);
    expect((await strict.get(index, as('admin'))).status).toBe(200);
  });
});

describe('rule 29: methods (RFC 4825 8.1)', () => {
  test('rule 29: POST and every other method that HTTP knows -> 405 with Allow', async () => {
    const understood = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'CONNECT'];
    for (const method of METHODS.filter((m) => !understood.includes(m))) {
      for (const body of [undefined, 'x']) {
        const response = await server.request(method, F, body === undefined ? {} : { 'content-type': 'text/plain' }, body);
        expect([method, response.status, response.headers.allow]).toEqual([method, 405, 'GET, HEAD, PUT, DELETE, OPTIONS']);
      }
    }
  });

  test('rule 29: OPTIONS tells the methods, HEAD is GET without the body', async () => {
    const options = await server.request('OPTIONS', D);
    expect([options.status, options.headers.allow]).toEqual([204, 'GET, HEAD, PUT, DELETE, OPTIONS']);
    for (const path of [D, F, `${D}x`]) {
      const head = await server.request('HEAD', path);
      const get = await server.get(path);
      expect(head.body).toBe('');
      for (const name of ['etag', 'content-type', 'content-length', 'last-modified']) expect(head.headers[name]).toBe(get.headers[name]);
      expect(head.status).toBe(get.status);
    }
  });

  test('rule 29: a method that HTTP does not know is answered and the server lives on', async () => {
    expect(await server.raw(`FOO ${D}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect((await server.get(D)).status).toBe(200);
  });
});

describe('rule 30: xcap-caps (RFC 4825 12)', () => {
  const CAPS = '/xcap-root/xcap-caps/global/index';

  test('rule 30: global/index lists the usages and namespaces there are, and is valid', async () => {
    const { status, body, headers } = await server.get(CAPS);
    expect([status, headers['content-type']]).toEqual([200, 'application/xcap-caps+xml']);
    expect(schemaViolations('urn:ietf:params:xml:ns:xcap-caps', body)).toEqual([]);
    const [auids, , namespaces] = parseXml(body).root.elements.map((section) => section.elements.map(textContent));
    expect(auids?.toSorted()).toEqual([
      'oma_status-icon',
      'org.openmobilealliance.group-usage-list',
      'org.openmobilealliance.pres-content',
      'org.openmobilealliance.pres-rules',
      'org.openmobilealliance.user-profile',
      'org.openmobilealliance.xcap-directory',
      'org.openxcap.dialog-rules',
      'pidf-manipulation',
      'pres-rules',
      'resource-lists',
      'rls-services',
      'simservs.ngn.etsi.org',
      'xcap-caps',
    ]);
    // What is listed is there, and what is there can be validated.
    for (const auid of auids ?? []) expect((await server.get(`/xcap-root/${auid}/users/sip:a@x/none`)).body).toContain('no document');
    for (const namespace of namespaces ?? []) expect(schemaNamespaces()).toContain(namespace);
    for (const name of ['xcap-caps', 'resource-lists', 'rls-services', 'pres-rules', 'common-policy']) {
      expect(namespaces).toContain(`urn:ietf:params:xml:ns:${name}`);
    }
  });

  test('rule 30: it has nodes and an ETag like any document, and is only read', async () => {
    const { headers } = await server.get(CAPS);
    expect((await server.get(CAPS, { 'if-none-match': headers.etag ?? '' })).status).toBe(304);
    expect((await server.get(`${CAPS}/~~/xcap-caps/auids/auid%5B1%5D`)).body).toBe('<auid>xcap-caps</auid>');
    const put = await server.put(CAPS, 'application/xcap-caps+xml', '<xcap-caps xmlns="urn:ietf:params:xml:ns:xcap-caps"/>');
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect((await server.delete(CAPS)).status).toBe(405);
    expect((await server.get('/xcap-root/xcap-caps/global/other')).status).toBe(404);
    expect((await server.get('/xcap-root/xcap-caps/users/sip:a@x/index')).status).toBe(404);
    expect((await server.put('/xcap-root/xcap-caps/users/sip:a@x/index', 'application/xcap-caps+xml', 'x')).status).toBe(405);
  });
});

describe('rule 32: concurrency (RFC 4825 7.11, 8.5)', () => {
  test('rule 32: twenty parallel inserts give twenty entries, each answer its own ETag', async () => {
    const uris = Array.from({ length: 20 }, (_, i) => `sip:u${i}@x`);
    const answers = await Promise.all(uris.map((uri) => server.put(`${G}/${entry(uri)}`, ELEMENT, `<entry uri="${uri}"/>`)));
    expect(answers.map(({ status }) => status)).toEqual(uris.map(() => 201));
    expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(20);
    const list = parseXml((await server.get(G)).body).root;
    expect(list.elements.map((e) => e.attributes[0]?.value).toSorted()).toEqual(uris.toSorted());
  });

  test('rule 32: two hundred parallel edits of different kinds all survive', async () => {
    const other = D.replace('index', 'other');
    await server.put(other, RESOURCE_LISTS, LISTS);
    const uris = Array.from({ length: 40 }, (_, i) => `sip:u${i}@x`);
    for (const uri of uris) await server.put(`${F}/${entry(uri)}`, ELEMENT, `<entry uri="${uri}"/>`);
    const edits = uris.flatMap((uri, i) => [
      server.put(`${G}/${entry(uri)}`, ELEMENT, `<entry uri="${uri}"/>`),
      server.put(`${F}/${entry(uri)}/display-name`, ELEMENT, `<display-name>${i}</display-name>`),
      server.put(`${D}/~~/resource-lists/list%5B@name=%22h${i}%22%5D`, ELEMENT, `<list name="h${i}"/>`),
      server.put(`${other}/~~/resource-lists/list%5B1%5D/${entry(uri)}`, ELEMENT, `<entry uri="${uri}"/>`),
      server.get(D),
    ]);
    const answers = await Promise.all(edits);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 201]));
    const [f, g, ...more] = parseXml((await server.get(D)).body).root.elements;
    expect(g?.elements.length).toBe(40);
    expect(more.length).toBe(40);
    expect(f?.elements.slice(2).map((e) => e.elements[0] && textContent(e.elements[0]))).toEqual(uris.map((_, i) => String(i)));
    expect(parseXml((await server.get(other)).body).root.elements[0]?.elements.length).toBe(42);
    const removals = await Promise.all(uris.map((uri) => server.delete(`${G}/${entry(uri)}`)));
    expect(removals.every(({ status }) => status === 200)).toBe(true);
    expect((await server.get(G)).body).toBe('<list name="g"></list>');
  });

  test('rule 32: so do many more edits than one commit lets through, and they are made in turn', async () => {
    let underWay = 0;
    let most = 0;
    const slow = await XcapServer.start({
      wrapStore: (store) => ({
        ...wrapped(store),
        async write(write) {
          most = Math.max(most, ++underWay);
          await new Promise((resolve) => setImmediate(resolve));
          return store.write(write).finally(() => underWay--);
        },
      }),
    });
    try {
      await slow.put(D, RESOURCE_LISTS, LISTS);
      const uris = Array.from({ length: 100 }, (_, i) => `sip:u${i}@x`);
      const answers = await Promise.all(uris.map((uri) => slow.put(`${G}/${entry(uri)}`, ELEMENT, `<entry uri="${uri}"/>`)));
      expect(answers.every(({ status }) => status === 201)).toBe(true);
      expect(parseXml((await slow.get(G)).body).root.elements.length).toBe(100);
      expect(most).toBe(1);
    } finally {
      await slow.stop();
    }
  });

  test('rule 32: of many conditional edits on one ETag exactly one comes first', async () => {
    const condition = { 'if-match': etag };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => server.put(`${G}/${entry(`sip:u${i}@x`)}`, ELEMENT, `<entry uri="sip:u${i}@x"/>`, condition)),
    );
    expect(answers.filter(({ status }) => status === 201).length).toBe(1);
    expect(answers.filter(({ status }) => status === 412).length).toBe(19);
  });

  test('rule 32: of parallel PUTs of one new document exactly one creates it', async () => {
    const path = D.replace('index', 'new');
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => server.put(path, RESOURCE_LISTS, LISTS.replace('"g"', `"g${i}"`))),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array.from({ length: 9 }, () => 200), 201]);
    await server.delete(path);
  });

  test('rule 32: an edit that another writer of the store came before is made again to the newer text', async () => {
    let interfere = 0;
    let written = 0;
    const shared = await XcapServer.start({
      wrapStore: (store) => ({
        ...wrapped(store),
        get: (key) => Promise.resolve(store.get(key)),
        async write(write) {
          const current = await store.get(write.key);
          if (current && interfere-- > 0) {
            const text = current.text.replace('</resource-lists>', `<list name="other${written++}"/></resource-lists>`);
            await store.write({ key: write.key, expected: current.etag, text });
          }
          return store.write(write);
        },
      }),
    });
    try {
      const { headers } = await shared.put(D, RESOURCE_LISTS, LISTS);
      interfere = 3;
      expect((await shared.put(`${G}/entry`, ELEMENT, '<entry uri="sip:d@x"/>')).status).toBe(201);
      const { body } = await shared.get(D);
      for (const part of ['sip:d@x', 'other0', 'other1', 'other2']) expect(body).toContain(part);
      interfere = 1;
      const conditional = { 'if-match': (await shared.get(D)).headers.etag ?? '' };
      expect((await shared.delete(F, conditional)).status).toBe(412);
      interfere = 1000;
      const hopeless = await shared.delete(F);
      expect([hopeless.status, hopeless.headers['retry-after']]).toEqual([503, '1']);
      interfere = 0;
      expect((await shared.get(F)).status).toBe(200);
      expect(headers.etag).toBeDefined();
    } finally {
      await shared.stop();
    }
  });
});

describe('answers that an admin understands (RFC 9110 15)', () => {
  test('a 404 says what is missing', async () => {
    const { body, headers } = await server.get('/xcap-root/resource-lists/users/sip:b@x/index');
    expect([body, headers['content-type']]).toEqual([
      'there is no document resource-lists/users/sip:b@x/index\n',
      'text/plain; charset=utf-8',
    ]);
  });

  test('a failing store is a 500 without its insides, and the server lives on', async () => {
    const broken = await XcapServer.start({
      wrapStore: (store) => ({ ...wrapped(store), write: () => Promise.reject(new Error('disk /secret is full')) }),
    });
    try {
      const { status, body } = await broken.put(D, RESOURCE_LISTS, LISTS);
      expect([status, body]).toEqual([500, 'the server could not answer the request\n']);
      const services = broken.services.find('sip:s@x');
      expect(services).toBeUndefined();
      expect((await broken.put('/xcap-root/rls-services/users/sip:a@x/index', RLS_SERVICES, '<a/>')).status).toBe(409);
    } finally {
      await broken.stop();
    }
  });
});

function wrapped(store: DocumentStore): Omit<DocumentStore, 'write'> {
  return {
    get: (key) => store.get(key),
    list: (auid, xui) => store.list(auid, xui),
    listAll: (auid) => store.listAll(auid),
    onChange: (listener) => store.onChange(listener),
  };
}
