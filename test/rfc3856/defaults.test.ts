import { afterEach, expect, it } from 'vitest';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

it('6.4: an hour where the watcher names no time', async () => {
  await stage.boot();
  const alice = await stage.peer('alice');
  for (const event of ['presence', 'presence.winfo']) {
    const subscription = await alice.subscribe(alice.address, { event });
    expect([event, subscription.response.status, subscription.granted]).toEqual([event, 200, 3600]);
  }
});
