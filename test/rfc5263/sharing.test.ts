import { describe, expect, it } from 'vitest';
import type { Body, Watch } from '../../sip/events/event-package.ts';
import { partialBody } from '../../sip/packages/partial-presence.ts';
import { rich } from './presence-documents.ts';

const whole = (basic: 'open' | 'closed'): Body => ({
  contentType: 'application/pidf+xml',
  bytes: Buffer.from(rich('sip:bob@example.com', { tuples: [['phone', basic]], mood: 'happy' })),
});
const watch = (id: string): Watch & { memo: unknown } => ({
  id,
  watcher: `sip:${id}@example.com`,
  displayName: undefined,
  resource: 'sip:bob@example.com',
  contentType: 'application/pidf-diff+xml',
  terms: undefined,
  memo: undefined,
});

describe('RFC 5263: what many watchers are told', () => {
  it('is made once for all who are shown the same and are at the same version', () => {
    const [open, closed] = [whole('open'), whole('closed')];
    const [alice, carol, dave] = [watch('alice'), watch('carol'), watch('dave')];
    const tell = (to: Watch, body: Body) => partialBody(body, { watch: to, full: false, version: 0 });
    expect(tell(carol, open)).toBe(tell(alice, open));
    const change = tell(alice, closed);
    expect(change?.bytes.toString()).toContain('pidf-diff ');
    expect(tell(carol, closed)).toBe(change);
    // Who comes later is told the whole, and is at another version.
    expect(tell(dave, closed)?.bytes.toString()).toContain('pidf-full ');
    // The same text anew is no news.
    expect(tell(alice, whole('closed'))).toBeUndefined();
    expect(tell(alice, open)?.bytes.toString()).toContain('version="3"');
    expect(tell(dave, open)?.bytes.toString()).toContain('version="2"');
  });
});
