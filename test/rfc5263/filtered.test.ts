import { afterEach, describe, expect, it } from 'vitest';
import { filter, filterSet, including, withFilters } from '../helpers/filters.ts';
import { meaningOf, PidfDiffClient } from '../helpers/pidf-diff-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';
import { PARTIAL, rich } from './presence-documents.ts';

const stage = new Stage();
afterEach(() => stage.close());

describe('RFC 5263 with filters (RFC 4660)', () => {
  it('the changes are those of what the filter lets through, and nothing else is a change', async () => {
    await stage.boot();
    const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
    await writeRules(stage, 'bob', 'allow', ['alice']);
    const filters = filterSet(filter(including('//pidf:tuple'), `id="1" uri="${bob.address}"`));
    const publish = (basic: 'open' | 'closed', mood: string, etag?: string) =>
      bob.publish(rich(bob.address, { tuples: [['phone', basic]], mood, device: '1' }), { expires: 600, ...(etag && { etag }) });
    let { etag } = await publish('open', 'happy');
    const subscription = await alice.subscribe(bob.address, { ...withFilters(filters), accept: PARTIAL });
    const client = new PidfDiffClient();
    client.receive(await subscription.notify());
    expect(client.text).not.toContain('person');
    for (const [basic, mood] of [
      ['open', 'sad'],
      ['closed', 'sad'],
      ['closed', 'calm'],
      ['open', 'calm'],
    ] as const) {
      ({ etag } = await publish(basic, mood, etag));
    }
    const fetch = await alice.subscribe(bob.address, { ...withFilters(filters), expires: 0, accept: ['application/pidf+xml'] });
    const wanted = meaningOf((await fetch.notify()).body);
    while (client.version < 3 || client.meaning !== wanted) {
      const notification = await subscription.notify();
      expect(notification.body).not.toMatch(/sad|calm|person/);
      client.receive(notification);
    }
    expect([client.version, client.diffs]).toEqual([3, 2]);
  });
});
