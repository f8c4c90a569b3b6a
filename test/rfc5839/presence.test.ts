import { afterEach, describe, expect, test } from 'vitest';
import { startServerProcess } from '../helpers/server-process.ts';
import { header } from '../helpers/sip-message.ts';
import type { Notification } from '../helpers/sip-subscription.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
afterEach(() => stage.close());

const tagOf = ({ message }: Notification): string => header(message, 'sip-etag') ?? '';
const condition = (tag: string) => ({ headers: [['Suppress-If-Match', tag] as const] });

const pidf = (user: string, basic: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${stage.address(user)}"><tuple id="t"><status><basic>${basic}</basic></status></tuple></presence>`;

async function setting() {
  const b = await stage.peer('B');
  const a = await stage.peer('A');
  await writeRules(stage, 'B', 'allow', ['A']);
  const { etag } = await b.publish(pidf('B', 'open'), { expires: 600 });
  return {
    a,
    b,
    publish: (basic: string, tag = etag) => b.publish(pidf('B', basic), { expires: 600, ...(tag !== undefined && { etag: tag }) }),
  };
}

describe('RFC 5839: presence', () => {
  test('6.1: each state has its tag, the same whoever is told of it', async () => {
    await stage.boot();
    const { a, b, publish } = await setting();
    const first = await (await a.subscribe(b.address)).notify();
    const again = await (await a.subscribe(b.address)).notify();
    expect(tagOf(first)).toMatch(/^[\w-]{10,}$/);
    expect(tagOf(again)).toBe(tagOf(first));
    const subscription = await a.subscribe(b.address);
    await subscription.notify();
    await publish('closed');
    const changed = await subscription.notify();
    expect(changed.body).toContain('closed');
    expect([tagOf(changed) === '', tagOf(changed) === tagOf(first)]).toEqual([false, false]);
  });

  test('5.4, 5.5, 6.2: outside of a dialog the body alone is left out, as long as the state is the one that is known', async () => {
    await stage.boot();
    const { a, b, publish } = await setting();
    const tag = tagOf(await (await a.subscribe(b.address, { expires: 0 })).notify());
    const poll = await (await a.subscribe(b.address, { expires: 0, ...condition(tag) })).notify();
    expect([poll.state, poll.body, poll.type, tagOf(poll)]).toEqual(['terminated', '', '', tag]);
    const resumed = await a.subscribe(b.address, { expires: 600, ...condition(tag) });
    const known = await resumed.notify();
    expect([known.state, known.body, tagOf(known)]).toEqual(['active', '', tag]);
    const { etag } = await publish('closed');
    const changed = await resumed.notify();
    expect([changed.body.includes('closed'), tagOf(changed) === tag]).toEqual([true, false]);
    // The condition has failed, and does not come back with the state.
    await publish('open', etag);
    const back = await resumed.notify();
    expect([back.body.includes('open'), tagOf(back)]).toEqual([true, tag]);
    const stale = await (await a.subscribe(b.address, condition('none'))).notify();
    expect([stale.body.includes('open'), tagOf(stale)]).toEqual([true, tag]);
  });

  test('6.3: in the dialog 204 and no NOTIFY; 5.7: nor at the end', async () => {
    await stage.boot();
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, { expires: 600 });
    const tag = tagOf(await subscription.notify());
    const refreshed = await subscription.refresh(900, condition(tag));
    expect([refreshed.status, header(refreshed, 'expires')]).toEqual([204, '900']);
    expect((await subscription.refresh(900, condition('other'))).status).toBe(200);
    expect((await subscription.notify()).body).toContain('open');
    await publish('closed');
    const closed = tagOf(await subscription.notify());
    expect((await subscription.refresh(900, condition(tag))).status).toBe(200);
    expect(tagOf(await subscription.notify())).toBe(closed);
    expect((await subscription.refresh(0, condition(closed))).status).toBe(204);
    await publish('open');
    expect(subscription.notifications).toHaveLength(4);
    expect((await subscription.refresh(900)).status).toBe(481);
  });

  test('5.2: * quenches what is told, but not what becomes of the subscription', async () => {
    await stage.boot();
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, { expires: 600, ...condition('*') });
    const first = await subscription.notify();
    expect([first.state, first.body, tagOf(first) === '']).toEqual(['active', '', false]);
    const { etag } = await publish('closed');
    expect((await subscription.refresh(600, condition('*'))).status).toBe(204);
    expect(subscription.notifications).toHaveLength(1);
    expect((await subscription.refresh(600)).status).toBe(200);
    expect((await subscription.notify()).body).toContain('closed');
    await publish('open', etag);
    await subscription.notify();
    expect((await subscription.refresh(600, condition('*'))).status).toBe(204);
    await writeRules(stage, 'B', 'block', ['A']);
    const last = await subscription.notify();
    expect([last.state, last.reason, last.body]).toEqual(['terminated', 'rejected', '']);
    expect(subscription.notifications).toHaveLength(4);
  });

  test('a tag is not what another watcher is shown, nor what is shown after the rules changed', async () => {
    await stage.boot();
    const { a, b } = await setting();
    const subscription = await a.subscribe(b.address, { expires: 600 });
    const tag = tagOf(await subscription.notify());
    await writeRules(stage, 'B', 'polite-block', ['A']);
    expect(tagOf(await subscription.notify())).not.toBe(tag);
    expect((await subscription.refresh(600, condition(tag))).status).toBe(200);
    expect((await subscription.notify()).body).not.toContain('open');
  });

  test('more than one condition -> 400', async () => {
    await stage.boot();
    const { a, b } = await setting();
    const { response } = await a.subscribe(b.address, { headers: [['Suppress-If-Match', 'a'], ['Suppress-If-Match', 'b']] }); // biome-ignore format: one line
    expect(response.status).toBe(400);
  });
});

