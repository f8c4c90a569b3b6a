/** What is in the database otherwise than by our own writing: a document no client could have stored, or a table that is gone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import type { Config } from '../../server/config.ts';
import { header } from '../helpers/sip-message.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { LIST_ACCEPT, ListWatcher } from '../rfc4662/list-stage.ts';
import { ruleset, ruleXml } from '../rfc4745/decide-by.ts';
import { pidf, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchersNamed } from '../scenarios/steps.ts';

const stage = new Stage();
let data = '';
afterEach(async () => {
  await stage.close();
  await rm(data, { recursive: true, force: true });
});

const SERVICES = '<p:provide-services><p:all-services/></p:provide-services>';
const BROKEN = '<ruleset><rule id="a">';

/** Starts a server on data of an earlier one, into which these documents have come. */
async function boot(
  settings: Partial<Config>,
  documents: readonly { auid: string; user: string; name: string; text: string }[],
): Promise<void> {
  data = await mkdtemp(join(tmpdir(), 'rollcall-unread-'));
  await stage.boot({ dataDirectory: data, ...settings });
  await stage.close();
  const database = new Database(join(data, 'documents.db'));
  const insert = database.prepare('INSERT INTO documents (auid, xui, name, etag, modified, text) VALUES (?, ?, ?, ?, 0, ?)');
  for (const { auid, user, name, text } of documents) insert.run(auid, stage.address(user), name, `etag of ${auid}`, text);
  database.close();
  await stage.boot({ dataDirectory: data, ...settings });
}

const rulesOf = (text: string, name = 'index', auid = 'pres-rules') => ({ auid, user: 'bob', name, text });

describe('RFC 5025 3.2.1: rules that cannot be read let nobody in', () => {
  it.each([
    ['no XML', BROKEN],
    ['another root', '<a/>'],
    ['nothing', ''],
  ])(
    '%s: what would be allowed by default is left to the presentity, who repairs it by writing the document again',
    async (_what, text) => {
      await boot({ defaultDecision: 'allow' }, [rulesOf(text)]);
      const bob = await stage.peer('bob');
      const alice = await stage.peer('alice');
      await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
      const watching = await alice.subscribe(bob.address, { expires: 600 });
      expect(watching.response.status).toBe(200);
      expect(await watching.notify()).toMatchObject({ state: 'pending', body: '' });
      const winfo = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
      expect(watchersNamed(stage, readWatcherinfo((await winfo.notify()).body), 'alice')).toEqual([
        { status: 'pending', event: 'subscribe' },
      ]);
      const own = await bob.subscribe(bob.address, { expires: 600 });
      expect((await own.notify()).body).toContain('open');
      const xcap = await stage.xcap('bob');
      expect(
        (await xcap.put(rulesPath('bob'), ruleset(ruleXml('a', `<identity><one id="${alice.address}"/></identity>`, 'allow', SERVICES))))
          .status,
      ).toBe(200);
      expect((await watching.notify()).body).toContain('open');
    },
  );

  it.each([
    ['block', 403, undefined],
    ['confirm', 200, 'pending'],
    ['polite-block', 200, 'active'],
  ] as const)('a default that is as strict or stricter stays: %s', async (defaultDecision, status, state) => {
    await boot({ defaultDecision }, [rulesOf(BROKEN)]);
    const bob = await stage.peer('bob');
    const alice = await stage.peer('alice');
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    expect(watching.response.status).toBe(status);
    if (state) expect(await watching.notify()).toMatchObject({ state, body: expect.not.stringContaining('open') });
  });

  it('rules of other documents hold, and nobody counts as one whom no rule names', async () => {
    const good = ruleset(
      ruleXml('a', '<identity><one id="sip:alice@example.com"/></identity>', 'allow', SERVICES),
      ruleXml('o', '<o:other-identity/>', 'allow', SERVICES),
    );
    await boot({ defaultDecision: 'confirm' }, [rulesOf(good), rulesOf(BROKEN, 'pres-rules', 'org.openmobilealliance.pres-rules')]);
    const alice = await stage.peer('alice');
    const carol = await stage.peer('carol');
    const bob = await stage.peer('bob');
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
    expect((await (await alice.subscribe(bob.address, { expires: 600 })).notify()).body).toContain('open');
    expect(await (await carol.subscribe(bob.address, { expires: 600 })).notify()).toMatchObject({ state: 'pending', body: '' });
  });

  it('lists that rules refer to and that cannot be read have no members, and nobody is beyond them', async () => {
    const list = (name: string) => `${stage.root}/resource-lists/users/bob/${name}/~~/resource-lists/list%5B@name=%22friends%22%5D`;
    await boot({ defaultDecision: 'allow' }, [{ auid: 'resource-lists', user: 'bob', name: 'index', text: '<resource-lists' }]);
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
    const friends = `<o:external-list><o:entry anc="${list('index')}"/></o:external-list>`;
    const xcap = await stage.xcap('bob');
    const rules = ruleset(ruleXml('f', friends, 'polite-block'), ruleXml('o', '<o:other-identity/>', 'allow', SERVICES));
    expect((await xcap.put(rulesPath('bob'), rules)).status).toBe(201);
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    expect(await watching.notify()).toMatchObject({ state: 'pending', body: '' });
    const repaired = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"/></resource-lists>';
    expect((await xcap.put('/resource-lists/users/bob/index', repaired)).status).toBe(200);
    expect((await watching.notify()).body).toContain('open');
  });
});

