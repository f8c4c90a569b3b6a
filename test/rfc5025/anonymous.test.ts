import { afterEach, describe, expect, test } from 'vitest';
import { SipPeer } from '../helpers/sip-peer.ts';
import { readWatcherinfo } from '../helpers/watcherinfo-reader.ts';
import { ruleset, ruleXml } from '../rfc4745/decide-by.ts';
import { pidf, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';
import { watchersNamed, writeBuddyList } from '../scenarios/steps.ts';

const stage = new Stage();
let nobody: SipPeer | undefined;
afterEach(async () => {
  await nobody?.close();
  nobody = undefined;
  await stage.close();
});

/** An agent whose user gives no name (RFC 3261 22.1, RFC 3323 4.1.1.3). */
async function anonymous(): Promise<SipPeer> {
  nobody = await SipPeer.create({
    user: 'anonymous',
    password: '',
    domain: 'anonymous.invalid',
    server: stage.server.sip,
    transport: 'udp',
  });
  return nobody;
}

const SERVICES = '<p:provide-services><p:all-services/></p:provide-services>';

describe('RFC 5025 3.1.1.2: anonymous requests', () => {
  test('are for what rules say of the unauthenticated, where the admin lets them in', async () => {
    await stage.boot({ anonymousWatchers: 'accept' });
    const bob = await stage.peer('bob', { transport: 'tcp' });
    const xcap = await stage.xcap('bob');
    await bob.publish(pidf(bob.address, { basic: 'open', im: 'here' }), { expires: 600 });
    const say = (...rules: readonly string[]) => xcap.put(rulesPath('bob'), ruleset(...rules));
    await say(
      ruleXml('all', '<identity><many/></identity>', 'allow', SERVICES),
      ruleXml('nobody', '<o:anonymous-request/>', 'polite-block'),
    );
    const watcher = await anonymous();
    const watching = await watcher.subscribe(bob.address, { expires: 600 });
    expect(watching.response.status).toBe(200);
    expect((await watching.notify()).body).toContain('closed');
    await say(ruleXml('nobody', '<identity/>', 'allow', SERVICES));
    expect((await watching.notify()).body).toContain('open');
    // Whoever watches sees that somebody does.
    const winfo = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
    const { body } = await winfo.notify();
    expect(body).toContain('sip:anonymous@anonymous.invalid');
    expect(watchersNamed(stage, readWatcherinfo(body), 'anonymous')).toEqual([]);
    await say(ruleXml('all', '<identity><many/></identity>', 'allow', SERVICES), ruleXml('nobody', '<o:anonymous-request/>', 'block'));
    expect(await watching.notify()).toMatchObject({ state: 'terminated', reason: 'rejected', body: '' });
    expect((await watcher.subscribe(bob.address, { expires: 600 })).response.status).toBe(403);
  });

  test('are for nothing else: no other events, no lists, no publishing or registering, no XCAP', async () => {
    await stage.boot({ anonymousWatchers: 'accept' });
    const bob = await stage.peer('bob');
    const service = await writeBuddyList(stage, 'bob', ['bob']);
    const watcher = await anonymous();
    const refused = async (uri: string, event: string) => (await watcher.subscribe(uri, { event, expires: 600 })).response.status;
    expect(await refused(bob.address, 'reg')).toBe(403);
    expect(await refused(bob.address, 'xcap-diff')).toBe(403);
    const list = await watcher.subscribe(service, { supported: ['eventlist'], expires: 600 });
    expect(list.response.status).toBe(403);
    for (const method of ['PUBLISH', 'REGISTER']) {
      const { status } = await watcher.request({
        method,
        uri: bob.address,
        headers: [
          ['Event', 'presence'],
          ['Content-Type', 'text/plain'],
        ],
        body: 'x',
      });
      expect([method, [401, 407].includes(status)]).toEqual([method, true]);
    }
    const { http, root } = stage.server;
    const basic = { authorization: `Basic ${Buffer.from('anonymous:').toString('base64')}` };
    const document = `http://${http.address}:${http.port}${root}${rulesPath('bob')}`;
    expect((await fetch(document, { headers: basic })).status).toBe(401);
  });

  test('are refused unless the admin lets them in', async () => {
    await stage.boot();
    await stage.user('bob');
    const watcher = await anonymous();
    expect((await watcher.subscribe(stage.address('bob'), { expires: 600 })).response.status).toBe(401);
  });
});
