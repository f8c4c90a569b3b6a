/** RFC 5025 3.1.1.2: a watcher of whom several addresses are asserted. */
import { afterEach, describe, expect, test } from 'vitest';
import { startServerProcess } from '../helpers/server-process.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { SubscribeOptions } from '../helpers/sip-peer-options.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { entry, LIST_ACCEPT, ListWatcher, putServices } from '../rfc4662/list-stage.ts';
import { ruleset, ruleXml } from '../rfc4745/decide-by.ts';
import { pidf, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchersNamed } from '../scenarios/steps.ts';

const stage = new Stage();
afterEach(() => stage.close());

const TEL = 'tel:+15551234567';
const SERVICES = '<p:provide-services><p:all-services/></p:provide-services>';
const TRUSTED = { sipTrustedPeers: ['127.0.0.1/32'] };

/** What a trusted element adds to a watcher's SUBSCRIBE. */
const asserting = (...uris: readonly string[]): SubscribeOptions => ({
  expires: 600,
  headers: [['P-Asserted-Identity', uris.map((uri) => `<${uri}>`).join(', ')]],
});

async function open(): Promise<{ alice: SipPeer; bob: SipPeer; say: (...rules: readonly string[]) => Promise<unknown> }> {
  const alice = await stage.peer('alice');
  const bob = await stage.peer('bob');
  const xcap = await stage.xcap('bob');
  await bob.publish(pidf(bob.address, { basic: 'open' }), { expires: 600 });
  return { alice, bob, say: (...rules) => xcap.put(rulesPath('bob'), ruleset(...rules)) };
}

const many = (content: string, domain = '') => `<identity><many${domain}>${content}</many></identity>`;

describe('RFC 5025 3.1.1.2, RFC 4745 7.1: of several asserted addresses', () => {
  test.each([
    ['<one> matches any', `<identity><one id="${TEL}"/></identity>`, 'active'],
    ['<one> of another does not', '<identity><one id="tel:+15550000000"/></identity>', 'pending'],
    ['<many> matches by the domain of any', many('', ' domain="example.com"'), 'active'],
    ['<except> leaves out who is any', many(`<except id="${TEL}"/>`), 'pending'],
    ['<except> leaves out who is any, whatever the domain', many(`<except id="${TEL}"/>`, ' domain="example.com"'), 'pending'],
    ['<except> leaves out by the domain of any', many('<except domain="elsewhere.example"/>'), 'pending'],
    ['<except> of nobody of them leaves nobody out', many('<except id="tel:+15550000000"/>'), 'active'],
  ])('%s', async (_what, condition, state) => {
    await stage.boot(TRUSTED);
    const { alice, bob, say } = await open();
    await say(ruleXml('r', condition, 'allow', SERVICES));
    const watching = await alice.subscribe(bob.address, asserting(alice.address, TEL, 'sip:a@elsewhere.example'));
    expect(await watching.notify()).toMatchObject({ state });
  });

  test('the order in which they stand counts for nothing, and the user here is whom the request is from', async () => {
    await stage.boot(TRUSTED);
    const { alice, bob, say } = await open();
    await say(ruleXml('r', many(`<except id="${TEL}"/>`), 'allow', SERVICES));
    const watching = await alice.subscribe(bob.address, asserting(TEL, alice.address));
    expect(await watching.notify()).toMatchObject({ state: 'pending', body: '' });
    const winfo = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
    expect(watchersNamed(stage, readWatcherinfo((await winfo.notify()).body), 'alice')).toHaveLength(1);
    const own = await bob.subscribe(bob.address, asserting(TEL, bob.address));
    expect((await own.notify()).body).toContain('open');
  });

  test('each decides with every edit of the rules, and those of the last SUBSCRIBE count', async () => {
    await stage.boot(TRUSTED);
    const { alice, bob, say } = await open();
    await say(ruleXml('r', many(''), 'allow', SERVICES));
    const watching = await alice.subscribe(bob.address, asserting(alice.address, TEL));
    expect((await watching.notify()).body).toContain('open');
    await say(ruleXml('r', many(`<except id="${TEL}"/>`), 'allow', SERVICES));
    expect(await watching.notify()).toMatchObject({ state: 'pending', body: '' });
    const asAlice = { headers: [['P-Asserted-Identity', `<${alice.address}>`]] as const };
    await watching.refresh(600, asAlice);
    expect((await watching.notify()).body).toContain('open');
    const asBoth = { headers: [['P-Asserted-Identity', `<${alice.address}>, <${TEL}>`]] as const };
    await watching.refresh(600, asBoth);
    expect(await watching.notify()).toMatchObject({ state: 'pending', body: '' });
  });

  test('they decide about members of a list, and about who waits', async () => {
    await stage.boot(TRUSTED);
    const { alice, bob, say } = await open();
    await say(ruleXml('r', many(`<except id="${TEL}"/>`), 'allow', SERVICES));
    await putServices(stage, 'alice', { friends: { items: [entry(bob.address)] } });
    const asked = { accept: LIST_ACCEPT, supported: ['eventlist'] };
    const list = await ListWatcher.open(alice, stage.address('friends'), { ...asserting(alice.address, TEL), ...asked });
    expect(list.view.words()).toEqual({ bob: 'pending' });
    await list.subscription.refresh(600, { headers: [['P-Asserted-Identity', `<${alice.address}>`]] });
    await list.until(({ bob: word }) => word === 'open');
    await list.subscription.refresh(600, { headers: [['P-Asserted-Identity', `<${alice.address}>, <${TEL}>`]] });
    await list.until(({ bob: word }) => word === 'pending');
    const fetch = await alice.subscribe(bob.address, { ...asserting(alice.address, TEL), expires: 0 });
    expect(await fetch.notify()).toMatchObject({ state: 'terminated', body: '' });
    const winfo = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
    const before = readWatcherinfo((await winfo.notify()).body);
    expect(watchersNamed(stage, before, 'alice').map(({ status }) => status)).toEqual(['pending', 'waiting']);
    await say(ruleXml('r', `<identity><one id="${TEL}"/></identity>`, 'block'));
    const ends: unknown[] = [];
    while (ends.length < 2) ends.push(...watchersNamed(stage, readWatcherinfo((await winfo.notify()).body), 'alice'));
    expect(ends).toEqual([
      { status: 'terminated', event: 'rejected' },
      { status: 'terminated', event: 'rejected' },
    ]);
    await list.until(({ bob: word }) => word === 'terminated rejected');
  });

  test('they count after a restart', async () => {
    const server = await startServerProcess(['--sip-trusted-peer', '127.0.0.1/32']);
    await stage.use(server);
    const { alice, bob, say } = await open();
    await say(ruleXml('r', many(`<except id="${TEL}"/>`), 'allow', SERVICES));
    const watching = await alice.subscribe(bob.address, asserting(alice.address, TEL));
    expect(await watching.notify()).toMatchObject({ state: 'pending' });
    await server.kill();
    watching.serverRestarted();
    await server.start();
    expect(await watching.notify()).toMatchObject({ state: 'pending', body: '' });
    await say(ruleXml('r', `<identity><one id="${TEL}"/></identity>`, 'allow', SERVICES));
    expect((await watching.notify()).body).toContain('open');
  });

  test('more than ten are refused', async () => {
    await stage.boot(TRUSTED);
    const { alice, bob } = await open();
    const all = Array.from({ length: 11 }, (_, i) => `tel:+1555000000${i}`);
    expect((await alice.subscribe(bob.address, asserting(...all))).response.status).toBe(400);
  });
});