test('RFC 5839 5.5 after kill -9: tags hold, and so does *', { timeout: 40_000 }, async () => {
  const server = await startServerProcess([]);
  await stage.use(server);
  const { a, b } = await setting();
  const told = await a.subscribe(b.address, { expires: 900 });
  const tag = tagOf(await told.notify());
  const quenched = await a.subscribe(b.address, { expires: 900, ...condition('*') });
  await quenched.notify();
  await server.kill();
  for (const subscription of [told, quenched]) subscription.serverRestarted();
  await server.start();
  expect(tagOf(await told.notify())).toBe(tag);
  expect((await quenched.notify()).body).toBe('');
  expect((await told.refresh(900, condition(tag))).status).toBe(204);
  const resumed = await (await a.subscribe(b.address, condition(tag))).notify();
  expect([resumed.body, tagOf(resumed)]).toEqual(['', tag]);
});

test('RFC 5839 6.3 after kill -9: who was answered 204 is told nothing as long as the condition holds', { timeout: 40_000 }, async () => {
  const server = await startServerProcess([]);
  await stage.use(server);
  const { a, b, publish } = await setting();
  const [silent, any, told] = [
    await a.subscribe(b.address, { expires: 900 }),
    await a.subscribe(b.address, { expires: 900 }),
    await a.subscribe(b.address, { expires: 900 }),
  ];
  const tag = tagOf(await silent.notify());
  for (const subscription of [any, told]) await subscription.notify();
  // Of one, more was told after its 204: what of that arrived nobody knows after a restart.
  expect((await told.refresh(900, condition(tag))).status).toBe(204);
  const { etag } = await publish('closed');
  expect((await told.notify()).body).toContain('closed');
  for (const subscription of [silent, any]) await subscription.notify();
  expect((await publish('open', etag)).status).toBe(200);
  for (const subscription of [silent, any, told]) expect(tagOf(await subscription.notify())).toBe(tag);
  expect((await silent.refresh(900, condition(tag))).status).toBe(204);
  expect((await any.refresh(900, condition('*'))).status).toBe(204);
  await server.kill();
  for (const subscription of [silent, any, told]) subscription.serverRestarted();
  await server.start();
  expect((await told.notify()).body).toContain('open');
  // The order of those restored is that of their records: nobody comes later than this.
  expect((await told.refresh(900)).status).toBe(200);
  await told.notify();
  expect([silent.unread, any.unread]).toEqual([0, 0]);
  // Whoever is blocked hears of it, and of another state whoever has not asked for none.
  await writeRules(stage, 'B', 'block', ['A']);
  for (const subscription of [silent, any]) expect(await subscription.notify()).toMatchObject({ state: 'terminated', reason: 'rejected' });
});
