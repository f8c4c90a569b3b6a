/** RFC 5875 4.7, RFC 5874: documents near the greatest size, whose edits are told as patches too. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { XcapDiffClient } from '../helpers/xcap-diff-client.ts';
import { Stage } from '../scenarios/stage.ts';
import { fetchAll, LISTS, nextDiff, pathOf, valid, watchResources, write } from './diff-stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot({ diffInterval: 0 });
});
afterEach(() => stage.close());

const entry = (n: number) =>
  `<entry uri="sip:user${n}@example.com"><display-name>User ${n}, ${'of some length '.repeat(8)}</display-name></entry>`;
const document = (lists: number, entries: number) => {
  const one = (l: number) => `<list name="l${l}">${Array.from({ length: entries }, (_, n) => `${entry(n)}\n`).join('')}</list>`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="${LISTS}">\n${Array.from({ length: lists }, (_, l) => one(l)).join('\n')}</resource-lists>`;
};

describe.each(['aggregate', 'xcap-patching'])('in the mode %s', (mode) => {
  test.each([
    ['one list of 4,500 entries', 1, 4500],
    ['thirty lists', 30, 150],
  ])('%s: who follows it by patches alone has it byte for byte', { timeout: 60_000 }, async (_, lists, entries) => {
    const a = await stage.peer('A');
    const xcap = await stage.xcap('A');
    const index = pathOf(stage, 'A');
    await write(xcap, index, document(lists, entries));
    const subscription = await watchResources(a, mode, [index]);
    const client = new XcapDiffClient();
    client.receive(valid(await subscription.notify()).body);
    await fetchAll(client, xcap);
    const last = `${index}/~~/resource-lists/list%5B${lists}%5D`;
    const edits: [path: string, text: string | undefined][] = [
      [`${last}/entry%5B@uri=%22sip:new@example.com%22%5D`, '<entry uri="sip:new@example.com"/>'],
      [`${last}/entry%5B7%5D/display-name`, '<display-name>Somebody &amp; else</display-name>'],
      [`${last}/entry%5B@uri=%22sip:user2@example.com%22%5D`, undefined],
      [`${last}/entry%5B@uri=%22sip:new@example.com%22%5D`, '<entry uri="sip:new@example.com"><display-name>N</display-name></entry>'],
    ];
    for (const [path, text] of edits) {
      const answer =
        text === undefined
          ? await xcap.delete(`/${path}`)
          : await xcap.put(`/${path}`, text, { 'content-type': 'application/xcap-el+xml' });
      expect([200, 201], `${path} ${answer.body}`).toContain(answer.status);
      const diff = await nextDiff(subscription);
      expect(diff.body.length).toBeLessThan(2000);
      client.receive(diff.body);
      expect(client.documents.get(index)?.text).toBe((await xcap.get(`/${index}`)).body);
    }
    expect([client.patches, client.misses]).toEqual([edits.length, 0]);
  });
});
