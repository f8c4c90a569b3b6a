import { afterEach, describe, expect, test } from 'vitest';
import { readListState } from '../helpers/rlmi-reader.ts';
import { header } from '../helpers/sip-message.ts';
import type { Notification, Subscription } from '../helpers/sip-subscription.ts';
import { ASKED, entry, putServices } from '../rfc4662/list-stage.ts';
import { Stage } from '../scenarios/stage.ts';
import { writeRules } from '../scenarios/steps.ts';

const stage = new Stage();
afterEach(() => stage.close());

const pidf = (basic: string, note: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${stage.address('B')}"><tuple id="t"><status><basic>${basic}</basic></status><note>${note}</note></tuple></presence>`;

async function setting(settings: Parameters<Stage['boot']>[0] = {}) {
  await stage.boot({ forcedInterval: 0, ...settings });
  const b = await stage.peer('B');
  const a = await stage.peer('A');
  await writeRules(stage, 'B', 'allow', ['A']);
  let { etag } = await b.publish(pidf('open', 'first'), { expires: 600 });
  return {
    a,
    b,
    publish: async (note: string) => {
      ({ etag } = await b.publish(pidf('open', note), { expires: 600, etag }));
    },
  };
}

/** A parameter of the Subscription-State. */
function rate({ message }: Notification, name: string): string | undefined {
  return new RegExp(`;${name}=([^;]*)`).exec(header(message, 'subscription-state') ?? '')?.[1];
}

/** That the rate tells once in what is left of 100 seconds granted since `asked`, a time of performance.now(). */
function expectOncePerLifetime(told: string | undefined, asked: number): void {
  const passed = (performance.now() - asked) / 1000;
  expect(Number(told)).toBeGreaterThanOrEqual(0.01);
  expect(Number(told)).toBeLessThanOrEqual(1 / (100 - passed) + 1e-9);
}

const noteOf = ({ body }: Notification): string | undefined => /<note>(.*)<\/note>/.exec(body)?.[1];

/** Resolves after some milliseconds in which the subscription was told nothing. */
async function silence(subscription: Subscription, milliseconds: number): Promise<void> {
  const before = subscription.unread;
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  expect(subscription.unread).toBe(before);
}

describe('RFC 6446 5: maximum rate', () => {
  test('5.2: echoed; what comes too soon waits, and the newest state is told then', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, { event: 'presence;max-rate=1.25', expires: 600 });
    const first = await subscription.notify();
    expect([rate(first, 'max-rate'), rate(first, 'min-rate')]).toEqual(['1.25', undefined]);
    const told = Date.now();
    for (const note of ['second', 'third', 'fourth']) await publish(note);
    const next = await subscription.notify();
    expect(noteOf(next)).toBe('fourth');
    expect(Date.now() - told).toBeGreaterThan(600);
    await silence(subscription, 200);
  });

  test('5.2: not after a SUBSCRIBE, nor when pending becomes active, nor at the end', async () => {
    const { a, b, publish } = await setting({ defaultDecision: 'confirm' });
    await writeRules(stage, 'B', 'confirm', ['A']);
    const subscription = await a.subscribe(b.address, { event: 'presence;max-rate=0.01', expires: 600 });
    expect((await subscription.notify()).state).toBe('pending');
    await writeRules(stage, 'B', 'allow', ['A']);
    expect((await subscription.notify()).state).toBe('active');
    await publish('second');
    await silence(subscription, 200);
    expect((await subscription.refresh(600)).status).toBe(200);
    expect(noteOf(await subscription.notify())).toBe('second');
    await publish('third');
    await subscription.refresh(0);
    expect(await subscription.notify()).toMatchObject({ state: 'terminated' });
  });

  test('5.3: never so slow that nothing is told before the end', async () => {
    const { a, b } = await setting();
    const asked = performance.now();
    const subscription = await a.subscribe(b.address, { event: 'presence;max-rate=0.0000000001', expires: 100 });
    expectOncePerLifetime(rate(await subscription.notify(), 'max-rate'), asked);
  });

  test('5.3: an expiry that is shortened makes it faster where nothing would be told before the end', async () => {
    const { a, b } = await setting();
    const event = 'presence;max-rate=0.002';
    const subscription = await a.subscribe(b.address, { event, expires: 600 });
    expect(rate(await subscription.notify(), 'max-rate')).toBe('0.002');
    const asked = performance.now();
    await subscription.refresh(100, { event });
    expectOncePerLifetime(rate(await subscription.notify(), 'max-rate'), asked);
  });

  test('5.2: with a local policy no faster than that', async () => {
    const { a, b } = await setting({ presenceInterval: 2 });
    const subscription = await a.subscribe(b.address, { event: 'presence;max-rate=20', expires: 100 });
    expect(rate(await subscription.notify(), 'max-rate')).toBe('0.5');
  });

  test('5.1, 4.2: changed and removed by a refresh', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, { event: 'presence;max-rate=0.01', expires: 600 });
    await subscription.notify();
    await subscription.refresh(600, { event: 'presence;max-rate=99.5' });
    expect(rate(await subscription.notify(), 'max-rate')).toBe('99.5');
    await subscription.refresh(600, { event: 'presence' });
    expect(rate(await subscription.notify(), 'max-rate')).toBeUndefined();
    await publish('second');
    expect(noteOf(await subscription.notify())).toBe('second');
  });
});

