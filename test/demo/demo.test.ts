import { expect, test } from 'vitest';
import { approve } from '../scenarios/08-approve.ts';
import type { Scenario } from '../scenarios/stage.ts';
import { playScenarios } from './play-scenarios.ts';
import { SequencePrinter } from './sequence-printer.ts';

async function play(scenarios: readonly Scenario[]): Promise<{ held: boolean; text: string }> {
  const lines: string[] = [];
  const held = await playScenarios(scenarios, new SequencePrinter((line) => lines.push(line), false));
  return { held, text: lines.join('\n') };
}

test('the demo prints who sends what to whom, and what it means, in plain ASCII', async () => {
  const { held, text } = await play([approve]);
  expect(held).toBe(true);
  expect(text).toMatch(/^Scenario 8: Approve\n-+$/m);
  expect(text).toMatch(/^ {2}B {6}--> server {2}PUT pres-rules\/B cr:rule\[@id="a"\] +writes an element: allow$/m);
  expect(text).toMatch(/^ {2}server --> A {7}NOTIFY active;expires=3\d{3} +B is open online$/m);
  expect(text).toMatch(/^ {4}\[ok\] with no other request A learns that B is open$/m);
  expect(text).toMatch(/\d+ expectations held over \d+ messages/);
  expect(text).not.toMatch(/[^\x20-\x7e\n]/);
});

test('an expectation that does not hold ends the demo, with the messages before it', async () => {
  const failing: Scenario = {
    number: 99,
    title: 'What cannot be',
    async play(stage) {
      await stage.boot();
      const peer = await stage.peer('A');
      stage.equal((await peer.register()).status, 999, 'REGISTER is answered 999');
    },
  };
  const { held, text } = await play([failing, approve]);
  expect(held).toBe(false);
  expect(text).toMatch(/\[!!\] REGISTER is answered 999/);
  expect(text).toMatch(/FAILED: expected: REGISTER is answered 999\n {2}wanted 999\n {2}got {4}200/);
  expect(text).toContain('REGISTER sip:example.com SIP/2.0');
  expect(text).not.toContain('Scenario 8');
});

test('a message that must not be sent ends the demo too', async () => {
  const failing: Scenario = {
    number: 98,
    title: 'A stray NOTIFY',
    async play(stage) {
      await stage.boot();
      const peer = await stage.peer('A');
      const stray = `NOTIFY ${peer.contact} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKstray1;rport\r\n\r\n`;
      await (await stage.peer('B')).socket.send(Buffer.from(stray), peer.socket.local);
      await peer.register();
    },
  };
  const { held, text } = await play([failing]);
  expect(held).toBe(false);
  expect(text).toMatch(/received what must not be sent:\n {2}- CSeq is not/);
});
