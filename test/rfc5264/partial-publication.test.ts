import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPidf } from '../helpers/pidf-reader.ts';
import { startServerProcess } from '../helpers/server-process.ts';
import { header } from '../helpers/sip-message.ts';
import type { SipPeer } from '../helpers/sip-peer.ts';
import { Stage } from '../scenarios/stage.ts';

const TYPE = 'application/pidf-diff+xml';
const NAMESPACES =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:c="urn:ietf:params:xml:ns:pidf:caps" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"';

const stage = new Stage();
let bob: SipPeer;
beforeEach(async () => {
  await stage.boot();
  bob = await stage.peer('bob');
});
afterEach(() => stage.close());

/** What the RFC's example has in its first publication: two services, a person and a device. */
const CONTENT = `
 <tuple id="sg89ae"><status><basic>open</basic></status><c:servcaps><c:audio>true</c:audio><c:message>true</c:message><c:video>false</c:video></c:servcaps><contact priority="0.8">tel:09012345678</contact></tuple>
 <tuple id="r1230d"><status><basic>closed</basic></status><contact priority="0.9">sip:pep@example.com</contact></tuple>
 <note xml:lang="en">all</note>
 <dm:person id="p123"><r:activities><r:on-the-phone/><r:busy/>
  </r:activities></dm:person>
 <dm:device id="u600b40c7"><dm:deviceID>urn:esn:600b40c7</dm:deviceID></dm:device>
`;
const full = (content = CONTENT) => `<p:pidf-full ${NAMESPACES} entity="${bob.address}">${content}</p:pidf-full>`;
const diff = (operations: string, entity = bob.address) => `<p:pidf-diff ${NAMESPACES} entity="${entity}">${operations}</p:pidf-diff>`;
const publish = (body: string | undefined, etag?: string) => bob.publish(body, { expires: 600, contentType: TYPE, ...(etag && { etag }) });
async function seen(): Promise<string> {
  const fetch = await bob.subscribe(bob.address, { expires: 0 });
  const { body } = await fetch.notify();
  readPidf(body);
  return body;
}

/** The operations of the RFC's example, on both roots that a publication may have had. */
const CHANGES = `
 <p:add sel="presence/note" pos="before"><tuple id="ert4773"><status><basic>open</basic></status><contact priority="0.4">mailto:pep@example.com</contact></tuple></p:add>
 <p:replace sel="*/tuple[@id='r1230d']/status/basic/text()">open</p:replace>
 <p:remove sel="*/dm:person/r:activities/r:busy" ws="after"/>
 <p:replace sel="p:pidf-full/tuple[@id='sg89ae']/contact/@priority">0.7</p:replace>`;

function expectChanged(body: string): void {
  expect(readPidf(body).tuples.map(({ id, basic, priority }) => `${id} ${basic} ${priority}`)).toEqual([
    'sg89ae open 0.7',
    'r1230d open 0.9',
    'ert4773 open 0.4',
  ]);
  expect(body).toContain('<r:activities><r:on-the-phone/></r:activities>');
  expect(body).toContain('urn:esn:600b40c7');
}

