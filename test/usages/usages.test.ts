import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { attribute } from '../../schemas/xml/tree.ts';
import { byName, ELEMENT, type XcapResponse, XcapServer } from '../rfc4825/xcap-server.ts';
import { icon, OMA, PIDF, USAGES } from './usages.ts';

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

describe.each(USAGES)('$auid', ({ auid, name, type, document, node, before, after, bad, wrong, open = false }) => {
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

describe('usages whose documents the server makes', () => {
  test.each([
    ['xcap-caps', 'global/index', 'application/xcap-caps+xml', b],
    ['org.openmobilealliance.xcap-directory', 'users/sip:a@x/directory.xml', `${OMA}xcap-directory+xml`, a],
    ['rls-services', 'global/index', 'application/rls-services+xml', admin],
  ])('%s: %s is read, whole and by node, and changed by nobody', async (auid, name, type, reader) => {
    const path = `/xcap-root/${auid}/${name}`;
    const { status, headers, body } = await server.get(path, reader);
    expect([status, headers['content-type']]).toEqual([200, type]);
    expect((await server.get(`${path}/~~/*`, reader)).body).toBe(body.slice(body.indexOf('<', 2), body.lastIndexOf('>') + 1));
    for (const who of [reader, admin]) {
      for (const answer of [
        await server.put(path, type, body, who),
        await server.put(`${path}/~~/*`, ELEMENT, '<a/>', who),
        await server.delete(path, who),
        await server.delete(`${path}/~~/*/*%5B1%5D`, who),
      ]) {
        // RFC 4825 8: who may not write is told that first.
        if (who !== b) expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
        else expect(answer.status).toBe(403);
      }
    }
    expect((await server.get(path, reader)).headers.etag).toBe(headers.etag);
  });

  test('RFC 4825 12: xcap-caps names every AUID that there is', async () => {
    const { body } = await server.get('/xcap-root/xcap-caps/global/index', a);
    const named = [...body.matchAll(/<auid>([^<]*)<\/auid>/g)].map(([, auid]) => auid);
    const made = ['xcap-caps', 'org.openmobilealliance.xcap-directory'];
    expect(named.toSorted()).toEqual([...new Set([...USAGES.map(({ auid }) => auid), ...made])].toSorted());
  });

  test('RFC 4826 4.4.9: the union of all services is for admins alone', async () => {
    const union = '/xcap-root/rls-services/global/index';
    expect((await server.get(union, a)).status).toBe(403);
    expect((await server.get(`${union}/~~/rls-services/service%5B1%5D`, a)).status).toBe(403);
    expect((await server.get(union, { ...a, 'if-none-match': '*' })).status).toBe(403);
    expect((await server.get(union, admin)).status).toBe(200);
  });
});

describe('particulars', () => {
  test('RFC 4827 9: a user has one presence document, named index', async () => {
    const document = `<presence xmlns="${PIDF}" entity="sip:a@x"/>`;
    const response = await server.put(`/xcap-root/pidf-manipulation/users/sip:a@x/other`, 'application/pidf+xml', document, admin);
    expect(conflict(response)).toEqual([409, 'constraint-failure', expect.stringContaining('index')]);
    const global = await server.put(`/xcap-root/pidf-manipulation/global/index`, 'application/pidf+xml', document, admin);
    expect([global.status, global.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
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
