import { afterEach, expect, test } from 'vitest';
import { rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

test('RFC 4745 6.1: two rules of one id are no document, written at once or one after the other', async () => {
  await stage.boot();
  const xcap = await stage.xcap('bob');
  const path = rulesPath('bob');
  const watchers = [stage.address('alice')];
  const twice = await xcap.put(path, rulesDocument(rule('a', 'allow', watchers), rule('a', 'block', watchers)));
  expect([twice.status, (await xcap.get(path)).status]).toEqual([409, 404]);
  expect((await xcap.put(path, rulesDocument(rule('a', 'allow', watchers), rule('b', 'block', watchers)))).status).toBe(201);
  // By its attribute alone.
  const attribute = `${path}/~~/cr:ruleset/cr:rule%5B@id=%22b%22%5D/@id?xmlns(cr=urn:ietf:params:xml:ns:common-policy)`;
  expect((await xcap.request('PUT', attribute, { body: 'a', headers: { 'Content-Type': 'application/xcap-att+xml' } })).status).toBe(409);
  expect((await xcap.get(path)).body).toContain('id="b"');
});
