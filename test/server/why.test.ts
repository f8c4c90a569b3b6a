import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { XcapClient } from '../helpers/xcap-client.ts';
import { rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { run } from './command.ts';

let stage: Stage;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
});
afterEach(() => stage.close());

const person = (sphere: string) =>
  `<dm:person id="p"><rpid:mood><rpid:happy/></rpid:mood><rpid:sphere><rpid:${sphere}/></rpid:sphere></dm:person>`;
const presence = (sphere: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:bob@example.com"><tuple id="t"><status><basic>open</basic></status><contact>sip:bob@192.0.2.1</contact></tuple>${person(sphere)}</presence>`;

const RULES = `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy">
<cr:rule id="work"><cr:conditions><cr:identity><cr:one id="sip:alice@example.com"/></cr:identity><cr:sphere value="work"/></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions><cr:transformations><provide-persons><all-persons/></provide-persons><provide-mood>true</provide-mood></cr:transformations></cr:rule>
<cr:rule id="century"><cr:conditions><cr:identity><cr:many domain="example.com"/></cr:identity><cr:validity><cr:from>2020-01-01T00:00:00Z</cr:from><cr:until>2100-01-01T00:00:00Z</cr:until></cr:validity></cr:conditions><cr:actions><sub-handling>confirm</sub-handling></cr:actions><cr:transformations/></cr:rule>
<cr:rule id="past"><cr:conditions><cr:identity><cr:one id="sip:alice@example.com"/></cr:identity><cr:validity><cr:from>2001-01-01T00:00:00Z</cr:from><cr:until>2002-01-01T00:00:00Z</cr:until></cr:validity></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions><cr:transformations><provide-all-attributes/></cr:transformations></cr:rule>
<cr:rule id="moon"><cr:conditions><x:moon xmlns:x="urn:x"/></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions></cr:rule>
</cr:ruleset>`;

const why = (...words: string[]) => {
  if (!('running' in stage.server)) throw new Error('the server is not in this process');
  const { running } = stage.server as { running: { config: { dataDirectory: string } } };
  return run(['why', ...words, '--data', running.config.dataDirectory]);
};

describe('rollcall why', () => {
  test('tells the decision, each rule and condition, when it changes, and what the watcher sees', async () => {
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    const xcap = await stage.xcap('bob');
    expect((await xcap.put(rulesPath('bob'), RULES)).status).toBe(201);
    await bob.publish(presence('work'), { expires: 600 });
    const subscription = await alice.subscribe(bob.address, { expires: 600 });
    const told = await subscription.notify();
    const { code, out } = await why('alice', 'bob');
    expect(code).toBe(0);
    for (const line of [
      'sip:alice@example.com -> sip:bob@example.com, presence: allow',
      'until: 2100-01-01T00:00:00.000Z at the latest',
      'sphere: work',
      'grants: all persons, mood',
      'documents: pres-rules/users/sip:bob@example.com/index',
      'rule work of pres-rules/users/sip:bob@example.com/index: holds',
      'rule past of pres-rules/users/sip:bob@example.com/index: does not hold',
      'no  validity: from 2001-01-01T00:00:00.000Z until 2002-01-01T00:00:00.000Z (it is ',
      'no  unknown: unknown condition moon (the condition is not understood)',
      'subscription: active since ',
    ]) {
      expect(out).toContain(line);
    }
    // The very body that was sent.
    expect(out).toContain(told.body.trimEnd());
    expect(out).toContain('mood');
    expect(out).not.toMatch(/<tuple|rpid:sphere>/);

    await bob.publish(presence('home'), { expires: 600 });
    const later = await why('alice', 'bob', '--json');
    const answer = JSON.parse(later.out);
    expect(answer).toMatchObject({ decision: 'confirm', grants: [] });
    // The two publications do not agree about the sphere.
    expect(answer.sphere).toBeUndefined();
    expect(answer.sees).toBeUndefined();
    expect(answer.rules.find(({ id }: { id: string }) => id === 'work')).toMatchObject({
      holds: false,
      conditions: [{ holds: true }, { holds: false, because: expect.stringContaining('the sphere is not known') }],
    });
  });

  test('knows watchers of other domains, the anonymous, the user and other packages', async () => {
    await stage.user('bob');
    const xcap = await stage.xcap('bob');
    await xcap.put(rulesPath('bob'), RULES);
    const decisionOf = async (...words: string[]) => JSON.parse((await why(...words, '--json')).out).decision;
    expect(await decisionOf('carol@elsewhere.org', 'bob')).toBe('confirm');
    expect(await decisionOf('anonymous', 'bob')).toBe('confirm');
    expect(await decisionOf('bob', 'bob')).toBe('allow');
    expect(await decisionOf('carol@elsewhere.org', 'bob', '--package', 'dialog')).toBe('block');
    expect(await why('alice', 'nobody')).toMatchObject({ code: 1, err: expect.stringContaining('no such presentity') });
    expect(await why('bob', 'bob', '--package', 'reg')).toMatchObject({ code: 1, err: expect.stringContaining('no rules decide') });
  });

  test('is for admins alone over HTTP', async () => {
    await stage.admin('boss');
    await stage.user('bob');
    const { http } = stage.server;
    const as = (user: string) =>
      new XcapClient({ host: http.address, port: http.port, root: '/admin', user, password: `secret of ${user}`, auth: 'digest' });
    const path = '/why?watcher=alice%40example.com&presentity=bob';
    expect((await as('bob').get(path)).status).toBe(403);
    const answer = await as('boss').get(path);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ decision: 'confirm', rules: [], documents: [] });
    expect((await as('boss').get('/why?presentity=bob')).status).toBe(400);
    expect((await as('boss').get('/why?watcher=x&presentity=nobody')).status).toBe(404);
  });
});
