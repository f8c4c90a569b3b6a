import { afterEach, describe, expect, it } from 'vitest';
import type { CallAgent, Sending } from '../helpers/call-agent.ts';
import { within } from '../helpers/call-stage.ts';
import { Phones } from '../helpers/phones.ts';
import { bodyText } from '../helpers/sip-message.ts';
import { callRule, diversionDocument, simservs } from '../scenarios/documents.ts';

/** What senders and recipients of messages try who mean harm (RFC 3428 11). */

let phones: Phones;
const plain = { contact: false };

async function open(settings: Parameters<typeof Phones.open>[1] = {}): Promise<void> {
  phones = await Phones.open(['alice', 'bob', 'carol'], settings);
}
afterEach(() => phones.close());

const say = (text: string): Sending => ({ headers: [['Content-Type', 'text/plain']], body: text });

async function gone(user: string): Promise<CallAgent> {
  const phone = phones.of(user);
  const headers = [['Contact', '*'] as const, ['Expires', '0'] as const];
  await phone.request('REGISTER', 'sip:example.com', { to: `<${phone.address}>`, from: `<${phone.address}>;tag=g`, headers });
  return phone;
}

function bar(...users: readonly string[]): string {
  const who = users.map((user) => `<cp:one id="${phones.address(user)}"/>`).join('');
  const rule = callRule('r', `<cp:identity>${who}</cp:identity>`, '<allow>false</allow>');
  return simservs(`<incoming-communication-barring><cp:ruleset>${rule}</cp:ruleset></incoming-communication-barring>`);
}

describe('messages that wait', () => {
  it('of strangers fill half of a queue at most, so that users of ours still get through', async () => {
    await open({ messageQueue: 6 });
    const bob = await gone('bob');
    const zoe = await phones.stage.phone('zoe', { domain: 'elsewhere.test' });
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const from = `<sip:zoe${i}@elsewhere${i}.test>;tag=${i}`;
      statuses.push((await zoe.send('MESSAGE', bob.address, { ...say(`spam ${i}`), from }).final()).status);
    }
    expect(statuses).toEqual([202, 202, 202, 480, 480]);
    for (const text of ['one', 'two', 'three']) {
      expect((await phones.of('alice').request('MESSAGE', bob.address, say(text))).status).toBe(202);
    }
    expect((await phones.of('alice').request('MESSAGE', bob.address, say('four'))).status).toBe(480);
  });

  it('of somebody who is barred meanwhile are not delivered; those behind them are', async () => {
    await open();
    const bob = await gone('bob');
    for (const [sender, text] of [
      ['alice', 'unwanted'],
      ['carol', 'wanted'],
      ['alice', 'unwanted too'],
      ['carol', 'the last'],
    ] as const) {
      expect((await phones.of(sender).request('MESSAGE', bob.address, say(text))).status).toBe(202);
    }
    await phones.set('bob', bar('alice'));
    await bob.register();
    const texts: string[] = [];
    for (let i = 0; i < 2; i++) {
      const incoming = await bob.take('MESSAGE');
      texts.push(bodyText(incoming.message));
      incoming.answer(200, plain);
    }
    expect(texts).toEqual(['wanted', 'the last']);
    await phones.set('bob', diversionDocument());
    await bob.register();
    await within(150);
    expect(bob.untaken).toEqual([]);
  });

  it('come in order, each once, through a flood of REGISTERs', async () => {
    await open();
    const bob = await gone('bob');
    const texts = Array.from({ length: 12 }, (_, i) => `message ${i}`);
    for (const text of texts) expect((await phones.of('alice').request('MESSAGE', bob.address, say(text))).status).toBe(202);
    const flood = (async () => {
      for (let i = 0; i < 40; i++) await bob.register(`;q=0.${i % 10}`);
    })();
    const received: string[] = [];
    while (received.length < texts.length) {
      const incoming = await bob.take('MESSAGE');
      received.push(bodyText(incoming.message));
      await within(5);
      incoming.answer(200, plain);
    }
    await flood;
    expect(received).toEqual(texts);
    await within(100);
    expect(bob.untaken).toEqual([]);
  });
});
