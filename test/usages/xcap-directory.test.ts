import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { attribute, type XmlElement } from '../../schemas/xml/tree.ts';
import { schemaViolations } from '../../schemas/xml/validate.ts';
import { AUTH_POLICY, byName, entry, F, LISTS, RESOURCE_LISTS, type XcapResponse, XcapServer } from '../rfc4825/xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start({ authenticator: byName });
});
afterAll(() => server.stop());

const AUID = 'org.openmobilealliance.xcap-directory';
const DIRECTORY = `/xcap-root/${AUID}/users/sip:a@x/directory.xml`;
const a = { authorization: 'Test sip:a@x' };

function folder({ body }: XcapResponse, auid: string): Record<string, string>[] {
  const found = parseXml(body).root.elements.filter((e) => attribute(e, 'auid') === auid);
  expect(found).toHaveLength(1);
  const fields = (e: XmlElement) => Object.fromEntries(e.attributes.map(({ local, value }) => [local, value]));
  return found.flatMap((e) => e.elements.map(fields));
}

describe('rule 31: org.openmobilealliance.xcap-directory', () => {
  test("rule 31: it lists a user's documents with etag, last-modified and size, as they are now", async () => {
    const empty = await server.get(DIRECTORY, a);
    expect([empty.status, empty.headers['content-type']]).toEqual([200, 'application/vnd.oma.xcap-directory+xml']);
    expect(schemaViolations('urn:oma:xml:xdm:xcap-directory', empty.body)).toEqual([]);
    expect(folder(empty, 'resource-lists')).toEqual([]);

    const ruleset = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>';
    const before = Date.now();
    const lists = await server.put('/xcap-root/resource-lists/users/sip:a@x/index', RESOURCE_LISTS, LISTS, a);
    const odd = await server.put('/xcap-root/resource-lists/users/sip:a@x/my%20%22lists%22', RESOURCE_LISTS, `${LISTS}<!-- é -->`, a);
    await server.put('/xcap-root/org.openmobilealliance.pres-rules/users/sip:a@x/pres-rules', AUTH_POLICY, ruleset, a);
    await server.put('/xcap-root/resource-lists/users/sip:b@x/index', RESOURCE_LISTS, LISTS, { authorization: 'Test sip:b@x' });

    const full = await server.get(DIRECTORY, a);
    expect(schemaViolations('urn:oma:xml:xdm:xcap-directory', full.body)).toEqual([]);
    const entries = folder(full, 'resource-lists');
    expect(entries.map(({ uri, etag, size }) => [uri, `"${etag}"`, size])).toEqual([
      ['/xcap-root/resource-lists/users/sip:a@x/index', lists.headers.etag, String(Buffer.byteLength(LISTS))],
      ['/xcap-root/resource-lists/users/sip:a@x/my%20%22lists%22', odd.headers.etag, String(Buffer.byteLength(LISTS) + 11)],
    ]);
    for (const one of entries) {
      const modified = Date.parse(one['last-modified'] ?? '');
      expect([modified >= before, modified <= Date.now()]).toEqual([true, true]);
      // Each entry's URI gets its document.
      expect((await server.get(one.uri ?? '', a)).headers.etag).toBe(`"${one.etag}"`);
    }
    expect(folder(full, 'org.openmobilealliance.pres-rules')).toHaveLength(1);

    // Any edit, of a node too, gives the directory another ETag; without one it is the same.
    expect((await server.get(DIRECTORY, { ...a, 'if-none-match': full.headers.etag ?? '' })).status).toBe(304);
    const edit = await server.delete(`${F}/${entry('sip:b@x')}`, a);
    const edited = await server.get(DIRECTORY, { ...a, 'if-none-match': full.headers.etag ?? '' });
    expect(edited.status).toBe(200);
    expect(`"${folder(edited, 'resource-lists')[0]?.etag}"`).toBe(edit.headers.etag);
    await server.delete('/xcap-root/resource-lists/users/sip:a@x/index', a);
    expect(folder(await server.get(DIRECTORY, a), 'resource-lists').map(({ uri }) => uri)).toEqual([entries[1]?.uri]);
  });

  test('rule 31: one folder is read by a node selector', async () => {
    const path = `${DIRECTORY}/~~/xcap-directory/folder%5B@auid=%22pidf-manipulation%22%5D`;
    expect((await server.get(path, a)).body).toMatch(/^<folder auid="pidf-manipulation">\s*<\/folder>$/);
  });

  test('it is read by its user and admins, and written by nobody', async () => {
    expect((await server.get(DIRECTORY, { authorization: 'Test sip:b@x' })).status).toBe(403);
    expect((await server.get(DIRECTORY, { authorization: 'Test admin' })).status).toBe(200);
    const { body } = await server.get(DIRECTORY, a);
    const put = await server.put(DIRECTORY, 'application/vnd.oma.xcap-directory+xml', body, a);
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect((await server.delete(DIRECTORY, a)).status).toBe(405);
  });

  test.each([`${AUID}/users/sip:a@x/index`, `${AUID}/global/directory.xml`])('there is none at %s', async (path) => {
    expect((await server.get(`/xcap-root/${path}`, { authorization: 'Test admin' })).status).toBe(404);
  });
});

test('the texts of what it lists are not read, nor those beside a document that is made', async () => {
  let lists = 0;
  const counted = await XcapServer.start({
    authenticator: byName,
    wrapStore: (store) => ({
      get: (key) => store.get(key),
      list: (auid, xui) => {
        lists++;
        return store.list(auid, xui);
      },
      entries: (auid, xui) => store.entries?.(auid, xui) ?? [],
      listAll: (auid) => store.listAll(auid),
      write: (write) => store.write(write),
      onChange: (listener) => store.onChange(listener),
    }),
  });
  try {
    const path = '/xcap-root/resource-lists/users/sip:a@x/index';
    expect((await counted.put(path, RESOURCE_LISTS, LISTS, a)).status).toBe(201);
    const found = folder(await counted.get(DIRECTORY, a), 'resource-lists');
    expect([found.map(({ uri }) => uri), lists]).toEqual([[path], 0]);
  } finally {
    await counted.stop();
  }
});