describe('RFC 6446 6: minimum rate', () => {
  test('6.2: the whole state again and again, without a change', async () => {
    const { a, b } = await setting();
    const subscription = await a.subscribe(b.address, { event: 'presence;min-rate=5', expires: 600 });
    const first = await subscription.notify();
    expect(rate(first, 'min-rate')).toBe('5');
    for (let i = 0; i < 3; i++) expect((await subscription.notify()).body).toBe(first.body);
    await subscription.refresh(600, { event: 'presence' });
    await subscription.notify(({ message }) => header(message, 'subscription-state')?.includes('rate') === false);
    await silence(subscription, 500);
  });

  test('6.3: no faster than the server lets watchers force it', async () => {
    const { a, b } = await setting({ forcedInterval: 10 });
    const subscription = await a.subscribe(b.address, { event: 'presence;min-rate=5;adaptive-min-rate=7', expires: 600 });
    const first = await subscription.notify();
    expect([rate(first, 'min-rate'), rate(first, 'adaptive-min-rate')]).toEqual([undefined, '0.1']);
    await silence(subscription, 500);
  });
});

describe('RFC 6446 7: adaptive minimum rate', () => {
  test('7.2, 7.4: told without a change, at first as often as the rate says', async () => {
    const { a, b } = await setting();
    const subscription = await a.subscribe(b.address, { event: 'presence;adaptive-min-rate=4', expires: 600 });
    const first = await subscription.notify();
    expect(rate(first, 'adaptive-min-rate')).toBe('4');
    expect((await subscription.notify()).body).toBe(first.body);
  });
});

describe('RFC 6446 9.3: Event in the 2xx to a NOTIFY', () => {
  const rates = (notification: Notification) => ['max-rate', 'min-rate'].map((name) => rate(notification, name));

  test('changes the rates, all of them', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, { event: 'presence;max-rate=10', expires: 600 });
    subscription.answerHeaders = [['Event', 'presence;max-rate=20;min-rate=4;id=other']];
    expect(rates(await subscription.notify())).toEqual(['10', undefined]);
    // Told without a change, for there is a least rate now.
    expect(rates(await subscription.notify())).toEqual(['20', '4']);
    subscription.answerHeaders = [['Event', 'presence']];
    await subscription.notify();
    await publish('second');
    expect(rates(await subscription.notify((one) => noteOf(one) === 'second'))).toEqual([undefined, undefined]);
    await silence(subscription, 400);
  });

  test.each(['presence;max-rate=0', 'presence.winfo;max-rate=20', 'presence;max-rate=20;max-rate=30', ';;;'])(
    '%s changes nothing',
    async (event) => {
      const { a, b, publish } = await setting();
      const subscription = await a.subscribe(b.address, { event: 'presence;max-rate=10', expires: 600 });
      subscription.answerHeaders = [['Event', event]];
      await subscription.notify();
      await publish('second');
      expect(rates(await subscription.notify())).toEqual(['10', undefined]);
    },
  );

  test('4.1: who has not asked for rates before asks for none there', async () => {
    const { a, b, publish } = await setting();
    const subscription = await a.subscribe(b.address, { expires: 600 });
    subscription.answerHeaders = [['Event', 'presence;max-rate=0.01']];
    await subscription.notify();
    for (const note of ['second', 'third']) {
      await publish(note);
      expect(rates(await subscription.notify((one) => noteOf(one) === note))).toEqual([undefined, undefined]);
    }
  });
});

