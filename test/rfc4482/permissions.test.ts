/** RFC 4482, RFC 5196: contact information and capabilities as what no permission of RFC 5025 is for (3.3.2.15). */
import { afterEach, expect, it } from 'vitest';
import { ruleset, ruleXml } from '../rfc4745/decide-by.ts';
import { rulesPath } from '../scenarios/documents.ts';
import { Stage } from '../scenarios/stage.ts';

const stage = new Stage();
afterEach(() => stage.close());

const CIPID = 'urn:ietf:params:xml:ns:pidf:cipid';
const CAPS = 'urn:ietf:params:xml:ns:pidf:caps';
const PARTS = [
  '<p:provide-services><p:all-services/></p:provide-services>',
  '<p:provide-persons><p:all-persons/></p:provide-persons>',
  '<p:provide-devices><p:all-devices/></p:provide-devices>',
].join('');
const unknown = (ns: string, name: string) => `<p:provide-unknown-attribute ns="${ns}" name="${name}">true</p:provide-unknown-attribute>`;
const WORDS = ['card.vcd', 'Bob Builder', 'homepage', 'icon.gif', 'servcaps', 'devcaps'];

it.each([
  ['nothing of them', '', []],
  ['one attribute of a person', unknown(CIPID, 'display-name'), ['Bob Builder']],
  ['one that persons and services have', unknown(CIPID, 'card'), ['card.vcd']],
  ['what a service can', unknown(CAPS, 'servcaps'), ['servcaps']],
  ['what a device can', unknown(CAPS, 'devcaps'), ['devcaps']],
  ['not by the name alone', unknown('urn:x', 'card'), []],
  ['all of them', '<p:provide-all-attributes/>', WORDS],
])('a watcher sees %s', async (_what, permissions, seen) => {
  await stage.boot();
  const [alice, bob] = [await stage.peer('alice'), await stage.peer('bob')];
  const rules = ruleset(ruleXml('a', `<identity><one id="${alice.address}"/></identity>`, 'allow', PARTS + permissions));
  expect((await (await stage.xcap('bob')).put(rulesPath('bob'), rules)).status).toBe(201);
  const tuple = `<tuple id="t"><status><basic>open</basic></status><caps:servcaps><caps:audio>true</caps:audio></caps:servcaps><c:card>http://a.test/card.vcd</c:card><contact>sip:bob@a.test</contact></tuple>`;
  const person = `<dm:person id="p"><c:card>http://a.test/card.vcd</c:card><c:display-name>Bob Builder</c:display-name><c:homepage>http://a.test/</c:homepage><c:icon>http://a.test/icon.gif</c:icon></dm:person>`;
  const device = `<dm:device id="d"><caps:devcaps><caps:mobility><caps:supported><caps:mobile/></caps:supported></caps:mobility></caps:devcaps><dm:deviceID>urn:x:1</dm:deviceID></dm:device>`;
  const document = `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:c="${CIPID}" xmlns:caps="${CAPS}" entity="${bob.address}">${tuple}${person}${device}</presence>`;
  expect((await bob.publish(document, { expires: 600 })).status).toBe(200);
  const { body } = await (await alice.subscribe(bob.address, { expires: 600 })).notify();
  expect(WORDS.filter((word) => body.includes(word))).toEqual(seen);
  for (const id of ['"t"', '"p"', '"d"']) expect(body).toContain(`id=${id}`);
});
