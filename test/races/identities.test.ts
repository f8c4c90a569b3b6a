import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { pidf, rule, rulesDocument, rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

let stage: Stage;
let a: SipPeer;
let b: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  a = await stage.peer('A');
  b = await stage.peer('B');
  await b.publish(pidf(b.address, { basic: 'open', im: 'secret' }), { expires: 600 });
});
afterEach(() => stage.close());

async function seenByA(ruleId: string): Promise<string> {
  const xcap = await stage.xcap('B');
  const stored = await xcap.put(rulesPath('B'), rulesDocument(rule('a', 'allow', [ruleId])));
  expect([200, 201]).toContain(stored.status);
  const fetch = await a.subscribe(b.address, { expires: 0 });
  const { body } = await fetch.notify();
  return body.includes('secret') ? 'everything' : 'nothing';
}

describe('RFC 4745 7.1.1: a rule for one watcher, who proved to be sip:A@example.com', () => {
  it.each([
    'sip:A@example.com',
    'sips:A@EXAMPLE.COM',
    'SIP:%41@example.com:5061;transport=tcp',
    'pres:A@example.com',
    'sip:A:password@example.com.',
    'sip:A@\uff45xample.com',
  ])('%s lets it in', async (id) => {
    expect(await seenByA(id)).toBe('everything');
  });

  it.each([
    'sip:a@example.com',
    'sip:A@example.com.evil.org',
    'sip:A%00@example.com',
    'sip:A%40example.com@evil.org',
    'sip:evil.org@A@example.com',
    'sip:A%2540example.com',
    'sip:example.com',
    'mailto:A@example.com',
    'tel:A@example.com',
    'sip:A;x=1@example.com',
    'sip:A@example.com%2eevil.org',
    'sip:\u0410@example.com',
  ])('%s does not', async (id) => {
    expect(await seenByA(id)).toBe('nothing');
  });
});

describe('RFC 3261 22: whose request it is', () => {
  it.each(['sip:B@example.com', 'sip:b@example.com', 'sip:A@example.org', 'sip:A%00@example.com', 'sip:A@B@example.com', 'tel:A'])(
    'A cannot be %s',
    async (from) => {
      const answer = await a.request({
        method: 'SUBSCRIBE',
        uri: b.address,
        from: `<${from}>;tag=1`,
        headers: [
          ['Event', 'presence'],
          ['Contact', `<${a.contact}>`],
        ],
      });
      expect([400, 403]).toContain(answer.status);
    },
  );

  it("nobody refreshes, ends or learns of another's subscription, even knowing all its tags", async () => {
    const mine = await b.subscribe(b.address, { expires: 600 });
    await mine.notify();
    for (const expires of ['0', '600']) {
      const answer = await a.request({
        method: 'SUBSCRIBE',
        uri: mine.remoteTarget ?? '',
        to: `<${b.address}>;tag=${mine.remoteTag}`,
        from: `<${a.address}>;tag=${mine.terms.localTag}`,
        callId: mine.terms.callId,
        cseq: () => 900,
        headers: [
          ['Event', 'presence'],
          ['Expires', expires],
          ['Contact', `<${a.contact}>`],
        ],
      });
      expect(answer.status).toBe(403);
    }
    expect((await mine.refresh(300)).status).toBe(200);
    expect((await mine.notify()).state).toBe('active');
  });
});