describe('RFC 3857 4.10: watcher information', () => {
  test('the first at once, what comes soon after it together and later', async () => {
    await stage.boot({ defaultDecision: 'allow', winfoInterval: 1 });
    const b = await stage.peer('B');
    const info = await b.subscribe(b.address, { event: 'presence.winfo', expires: 600 });
    await info.notify();
    const from = Date.now();
    for (const user of ['A', 'C', 'D']) await (await (await stage.peer(user)).subscribe(b.address, { expires: 600 })).notify();
    const next = await info.notify();
    expect(next.body.match(/<watcher /g)).toHaveLength(3);
    expect(Date.now() - from).toBeGreaterThan(800);
    await silence(info, 300);
  });
});

describe('RFC 6446 5.4: lists', () => {
  test('the rate is that of the list as a whole; what its members have become comes together', async () => {
    await stage.boot({ defaultDecision: 'allow', listInterval: 0 });
    const a = await stage.peer('A', { transport: 'tcp' });
    const users = ['B', 'C', 'D'];
    for (const user of users) await stage.peer(user);
    await putServices(stage, 'A', { buddies: { items: users.map((user) => entry(stage.address(user))) } });
    const subscription = await a.subscribe(stage.address('buddies'), { ...ASKED, event: 'presence;max-rate=1' });
    expect(rate(await subscription.notify(), 'max-rate')).toBe('1');
    for (const user of users) {
      const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${stage.address(user)}"><tuple id="t"><status><basic>open</basic></status></tuple></presence>`;
      await (await stage.peer(user)).publish(body, { expires: 600 });
    }
    const { fullState, resources } = readListState(await subscription.notify());
    expect([fullState, resources.length]).toEqual([false, 3]);
    await silence(subscription, 300);
  });
});

describe('RFC 6446 8: combinations', () => {
  test.each([
    ['max-rate=0.5;min-rate=2', ['0.5', '0.5', undefined]],
    ['max-rate=0.5;adaptive-min-rate=2', ['0.5', undefined, '0.5']],
    ['min-rate=2;adaptive-min-rate=1', [undefined, undefined, '1']],
    ['max-rate=2;min-rate=0.1;adaptive-min-rate=0.2', ['2', '0.1', '0.2']],
  ])('%s', async (params, agreed) => {
    const { a, b } = await setting();
    const subscription = await a.subscribe(b.address, { event: `presence;${params}`, expires: 600 });
    const first = await subscription.notify();
    expect(['max-rate', 'min-rate', 'adaptive-min-rate'].map((name) => rate(first, name))).toEqual(agreed);
  });
});

describe('RFC 6446 9.2: grammar', () => {
  test.each(['0', '0.0', '100', '-1', '1.', '.5', '1e3', 'x', '', '0.12345678901', '1,5'])('max-rate=%s is answered 400', async (value) => {
    const { a, b } = await setting();
    const subscription = await a.subscribe(b.address, { event: `presence;max-rate=${value}`, expires: 600 });
    expect(subscription.response.status).toBe(400);
  });

  test('twice is once too often', async () => {
    const { a, b } = await setting();
    const subscription = await a.subscribe(b.address, { event: 'presence;min-rate=1;MIN-RATE=2' });
    expect(subscription.response.status).toBe(400);
  });
});
