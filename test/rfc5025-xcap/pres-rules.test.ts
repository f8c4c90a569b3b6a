import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseXml } from '../../schemas/xml/parse.ts';
import { AUTH_POLICY, byName, ELEMENT, XcapServer } from '../rfc4825/xcap-server.ts';

let server: XcapServer;
beforeAll(async () => {
  server = await XcapServer.start({ authenticator: byName });
});
afterAll(() => server.stop());

const RULES = '/xcap-root/pres-rules/users/sip:a@x/';
const QUERY = '?xmlns(cr=urn:ietf:params:xml:ns:common-policy)';
const a = { authorization: 'Test sip:a@x' };
const rules = (id: string) =>
  `<cr:ruleset xmlns:cr="urn:ietf:params:xml:ns:common-policy" xmlns="urn:ietf:params:xml:ns:pres-rules"><cr:rule id="${id}"><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule></cr:ruleset>`;

describe('pres-rules documents (RFC 5025 9)', () => {
  test("rule 27: a user's folder takes documents of any name, and the store lists them all (9.7)", async () => {
    const names = ['index', 'friends', 'work.xml'];
    for (const name of names) expect((await server.put(RULES + name, AUTH_POLICY, rules('r1'), a)).status).toBe(201);
    const listed = await server.store.list('pres-rules', 'sip:a@x');
    expect(listed.map(({ key }) => key.name)).toEqual(names.toSorted());
  });

  test('the media type is that of common policy (9.4)', async () => {
    expect((await server.put(`${RULES}t`, 'application/pres-rules+xml', rules('r'), a)).status).toBe(415);
    expect((await server.put(`${RULES}t`, AUTH_POLICY, rules('r'), a)).status).toBe(201);
    expect((await server.get(`${RULES}t`, a)).headers['content-type']).toBe(AUTH_POLICY);
  });

  test('the schema is that of common policy with the presence parts checked (9.2)', async () => {
    const bad = rules('r').replace('>allow<', '>perhaps<');
    const response = await server.put(`${RULES}bad`, AUTH_POLICY, bad, a);
    expect(response.status).toBe(409);
    expect(parseXml(response.body).root.elements[0]?.local).toBe('schema-validation-error');
    const twice = rules('r').replace('</cr:ruleset>', '<cr:rule id="r"/></cr:ruleset>');
    expect((await server.put(`${RULES}bad`, AUTH_POLICY, twice, a)).status).toBe(409);
  });

  test('rules are edited one by one, each by its id (9.3)', async () => {
    await server.put(`${RULES}edit`, AUTH_POLICY, rules('one'), a);
    const path = `${RULES}edit/~~/cr:ruleset/cr:rule%5B@id=%22two%22%5D${QUERY}`;
    const rule = '<cr:rule id="two"><cr:actions><sub-handling>block</sub-handling></cr:actions></cr:rule>';
    expect((await server.put(path, ELEMENT, rule, a)).status).toBe(201);
    expect((await server.get(path, a)).body).toBe(rule);
    expect((await server.put(path.replace('two', 'three'), ELEMENT, rule, a)).status).toBe(409);
    expect((await server.delete(path, a)).status).toBe(200);
    expect((await server.get(`${RULES}edit`, a)).body).toBe(rules('one'));
  });

  test('only the user and an admin see or change them (9.9)', async () => {
    const b = { authorization: 'Test sip:b@x' };
    expect((await server.get(`${RULES}index`, b)).status).toBe(403);
    expect((await server.put(`${RULES}index`, AUTH_POLICY, rules('r'), b)).status).toBe(403);
    expect((await server.get(`${RULES}index`, { authorization: 'Test admin' })).status).toBe(200);
  });
});
