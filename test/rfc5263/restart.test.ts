import { afterEach, describe, expect, it } from 'vitest';
import { meaningOf, PidfDiffClient } from '../helpers/pidf-diff-client.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';
import { PARTIAL, rich } from './presence-documents.ts';

const stage = new Stage();
afterEach(() => stage.close());

describe('RFC 5263 4.4: after kill -9 and a restart', () => {
  it('the whole is told, by a version above all that were told before, and changes after it', { timeout: 40_000 }, async () => {
    const server = await startServerProcess();
    await stage.use(server);
    const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const presence = (basic: 'open' | 'closed') => rich(bob.address, { tuples: [['phone', basic]], mood: 'happy', device: '1' });
    let { etag } = await bob.publish(presence('open'), { expires: 900 });
    const subscription = await alice.subscribe(bob.address, { accept: PARTIAL, expires: 900 });
    const client = new PidfDiffClient();
    client.receive(await subscription.notify());
    ({ etag } = await bob.publish(presence('closed'), { expires: 900, etag }));
    client.receive(await subscription.notify());
    expect([client.version, client.diffs]).toEqual([2, 1]);

    await server.kill();
    subscription.serverRestarted();
    await server.start();

    client.receive(await subscription.notify());
    expect(client.fulls).toBe(2);
    expect((await bob.publish(presence('open'), { expires: 900, etag })).status).toBe(200);
    client.receive(await subscription.notify());
    expect(client.diffs).toBe(2);
    const fetch = await alice.subscribe(bob.address, { expires: 0, accept: ['application/pidf+xml'] });
    expect(client.meaning).toBe(meaningOf((await fetch.notify()).body));
  });
});
