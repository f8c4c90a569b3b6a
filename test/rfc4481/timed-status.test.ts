import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parsePidf, writePidf } from '../../schemas/pidf.ts';
import { compose } from '../../sip/presence/composition.ts';
import { readPidf } from '../helpers/pidf-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { Stage } from '../scenarios/stage.ts';

const TIMED = 'urn:ietf:params:xml:ns:pidf:timed-status';
const PUBLISHED = Date.parse('2026-08-10T00:00:00Z');

/** The RFC's example: away for a week that is to come. */
const week = (
  timed: string,
  more = '',
) => `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:ts="${TIMED}" entity="pres:someone@example.com">
<tuple id="c8dqui"><status><basic>open</basic><im>here</im></status>${timed}<contact>sip:someone@example.com</contact>${more}</tuple>
<note>In Tokyo next week</note></presence>`;
const TOKYO =
  '<ts:timed-status from="2026-08-15T10:20:00.000-05:00" until="2026-08-22T19:30:00.000-05:00"><ts:basic>closed</ts:basic><ts:note xml:lang="en">Tokyo</ts:note><v:im xmlns:v="urn:v">gone</v:im></ts:timed-status>';

function at(document: string, moment: string, publishedAt = PUBLISHED) {
  const sources = [{ document: parsePidf(document), publishedAt }];
  const { components, changesAt } = compose(sources, 'sip:someone@example.com', Date.parse(moment));
  const text = writePidf('sip:someone@example.com', components);
  const [tuple] = readPidf(text).tuples;
  return { text, tuple, changesAt: Number.isFinite(changesAt) ? new Date(changesAt).toISOString() : 'never' };
}

describe('RFC 4481 3: a timed status', () => {
  it('that is to come is told as it is, and its moment is known', () => {
    const { text, tuple, changesAt } = at(week(TOKYO), '2026-08-11T00:00:00Z');
    expect(text).toContain(TOKYO);
    expect([tuple?.basic, changesAt]).toEqual(['open', '2026-08-15T15:20:00.000Z']);
  });

  it('that has come since the status was said takes its place', () => {
    const { text, tuple, changesAt } = at(week(TOKYO), '2026-08-15T15:20:00Z');
    expect(text).not.toContain('timed-status from');
    expect([tuple?.basic, tuple?.notes, tuple?.contact]).toEqual(['closed', ['Tokyo'], 'sip:someone@example.com']);
    expect(tuple?.status.map(({ namespace, name, text }) => [namespace, name, text]).sort()).toEqual([
      ['urn:ietf:params:xml:ns:pidf', 'im', 'here'],
      ['urn:v', 'im', 'gone'],
    ]);
    expect(changesAt).toBe('2026-08-23T00:30:00.000Z');
  });

  it('that is over is told as something past, beside the status of before', () => {
    const { text, tuple, changesAt } = at(week(TOKYO), '2026-08-23T00:30:00Z');
    expect(text).toContain(TOKYO);
    expect([tuple?.basic, changesAt]).toEqual(['open', 'never']);
  });

  it('is left out while it holds when the status was said after it began', () => {
    const later = week(TOKYO, '<timestamp>2026-08-16T00:00:00Z</timestamp>');
    const { text, tuple } = at(later, '2026-08-17T00:00:00Z', Date.parse('2026-08-16T00:00:01Z'));
    expect(tuple?.basic).toBe('open');
    expect(text).not.toContain('timed-status from');
  });

  it('of hard state takes over too', () => {
    const sources = [{ document: parsePidf(week(TOKYO)), publishedAt: undefined }];
    const { components } = compose(sources, 'sip:someone@example.com', Date.parse('2026-08-17T00:00:00Z'));
    expect(readPidf(writePidf('sip:someone@example.com', components)).tuples[0]?.basic).toBe('closed');
  });

  it('without until holds on; of several that overlap the one that began last', () => {
    const several =
      '<ts:timed-status from="2026-08-11T00:00:00Z"><ts:basic>closed</ts:basic></ts:timed-status>' +
      '<ts:timed-status from="2026-08-12T00:00:00Z" until="2026-08-13T00:00:00Z"><ts:note>lunch</ts:note></ts:timed-status>';
    expect(at(week(several), '2026-08-12T12:00:00Z').tuple).toMatchObject({ basic: 'open', notes: ['lunch'] });
    expect(at(week(several), '2026-08-14T12:00:00Z').tuple).toMatchObject({ basic: 'closed', notes: [] });
  });

  it.each(['<ts:timed-status><ts:basic>closed</ts:basic></ts:timed-status>', '<ts:timed-status from="soon" until="later"/>'])(
    'without a time that can be read does no harm: %s',
    (timed) => {
      expect(() => at(week(timed), '2026-08-12T00:00:00Z')).not.toThrow();
    },
  );
});

describe('RFC 4481, RFC 4480 3.1: at its very moment', () => {
  let stage: Stage;
  let bob: SipPeer;
  beforeEach(async () => {
    stage = new Stage();
    await stage.boot({ defaultDecision: 'allow' });
    bob = await stage.peer('bob');
  });
  afterEach(() => stage.close());

  it('watchers are told that a timed status begins and ends, and that an activity is over', async () => {
    const alice = await stage.peer('alice');
    const [begins, ends] = [Date.now() + 700, Date.now() + 1400];
    const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:ts="${TIMED}" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="${bob.address}"><tuple id="t"><status><basic>open</basic></status><ts:timed-status from="${new Date(begins).toISOString()}" until="${new Date(ends).toISOString()}"><ts:basic>closed</ts:basic></ts:timed-status></tuple><dm:person id="p"><r:activities until="${new Date(begins).toISOString()}"><r:meal/></r:activities><r:mood><r:happy/></r:mood></dm:person></presence>`;
    expect((await bob.publish(body, { expires: 600 })).status).toBe(200);
    const subscription = await alice.subscribe(bob.address);
    const first = (await subscription.notify()).body;
    expect([readPidf(first).tuples[0]?.basic, first.includes('meal')]).toEqual(['open', true]);
    const second = (await subscription.notify()).body;
    expect(Date.now()).toBeGreaterThanOrEqual(begins);
    expect([readPidf(second).tuples[0]?.basic, second.includes('meal'), second.includes('happy')]).toEqual(['closed', false, true]);
    const third = (await subscription.notify()).body;
    expect(Date.now()).toBeGreaterThanOrEqual(ends);
    expect(readPidf(third).tuples[0]?.basic).toBe('open');
  });
});