describe('what depends on documents that cannot be read', () => {
  it('a list service: others go on, it is not there', async () => {
    await boot({ defaultDecision: 'allow' }, [{ auid: 'rls-services', user: 'bob', name: 'index', text: '<rls-services' }]);
    const bob = await stage.peer('bob');
    const alice = await stage.peer('alice');
    const xcap = await stage.xcap('alice');
    const services = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="${stage.address('alice-list')}"><list xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:entry uri="${bob.address}"/></list></service></rls-services>`;
    expect((await xcap.put('/rls-services/users/alice/index', services)).status).toBe(201);
    const watcher = await ListWatcher.open(alice, stage.address('alice-list'));
    expect(watcher.view.words()).toEqual({ bob: 'closed' });
    const asked = { accept: LIST_ACCEPT, supported: ['eventlist'], expires: 600 };
    expect((await bob.subscribe(stage.address('bob-list'), asked)).response.status).toBe(404);
  });

  it('a list whose members stand in one of them: 502, as for one that refers to nothing', async () => {
    await boot({}, [{ auid: 'resource-lists', user: 'bob', name: 'index', text: '<resource-lists' }]);
    const bob = await stage.peer('bob');
    const xcap = await stage.xcap('bob');
    const list = `${stage.root}/resource-lists/users/bob/index/~~/resource-lists/list%5B@name=%22friends%22%5D`;
    const services = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="${stage.address('bob-list')}"><resource-list>${list}</resource-list></service></rls-services>`;
    expect((await xcap.put('/rls-services/users/bob/index', services)).status).toBe(201);
    const asked = { accept: LIST_ACCEPT, supported: ['eventlist'], expires: 600 };
    expect((await bob.subscribe(stage.address('bob-list'), asked)).response.status).toBe(502);
  });

  it('hard state, dialog rules and call services', async () => {
    await boot({ defaultDecision: 'allow' }, [
      { auid: 'pidf-manipulation', user: 'bob', name: 'index', text: '<presence' },
      { auid: 'org.openxcap.dialog-rules', user: 'bob', name: 'index', text: BROKEN },
      { auid: 'simservs.ngn.etsi.org', user: 'bob', name: 'simservs.xml', text: '<simservs' },
    ]);
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    expect(await (await alice.subscribe(bob.address, { expires: 600 })).notify()).toMatchObject({ state: 'active' });
    const dialogs = await alice.subscribe(bob.address, { event: 'dialog', accept: ['application/dialog-info+xml'], expires: 600 });
    expect(dialogs.response.status).toBe(403);
    bob.answers.set('MESSAGE', () => 200);
    await bob.register();
    const message = { method: 'MESSAGE', uri: bob.address, headers: [['Content-Type', 'text/plain']] as const, body: 'hello' };
    expect((await alice.request(message)).status).toBe(200);
  });

  it('xcap-diff of one of them', async () => {
    await boot({}, [rulesOf(BROKEN)]);
    const bob = await stage.peer('bob');
    const lists = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list><entry uri="pres-rules/users/${bob.address}/index"/></list></resource-lists>`;
    const following = await bob.subscribe(bob.address, {
      event: 'xcap-diff;diff-processing=aggregate',
      accept: ['application/xcap-diff+xml'],
      headers: [['Content-Type', 'application/resource-lists+xml']],
      body: lists,
      expires: 600,
    });
    expect(following.response.status).toBe(200);
    expect((await following.notify()).body).toContain('pres-rules/users');
  });
});

describe('RFC 4825 8: nodes of a document that cannot be read', () => {
  it.each(['pres-rules', 'resource-lists', 'rls-services', 'pidf-manipulation'])(
    '%s: there are none, until it is written anew',
    async (auid) => {
      await boot({}, [{ auid, user: 'bob', name: 'index', text: '<x' }]);
      const xcap = await stage.xcap('bob');
      const path = `/${auid}/users/bob/index`;
      const element = { 'Content-Type': 'application/xcap-el+xml' };
      const answers = [
        await xcap.get(path),
        await xcap.get(`${path}/~~/a`),
        await xcap.get(`${path}/~~/a/@b`),
        await xcap.delete(`${path}/~~/a`),
        await xcap.put(`${path}/~~/a/b`, '<b/>', element),
      ];
      expect(answers.map(({ status }) => status)).toEqual([200, 404, 404, 404, 409]);
      expect(answers.at(-1)?.body).toContain('no-parent');
      expect((await xcap.delete(path)).status).toBe(200);
    },
  );
});

describe('RFC 3261 21.5.4: a database that cannot be read', () => {
  it('503 with Retry-After, and nobody is let in', async () => {
    await boot({ defaultDecision: 'allow' }, []);
    const alice = await stage.peer('alice');
    const bob = await stage.peer('bob');
    const database = new Database(join(data, 'documents.db'));
    database.exec('ALTER TABLE documents RENAME TO gone');
    const { response } = await alice.subscribe(bob.address, { expires: 600 });
    expect([response.status, header(response, 'retry-after')]).toEqual([503, '30']);
    database.exec('ALTER TABLE gone RENAME TO documents');
    database.close();
    expect(await (await alice.subscribe(bob.address, { expires: 600 })).notify()).toMatchObject({ state: 'active' });
  });
});
