import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ReadPidf, readPidf } from '../helpers/pidf-reader.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import type { XmlElement } from '../helpers/xml-reader.ts';
import { pidf } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

const DATA_MODEL = 'urn:ietf:params:xml:ns:pidf:data-model';
const RPID = 'urn:ietf:params:xml:ns:pidf:rpid';
const CIPID = 'urn:ietf:params:xml:ns:pidf:cipid';

let stage: Stage;
let bob: SipPeer;
beforeEach(async () => {
  stage = new Stage();
  await stage.boot();
  bob = await stage.peer('bob');
});
afterEach(() => stage.close());

const presence = (content: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="${DATA_MODEL}" xmlns:r="${RPID}" xmlns:c="${CIPID}" entity="${bob.address}">${content}</presence>`;
const tuple = (id: string, basic: string, more = '') => `<tuple id="${id}"><status><basic>${basic}</basic></status>${more}</tuple>`;
const person = (id: string, content: string, at?: string) =>
  `<dm:person id="${id}">${content}${at === undefined ? '' : `<dm:timestamp>${at}</dm:timestamp>`}</dm:person>`;
const publish = async (content: string, etag?: string) => {
  const result = await bob.publish(presence(content), { expires: 600, ...(etag && { etag }) });
  expect(result.status).toBe(200);
  return result.etag;
};
async function seen(): Promise<ReadPidf> {
  const fetch = await bob.subscribe(bob.address, { expires: 0 });
  return readPidf((await fetch.notify()).body);
}
const named = (of: ReadPidf, name: string) => of.extensions.filter((e) => e.namespace === DATA_MODEL && e.name === name);
const tell = (e: XmlElement): string => `${e.name}(${e.children.length > 0 ? e.children.map(tell).join(' ') : e.text})`;
const told = (elements: readonly XmlElement[]) => elements.map((e) => e.children.map(tell).sort().join(' '));

describe('RFC 4479 3.5: one id for very many', () => {
  it('the newest keep it, or get one like it, two hundred of them; each is then told apart from all others', async () => {
    const contact = (k: string, i: number) => `<tuple id="t"><status/><contact>sip:${k}${i}@a.test</contact></tuple>`;
    await publish(Array.from({ length: 700 }, (_, i) => contact('old', i)).join(''));
    await publish(Array.from({ length: 300 }, (_, i) => contact('new', i)).join(''));
    const fetch = await (await stage.peer('bob', { transport: 'tcp' })).subscribe(bob.address, { expires: 0 });
    const { tuples } = readPidf((await fetch.notify()).body);
    expect(tuples).toHaveLength(201);
    expect(new Set(tuples.map(({ id }) => id)).size).toBe(201);
    expect(tuples[0]).toMatchObject({ id: 't', contact: 'sip:new0@a.test' });
    expect(tuples.filter(({ contact: at }) => at?.startsWith('sip:new'))).toHaveLength(201);
  });
});

describe('RFC 4479 3.2: one person', () => {
  it('of several publications, the newest word on each attribute, and what only an older one says', async () => {
    await publish(person('p1', '<r:activities><r:meal/></r:activities><r:mood><r:happy/></r:mood><c:homepage>http://x/</c:homepage>'));
    await publish(person('p2', '<r:activities><r:meeting/></r:activities><r:place-type><r:other>train</r:other></r:place-type>'));
    const persons = named(await seen(), 'person');
    expect(told(persons)).toEqual(['activities(meeting()) homepage(http://x/) mood(happy()) place-type(other(train))']);
    expect(persons[0]?.attributes.get('id')).toBe('p1');
  });

  it('timestamps go before the order of publication (3.5)', async () => {
    await publish(person('p1', '<r:mood><r:happy/></r:mood>', '2026-03-01T12:00:00Z'));
    await publish(person('p2', '<r:mood><r:sad/></r:mood>', '2026-03-01T13:00:00+02:00'));
    expect(told(named(await seen(), 'person'))).toEqual(['mood(happy()) timestamp(2026-03-01T12:00:00Z)']);
  });

  it('a clock that is ahead wins nothing: said no later than published', async () => {
    await publish(person('p1', '<r:mood><r:happy/></r:mood>', '2096-03-01T12:00:00Z'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await publish(person('p2', '<r:mood><r:sad/></r:mood>'));
    expect(told(named(await seen(), 'person'))[0]).toContain('mood(sad())');
  });

  it('persons of different classes stay apart, and so do those that one publication tells apart (3.5)', async () => {
    await publish(person('p1', '<r:class>work</r:class><r:mood><r:happy/></r:mood>') + person('p3', '<r:mood><r:calm/></r:mood>'));
    await publish(person('p2', '<r:class>private</r:class><r:mood><r:sad/></r:mood>') + person('p4', '<r:place-type/>'));
    expect(told(named(await seen(), 'person')).sort()).toEqual([
      'class(private) mood(sad())',
      'class(work) mood(happy())',
      'mood(calm()) place-type()',
    ]);
  });

  it('what an occurrence-id is granted for does not show what was published under another (RFC 5025 3.3.1.2)', async () => {
    const alice = await stage.peer('alice');
    const xcap = await stage.xcap('bob');
    const rules = (ids: string) =>
      `<cr:ruleset xmlns="urn:ietf:params:xml:ns:pres-rules" xmlns:cr="urn:ietf:params:xml:ns:common-policy"><cr:rule id="a"><cr:conditions><cr:identity><cr:one id="${alice.address}"/></cr:identity></cr:conditions><cr:actions><sub-handling>allow</sub-handling></cr:actions><cr:transformations><provide-persons>${ids}</provide-persons><provide-all-attributes/></cr:transformations></cr:rule></cr:ruleset>`;
    await publish(person('p1', '<r:mood><r:happy/></r:mood>'));
    await publish(person('p2', '<r:place-type><r:other>bar</r:other></r:place-type>'));
    const watch = async (ids: string) => {
      await xcap.put('/pres-rules/users/bob/index', rules(ids));
      const fetch = await alice.subscribe(bob.address, { expires: 0 });
      return (await fetch.notify()).body;
    };
    expect(await watch('<occurrence-id>p1</occurrence-id>')).not.toContain('person id');
    const both = await watch('<occurrence-id>p1</occurrence-id><occurrence-id>p2</occurrence-id>');
    expect(both).toContain('happy');
    expect(both).toContain('bar');
  });
});

describe('RFC 4479 3.4: devices by their deviceID', () => {
  it('are one, whoever tells of them', async () => {
    await publish('<dm:device id="a"><r:user-input>idle</r:user-input><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device>');
    await publish(
      '<dm:device id="b"><x:place xmlns:x="urn:x">hall</x:place><dm:deviceID>urn:uuid:1</dm:deviceID><dm:note>RFID</dm:note></dm:device>' +
        '<dm:device id="c"><dm:deviceID>urn:uuid:2</dm:deviceID></dm:device>',
    );
    expect(told(named(await seen(), 'device')).sort()).toEqual([
      'deviceID(urn:uuid:1) note(RFID) place(hall) user-input(idle)',
      'deviceID(urn:uuid:2)',
    ]);
  });

  it('two of one id are two, of ids that differ (3.5)', async () => {
    await publish('<dm:device id="a"><dm:deviceID>urn:uuid:1</dm:deviceID></dm:device>');
    await publish('<dm:device id="a"><dm:deviceID>urn:uuid:2</dm:deviceID></dm:device>');
    const ids = named(await seen(), 'device').map((device) => device.attributes.get('id'));
    expect([ids.length, new Set(ids).size]).toEqual([2, 2]);
  });
});

describe('RFC 4479 3.3: services', () => {
  const services = async () => (await seen()).tuples.map(({ id, basic, contact }) => [id, basic, contact].filter(Boolean).join(' ')).sort();

  it('of one tuple id are one: the newest timestamp, or else the newest publication', async () => {
    await publish(tuple('t', 'open', '<timestamp>2026-03-01T12:00:00Z</timestamp>'));
    await publish(tuple('t', 'closed', '<timestamp>2026-03-01T11:00:00Z</timestamp>'));
    expect(await services()).toEqual(['t open']);
    await publish(tuple('t', 'closed'));
    expect(await services()).toEqual(['t closed']);
  });

  it('of one contact are one, as the reach information identifies a service (3.3.2)', async () => {
    await publish(tuple('before-crash', 'open', '<contact>sip:bob@192.0.2.1:5070</contact>'));
    await publish(tuple('after-crash', 'closed', '<contact>sip:bob@192.0.2.1:5070</contact>'));
    expect(await services()).toEqual(['after-crash closed sip:bob@192.0.2.1:5070']);
  });

  it("behind the presentity's own address each agent has a word of its own, and so has a GRUU", async () => {
    await publish(
      tuple('phone', 'open', `<contact>${bob.address}</contact>`) + tuple('p', 'open', `<contact>${bob.address};gr=1</contact>`),
    );
    await publish(
      tuple('desk', 'closed', `<contact>${bob.address}</contact>`) + tuple('d', 'closed', `<contact>${bob.address};gr=1</contact>`),
    );
    expect(await services()).toEqual([`d closed ${bob.address};gr=1`, `desk closed ${bob.address}`, `phone open ${bob.address}`]);
  });

  it("behind the presentity's own address it is the same when it is on the same device (3.3.1)", async () => {
    const on = (device: string) => `<dm:deviceID>urn:uuid:${device}</dm:deviceID><contact>${bob.address}</contact>`;
    await publish(tuple('before-crash', 'open', on('1')));
    await publish(tuple('other', 'open', on('2')));
    await publish(tuple('after-crash', 'closed', on('1')));
    expect(await services()).toEqual([`after-crash closed ${bob.address}`, `other open ${bob.address}`]);
  });

  it('two agents that chose the same tuple id for different contacts are both seen, under ids that differ (3.5)', async () => {
    await publish(tuple('t1', 'open', '<contact>sip:a@192.0.2.1</contact>'));
    await publish(tuple('t1', 'closed', '<contact>sip:b@192.0.2.2</contact>'));
    expect(await services()).toEqual(['t1 closed sip:b@192.0.2.2', 't1.2 open sip:a@192.0.2.1']);
  });
});

describe('what nobody here knows', () => {
  it('stays, with its namespaces, from every publication; <im> of no schema too', async () => {
    const body = `<p:presence xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:e="urn:e:one" xmlns:dm="${DATA_MODEL}" entity="${bob.address}"><p:tuple id="a"><p:status><p:basic>open</p:basic><e:im>busy</e:im></p:status><e:x e:y="1"/></p:tuple><dm:person id="p"><e:shoe>44</e:shoe></dm:person><e:all/></p:presence>`;
    expect((await bob.publish(body, { expires: 600 })).status).toBe(200);
    const other = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:e="urn:e:two" xmlns:m="${DATA_MODEL}" entity="${bob.address}"><tuple id="b"><status><basic>open</basic><im>online</im></status></tuple><m:person id="q"><e:shoe>45</e:shoe><none xmlns="">0</none></m:person><e:all/></presence>`;
    expect((await bob.publish(other, { expires: 600 })).status).toBe(200);
    const document = await seen();
    const [a, b] = ['a', 'b'].map((id) => document.tuples.find((t) => t.id === id));
    expect(a?.status.map((e) => [e.namespace, e.name, e.text])).toEqual([['urn:e:one', 'im', 'busy']]);
    expect(b?.status.map((e) => [e.name, e.text])).toEqual([['im', 'online']]);
    const [one] = named(document, 'person');
    expect(one?.children.map((e) => [e.namespace, e.name, e.text]).sort()).toEqual([
      ['', 'none', '0'],
      ['urn:e:one', 'shoe', '44'],
      ['urn:e:two', 'shoe', '45'],
    ]);
    expect(
      document.extensions
        .filter((e) => e.name === 'all')
        .map((e) => e.namespace)
        .sort(),
    ).toEqual(['urn:e:one', 'urn:e:two']);
  });

  it('does no harm: a root that declares namespaces without measure', async () => {
    const namespaces = [...Array(80).keys()].map((i) => `xmlns:n${i}="urn:${'x'.repeat(60)}:${i}"`).join(' ');
    const inner = [...Array(80).keys()].map((i) => `<n${i}:e>n0:n1:n2:n3:n4:n5:n6:n7:</n${i}:e>`).join('');
    const body = (id: string) =>
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="${DATA_MODEL}" ${namespaces} entity="${bob.address}"><dm:person id="${id}">${inner}</dm:person></presence>`;
    expect((await bob.publish(body('a'), { expires: 600 })).status).toBe(200);
    expect((await bob.publish(body('b'), { expires: 600 })).status).toBe(200);
    expect(named(await seen(), 'person')).toHaveLength(1);
  });
});

describe('RFC 4827 3: hard state', () => {
  it('is below all that agents publish, and adds what they do not say', async () => {
    const xcap = await stage.xcap('bob');
    const hard = presence(
      tuple('mail', 'open', '<contact>mailto:bob@example.com</contact>') +
        tuple('voice', 'closed', `<contact>${bob.address}</contact><timestamp>2090-01-01T00:00:00Z</timestamp>`) +
        '<note>on tour</note>' +
        person('hp', '<r:mood><r:calm/></r:mood><c:homepage>http://x/</c:homepage>', '2090-01-01T00:00:00Z'),
    );
    expect((await xcap.put('/pidf-manipulation/users/bob/index', hard)).status).toBe(201);
    expect((await seen()).tuples.map(({ id }) => id)).toEqual(['mail', 'voice']);
    const etag = await publish(tuple('phone', 'open', `<contact>${bob.address}</contact>`) + person('p', '<r:mood><r:happy/></r:mood>'));
    const both = await seen();
    expect(both.tuples.map(({ id, basic }) => `${id} ${basic}`)).toEqual(['phone open', 'mail open']);
    expect(both.notes).toEqual(['on tour']);
    expect(told(named(both, 'person'))[0]).toContain('homepage(http://x/) mood(happy())');
    await bob.publish(undefined, { etag, expires: 0 });
    expect((await seen()).tuples.map(({ id }) => id)).toEqual(['mail', 'voice']);
  });
});

it('a document that is published alone goes out as it came', async () => {
  const body = pidf(bob.address, { basic: 'open', im: 'busy', contact: 'sip:bob@192.0.2.1' });
  expect((await bob.publish(body, { expires: 600 })).status).toBe(200);
  const fetch = await bob.subscribe(bob.address, { expires: 0 });
  expect((await fetch.notify()).body).toContain(/<tuple[\s\S]*<\/tuple>/.exec(body)?.[0] ?? 'no tuple');
});
