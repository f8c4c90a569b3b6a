import { afterEach, describe, expect, test } from 'vitest';
import { XcapClient } from '../helpers/xcap-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { run } from './command.ts';

const stage = new Stage();
afterEach(() => stage.close());

describe('rollcall subscription', () => {
  test('lists subscriptions, and ends them for a reason', async () => {
    const { running } = await stage.boot();
    const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
    const watching = await alice.subscribe(bob.address, { expires: 600 });
    const own = await bob.subscribe(bob.address, { event: 'presence.winfo', expires: 600 });
    for (const each of [watching, own]) await each.notify();
    const subscription = (...words: string[]) => run(['subscription', ...words, '--data', running.config.dataDirectory]);

    const listed = await subscription('list');
    expect(listed.out).toContain('2 subscriptions\n');
    expect(listed.out).toContain('sip:alice@example.com -> sip:bob@example.com presence pending since 20');
    expect(listed.out).toContain('sip:bob@example.com -> sip:bob@example.com presence.winfo active since 20');
    const json = JSON.parse((await subscription('list', '--watcher', 'alice', '--json')).out);
    expect(json).toMatchObject({ total: 1, subscriptions: [{ watcher: alice.address, presentity: bob.address, package: 'presence' }] });
    expect((await subscription('list', '--package', 'dialog')).out).toBe('0 subscriptions\n');

    const refused = await subscription('end', '--reason', 'probation');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('all=yes ends all subscriptions')]);
    const ended = await subscription('end', '--watcher', 'alice', '--reason', 'probation', '--retry-after', '1200');
    expect([ended.code, ended.out]).toEqual([0, 'ended 1 subscriptions\n']);
    expect(await watching.notify()).toMatchObject({ state: 'terminated', reason: 'probation', retryAfter: 1200 });
    expect((await subscription('end', '--all')).out).toBe('ended 1 subscriptions\n');
    expect(await own.notify(({ state }) => state === 'terminated')).toMatchObject({ reason: 'deactivated' });
  });

  test('is for admins alone over HTTP', async () => {
    await stage.boot();
    await stage.user('alice');
    const { http } = stage.server;
    const as = (user: string) =>
      new XcapClient({ host: http.address, port: http.port, root: '/admin', user, password: `secret of ${user}`, auth: 'digest' });
    expect((await as('alice').get('/subscriptions')).status).toBe(403);
    expect((await as('alice').delete('/subscriptions?all=yes')).status).toBe(403);
    await stage.admin('boss');
    expect((await as('boss').get('/subscriptions')).status).toBe(200);
  });
});
