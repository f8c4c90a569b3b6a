import { expect, test } from 'vitest';
import { ListSubscription } from '../../sip/rls/list-subscription.ts';

/** A list's subscription that ends while its members are being opened, as in the first moments after a restart: nobody is watched for it any more. */

const members = Array.from({ length: 20 }, (_, n) => ({ uri: `sip:m${n}@example.com`, canonical: `sip:m${n}@example.com`, names: [] }));
const list = { uri: 'sip:list@example.com', names: [], members };

/** Who is watched, with so many milliseconds of work for each. */
function watching(work: number): { readonly open: Set<string>; readonly subscription: ListSubscription } {
  const open = new Set<string>();
  const subscription = new ListSubscription({
    naming: 'standard',
    open({ canonical }) {
      open.add(canonical);
      for (const until = performance.now() + work; performance.now() < until; );
      return { state: undefined, close: () => open.delete(canonical) };
    },
    touch() {},
    goOn() {},
  });
  return { open, subscription };
}

test('before the first of them', async () => {
  const { open, subscription } = watching(0);
  subscription.close();
  await subscription.begin(list);
  expect(open.size).toBe(0);
});

test('between two of them', async () => {
  const { open, subscription } = watching(6);
  const opening = subscription.begin(list);
  expect([open.size > 0, open.size < members.length]).toEqual([true, true]);
  subscription.close();
  await opening;
  expect(open.size).toBe(0);
});

test('and one that does not watches all of them', async () => {
  const { open, subscription } = watching(1);
  await subscription.begin(list);
  expect(open.size).toBe(members.length);
});