describe('RFC 5264 4.3: partial publications', () => {
  it('a first one is full, and changes are applied to what was published under the entity-tag', async () => {
    const first = await publish(full());
    expect(first.status).toBe(200);
    expect(readPidf(await seen()).tuples.map(({ id, basic }) => `${id} ${basic}`)).toEqual(['sg89ae open', 'r1230d closed']);
    const second = await publish(diff(CHANGES), first.etag);
    expect(second.status).toBe(200);
    expect(second.etag).not.toBe(first.etag);
    expectChanged(await seen());
    const third = await publish(diff(`<p:remove sel="*/tuple[1]"/>`), second.etag);
    expect(readPidf(await seen()).tuples.map(({ id }) => id)).toEqual(['r1230d', 'ert4773']);
    const fourth = await publish(full('<note>new</note>'), third.etag);
    expect([fourth.status, readPidf(await seen()).notes]).toEqual([200, ['new']]);
    expect((await bob.publish(undefined, { etag: fourth.etag, expires: 0 })).status).toBe(200);
    expect(readPidf(await seen()).tuples.map(({ basic }) => basic)).toEqual(['closed']);
  });

  it('of what was first published as application/pidf+xml too', async () => {
    const whole = full().replace('<p:pidf-full', '<presence').replace('</p:pidf-full', '</presence');
    const { etag } = await bob.publish(whole, { expires: 600 });
    expect((await publish(diff(CHANGES), etag)).status).toBe(200);
    expectChanged(await seen());
  });

  it('each publication has changes of its own', async () => {
    const [one, two] = [await publish(full('<note>1</note>')), await publish(full('<note>2</note>'))];
    await publish(diff('<p:replace sel="*/note/text()">3</p:replace>'), one.etag);
    expect([...readPidf(await seen()).notes].sort()).toEqual(['2', '3']);
    await publish(diff('<p:replace sel="*/note/text()">4</p:replace>'), two.etag);
    expect([...readPidf(await seen()).notes].sort()).toEqual(['3', '4']);
  });

  it('400 for changes in a first publication, 412 for those of an unknown entity-tag', async () => {
    const { status, response } = await publish(diff(CHANGES));
    expect([status, response.reason]).toEqual([400, expect.stringMatching(/Invalid Partial Publication/)]);
    expect((await publish(diff(CHANGES), 'never')).status).toBe(412);
    const { etag } = await publish(full());
    await publish(undefined, etag);
    expect((await publish(diff(CHANGES), etag)).status).toBe(412);
  });

  it.each([
    ['what is not XML', '<p:pidf-diff', /unclosed|line/],
    ['another root', `<presence ${NAMESPACES} entity="sip:bob@example.com"/>`, /root element/],
    ['a selector of nothing', () => diff('<p:remove sel="*/tuple[9]"/>'), /unlocated-node/],
    ['a selector of several', () => diff('<p:remove sel="*/tuple"/>'), /unlocated-node/],
    ['another operation', () => diff('<p:move sel="*/tuple[1]"/>'), /invalid-diff-format/],
    ['all of XPath', () => diff(`<p:remove sel="//*[count(//*) = 1]"/>`), /invalid-attribute-value/],
    ["another presentity's changes", () => diff(CHANGES, 'sip:carol@example.com'), /invalid-attribute-value/],
    ['what leaves no presence document', () => diff('<p:replace sel="*"><a xmlns=""/></p:replace>'), /root element/],
    ['a tuple without an id', () => diff('<p:remove sel="*/tuple[1]/@id"/>'), /no id/],
    ['an end that fails after a beginning that does not', () => diff(`${CHANGES}<p:remove sel="*/x"/>`), /unlocated-node/],
  ])('400 for %s, and what was published stays (4.3.2)', async (_what, body, reason) => {
    const { etag } = await publish(full());
    const before = await seen();
    const refused = await publish(typeof body === 'string' ? body : body(), etag);
    expect([refused.status, refused.response.reason]).toEqual([400, expect.stringMatching(reason)]);
    expect(await seen()).toBe(before);
    expect((await publish(diff(CHANGES), etag)).status).toBe(200);
  });

  it('413 for what grows beyond a publication', async () => {
    let { etag } = await publish(full());
    const more = diff(`<p:add sel="*"><note>${'x'.repeat(40_000)}</note></p:add>`);
    ({ etag } = await publish(more, etag));
    expect((await publish(more, etag)).status).toBe(413);
    expect((await publish(diff('<p:remove sel="*/note[1]"/>'), etag)).status).toBe(200);
  });

  it('is told of in OPTIONS and in 415 (4.1)', async () => {
    const { response } = await bob.publish('x', { contentType: 'text/plain' });
    expect([response.status, header(response, 'accept')]).toEqual([415, expect.stringContaining(TYPE)]);
  });
});

it('RFC 5264 4.3.2: what changes have made of a publication outlasts kill -9', { timeout: 40_000 }, async () => {
  const server = await startServerProcess();
  await stage.use(server);
  bob = await stage.peer('bob');
  const whole = await bob.publish(full().replace('<p:pidf-full', '<presence').replace('</p:pidf-full', '</presence'), { expires: 600 });
  const { etag } = await publish(diff(CHANGES), whole.etag);
  const other = await publish(full('<note>1</note>'));
  await publish(diff('<p:replace sel="*/note/text()">2</p:replace>'), other.etag);
  await server.kill();
  await server.start();
  const body = await seen();
  expectChanged(body);
  expect(readPidf(body).notes).toEqual(['2', 'all']);
  expect((await publish(diff('<p:remove sel="*/tuple[1]"/>'), etag)).status).toBe(200);
});
